"""Text from outside -> text that is safe to show: nothing in it can steer a terminal.

What may be shown is what ``str.isprintable`` allows: no control character, no line break, no
bidirectional override, no invisible format character, no lone surrogate. Where the stream does
not take UTF-8, only ASCII may be.
"""

from __future__ import annotations

import codecs
import re
from typing import TextIO

_NEEDS_NO_QUOTES = re.compile(r"[\w@%+=:,./-]+")  # \w: letters and digits of any script
_SHORT = str.maketrans({"\\": r"\\", "'": r"\'", "\n": r"\n", "\t": r"\t"})


def takes_ascii_only(stream: TextIO) -> bool:
    """Whether the stream may refuse characters beyond ASCII. One without an encoding takes all."""
    encoding = getattr(stream, "encoding", None)
    if not encoding:
        return False
    try:
        return codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig", "utf-16", "utf-32")
    except LookupError:
        return True


def shows(text: str, ascii_only: bool) -> bool:
    """Whether the text may be shown as it is."""
    return text.isprintable() and (not ascii_only or text.isascii())


def visible(text: str, ascii_only: bool = False) -> str:
    r"""The text, with what may not be shown written as ``\xNN``, ``\uNNNN`` or ``\UNNNNNNNN``."""
    if shows(text, ascii_only):
        return text
    return "".join([c if shows(c, ascii_only) else _escape(ord(c)) for c in text])


def quoted(argument: str, ascii_only: bool = False) -> str:
    r"""The argument as bash must be given it, safe to show: ``a``, ``'a b'``, ``$'a\nb'``."""
    if not shows(argument, ascii_only):
        return f"$'{visible(argument.translate(_SHORT), ascii_only)}'"
    if _NEEDS_NO_QUOTES.fullmatch(argument):
        return argument
    return "'" + argument.replace("'", "'\\''") + "'"


def without_surrogates(text: str) -> str:
    """Text that can be encoded: each lone surrogate becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _escape(code: int) -> str:
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
