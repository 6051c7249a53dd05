"""Tells a random-looking run of characters (a key, a token) from what people and tools write.

Measured on words: nearly every name that someone gave has most of its letters in stretches of
four or more of one kind ("controller", "CLUSTER") that can be spoken; of random text over 64
characters about 10 % are. So a run is taken for random when it is long, mixes capitals, small
letters and digits, and has less than half of its characters in such stretches. One token in a
thousand is taken for a name.

Hexadecimal digits are judged by length alone: as long as a digest or an id of 128 bits or less
(git commits, container ids, uuids without dashes, checksums) they are kept, else masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LEAST = 32  # characters: shorter runs are masked only by name or by shape

RUN = re.compile(rb"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{32,}+={0,2}")

_HEX = re.compile(rb"(?:[0-9a-f]+|[0-9A-F]+)")
_DIGESTS = frozenset({40, 56, 64, 96, 128})  # SHA-1, 224, 256, 384, 512
_STRETCH = re.compile(rb"[a-z]{4,}|[A-Z]{4,}|[0-9]{6,}")
_UNSPEAKABLE = re.compile(rb"(?i)^[b-df-hj-np-tv-xz]+$|[b-df-hj-np-tv-xz]{5}")  # nobody's word
_WORD = re.compile(rb"[A-Za-z0-9]+")
_PATH = re.compile(rb"/[a-z][a-z0-9_-]*(?:/|$)")
_HOST = re.compile(rb"//[A-Za-z0-9_-]*+/?")
_RELATIVE = re.compile(rb"([a-z][a-z_-]*)/")
_FOLDERS = frozenset(  # short names; of longer ones it can be told that they are
    b"a b api app bin cmd css dev doc etc go img js lib mnt net opt pkg run src srv ssl sys tmp ui "
    b"usr var www".split()
)
_PUBLIC = (b"AAAAB3NzaC1", b"AAAAC3NzaC1lZDI1", b"AAAAE2VjZHNh")  # ssh public keys
_CHECKSUM_HERE = re.compile(rb"sha(?:1|224|256|384|512)-")
_CHECKSUM = re.compile(rb"sha(?:1|224|256|384|512)[-_]?$", re.IGNORECASE)


def find(text: bytes) -> Iterator[tuple[int, int]]:
    """Where in a text there are runs that are secrets by their looks."""
    for match in RUN.finditer(text):
        run, start = match[0], match.start()
        before = text[max(0, start - 8) : start]
        host = _HOST.match(run) if before.endswith(b":") else None
        if host is not None:  # a URL without its scheme; what looks like a path there is one
            start += host.end()
            run = run[host.end() :]
            before = b""
        if len(run) >= LEAST and _is_random(run, before):
            yield start, match.end()


def _is_random(run: bytes, before: bytes) -> bool:
    if run.startswith(_PUBLIC) or _PATH.match(run) or before[-1:] in (b".", b"~"):
        return False
    if _CHECKSUM.search(before.rstrip(b":-=")) or _CHECKSUM_HERE.match(run):
        return False
    relative = _RELATIVE.match(run)
    if relative and (relative[1] in _FOLDERS or _is_speakable(relative[1])):
        return any(_is_mixed(part) or _is_dense(part) for part in run.split(b"/"))
    return _is_mixed(run) or any(_is_dense(word) for word in _WORD.findall(run))


def is_unreadable(word: bytes) -> bool:
    """Whether a word of any length has digits and few stretches of letters in it."""
    return re.search(rb"[0-9]", word) is not None and _share_of_stretches(word) < 0.5


def _is_mixed(run: bytes) -> bool:
    run = run.rstrip(b"=")
    if len(run) < LEAST or _HEX.fullmatch(run):
        return False
    if not (re.search(rb"[a-z]", run) and re.search(rb"[A-Z]", run) and re.search(rb"[0-9]", run)):
        return False
    return _share_of_stretches(run) < 0.5


def _is_dense(word: bytes) -> bool:
    """One word of small letters and digits, or capitals and digits, that nobody could read."""
    if len(word) < LEAST:
        return False
    if _HEX.fullmatch(word):
        return len(word) > LEAST and len(word) not in _DIGESTS and not word.isdigit()
    digits = sum(1 for byte in word if 48 <= byte <= 57)
    return digits >= 4 and _share_of_stretches(word) < 0.5


def _share_of_stretches(run: bytes) -> float:
    return sum(map(len, filter(_is_speakable, _STRETCH.findall(run)))) / len(run)


def _is_speakable(word: bytes) -> bool:
    return len(word) >= 4 and _UNSPEAKABLE.search(word) is None
