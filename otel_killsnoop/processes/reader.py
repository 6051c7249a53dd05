"""Reads one command line word by word and says which parts of it are secret: see ``redact``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from otel_killsnoop.processes import authority, randomness
from otel_killsnoop.processes.sensitive import (
    HEADER,
    PROGRAMS,
    SHAPES,
    Program,
    is_key_name,
    is_secret_name,
    may_hold,
)

_DEEPEST = 4  # quotes within quotes that are looked into

# Arguments that looked suspicious and held nothing: the scripts of shells come again and again.
# At most 512 KiB; what is secret is not among them, so it does not outlive its process here.
clean: set[bytes] = set()
MOST, LONGEST = 512, 1024

Span = tuple[int, int]

_ASSIGNMENT = re.compile(rb"(-{0,2}[A-Za-z_][A-Za-z0-9_.:/-]*+)=(?s:.)")
_FLAG = re.compile(rb"--?[A-Za-z][A-Za-z0-9_.-]*")
_SETTING = re.compile(rb"[A-Za-z_][A-Za-z0-9-]*+[._][A-Za-z0-9_.-]*")
_OPTION = re.compile(rb"--[a-z][a-z0-9-]*(?:=.*)?|-[A-Za-z]|-[a-z]{2,}|--", re.DOTALL)
_BLANK = re.compile(rb"\s")
_WORD = re.compile(rb"""(?:[^\s"';|&()]++|"[^"]*+"?|'[^']*+'?)++""")
_QUOTED = re.compile(rb""""([^"]*+)|'([^']*+)""")
_NAMED = re.compile(
    rb"""(?<![A-Za-z0-9_.$-])([A-Za-z_-][A-Za-z0-9_.-]*+)\\?["']?[ \t]{0,4}(?:=>|:=|[=:])"""
    rb"""[ \t]{0,4}"""
)
_VALUE = re.compile(
    rb"""\\"([^"\\]*+)|"([^"]*+)|'([^']*+)|(\$\{[^}]*+\}?|\$\([^)]*+\)?|[^\s;&|"',(){}\[\]]++)"""
)
_REFERENCE = re.compile(
    rb"\$[A-Z_][A-Z0-9_]*|\$\{[^}]*\}?|\$\(.*|`.*|%[sd]|\{\{.*|<[a-z_ -]*>", re.DOTALL
)
_NO_SECRET = re.compile(
    rb"(?i)(?:\*+|x{3,}|true|false|yes|no|on|off|none|null|nil|basic|digest|stdin|prompt"
    rb"|(?:env|file|fd):.*|id=.*)"
)
_FILE = re.compile(rb"(?:\.{0,2}|~)/.*|.*\.(?:pem|key|crt|cer|pub|json|ya?ml|txt|p12|pfx|jks|conf)")


class Reader:
    """Reads the words of one command line in order; what it knows is what came before."""

    def __init__(self, in_text: bool = False, depth: int = 0) -> None:
        self._in_text = in_text
        self._depth = depth
        self._program: Program | None = None
        self._flag: bytes | None = None  # the next word is its value
        self._pair: bytes | None = None  # the next word is name + this + secret

    def read(self, word: bytes) -> list[Span]:
        """The spans of this word that are secret."""
        flag, self._flag = self._flag, None
        pair, self._pair = self._pair, None
        if flag is not None and word and not _OPTION.fullmatch(word):
            if not self._is_harmless(flag, word):
                return [(0, len(word))]
        elif pair is not None:
            name, separator, _ = word.partition(pair)
            if separator and len(name) + 1 < len(word):
                return [(len(name) + 1, len(word))]
        found: list[Span] = []
        if word.startswith(b"-"):
            found += self._option(word)
        elif len(word) < 256 and (program := PROGRAMS.get(word.rpartition(b"/")[2])) is not None:
            self._program = program
        elif _SETTING.fullmatch(word) and is_secret_name(word):
            self._flag = word
        position = 0
        while (named := _ASSIGNMENT.match(word, position)) is not None:
            value = named.end() - 1
            if is_secret_name(named[1]):
                first = word[value:].split(None, 1)
                is_script = len(first) == 2 and _REFERENCE.fullmatch(first[0]) is not None
                if not is_script and not self._is_harmless(named[1], word[value:]):
                    found.append((value, len(word)))
                    word = word[:value]  # before it there may be more: `=` ends some tokens, too
                break
            position = value
        if len(word) >= 6 and may_hold(word):
            found += self._inside(word)
        return found

    def _option(self, word: bytes) -> tuple[Span, ...]:
        """What is secret in an option itself; or what that makes of the word after it."""
        program = self._program
        if program is not None:
            if word in program.pair:
                self._pair = program.separator
                return ()
            if word in program.apart:
                self._flag = b"-password"
                return ()
            for option in program.joined:
                if word.startswith(option) and len(word) > len(option) and word[1:2] != b"-":
                    start = len(option)
                    if option in program.pair:
                        start = word.find(program.separator) + 1
                        if start == 0:
                            return ()
                    if self._is_reference(word[start:]):
                        return ()
                    return ((start, len(word)),)
        if _FLAG.fullmatch(word) and is_secret_name(word):
            self._flag = word
        return ()

    def _is_harmless(self, name: bytes, value: bytes) -> bool:
        """Whether a value under a secret's name is none itself."""
        value = value.strip(b"\"'")
        if not value or _NO_SECRET.fullmatch(value):
            return True
        if self._is_reference(value):
            return True
        if value.isdigit() and len(value) == 1:  # ffmpeg -pass 1
            return True
        return is_key_name(name) and _FILE.fullmatch(value) is not None

    def _is_reference(self, value: bytes) -> bool:
        """Whether a script names a secret here instead of writing it out."""
        return self._in_text and _REFERENCE.fullmatch(value) is not None

    def _inside(self, text: bytes) -> list[Span]:
        """What is secret by its looks or by a name within the argument."""
        is_argument = self._depth == 0 and not self._in_text
        if is_argument and text in clean:
            return []
        found = [shape.span() for shape in SHAPES.finditer(text)]
        headers = list(HEADER.finditer(text))
        for header in headers:
            found += self._header(text, header)
        has_blanks = _BLANK.search(text) is not None
        found += authority.find(text, has_blanks)
        in_text, self._in_text = self._in_text, self._in_text or has_blanks
        found += self._named(text, {header.start() for header in headers})
        self._in_text = in_text
        found += randomness.find(text)
        if has_blanks and self._depth < _DEEPEST:
            found += self._words(text)
        if is_argument and not found and len(text) <= LONGEST:
            if len(clean) >= MOST:
                clean.clear()
            clean.add(text)
        return found

    def _named(self, text: bytes, headers: set[int]) -> Iterator[Span]:
        """The values of members, parameters and settings with a secret's name, but headers'."""
        end = 0
        for named in _NAMED.finditer(text):
            if named.start() < end or named.start() in headers or not is_secret_name(named[1]):
                continue
            value = _VALUE.match(text, named.end())
            if value is not None:
                end = value.end()
                if not self._is_harmless(named[1], value[value.lastindex or 0]):
                    yield value.span(value.lastindex or 0)

    def _header(self, text: bytes, header: re.Match[bytes]) -> Iterator[Span]:
        start, value = header.span()
        quote = text[start - 1 : start]
        if start == 0:
            end = len(text)
        elif quote in (b'"', b"'"):
            end = text.find(quote, value)
        else:
            end = text.find(b"\n", value)
        end = len(text) if end < 0 else end
        if value < end and not _REFERENCE.fullmatch(text[value:end]):
            yield value, end

    def _words(self, text: bytes) -> list[Span]:
        """The same rules for the words of a script or title."""
        reader = Reader(True, self._depth + 1)
        found: list[Span] = []
        for match in _WORD.finditer(text):
            word, start = match[0], match.start()
            if word[:1] in (b'"', b"'"):
                quote = word[:1]
                word, start = word[1:], start + 1
                if word.endswith(quote):
                    word = word[:-1]
            else:
                for part in _QUOTED.finditer(word):
                    found += self._quoted(part[part.lastindex or 0], start + part.start() + 1)
            if len(word) < len(text):
                found += [(start + first, start + last) for first, last in reader.read(word)]
        return found

    def _quoted(self, text: bytes, start: int) -> list[Span]:
        """What is secret in a quoted part of a word, as in ``CMD='mysql --password x'``."""
        if _BLANK.search(text) is None:
            return []  # read with its word
        inner = Reader(True, self._depth + 1).read(text)
        return [(start + first, start + last) for first, last in inner]
