"""gzip, once: how a request is kept in the spool and sent over HTTP."""

from __future__ import annotations

import zlib

from otel_killsnoop.errors import OtlpError

_GZIP = 31  # zlib's window bits for a gzip header and trailer
_LARGEST = 64 << 20  # of an unpacked request; ours are about 1 MiB, a damaged file may say anything


def pack(body: bytes) -> bytes:
    """The body as gzip, level 1 (higher ones cost several times more), with no time in it.

    The same body gives the same bytes at any time, so that what is sent again is the same.
    """
    return zlib.compress(body, 1, _GZIP)


def unpack(packed: bytes) -> bytes:
    """What `pack` was given; `OtlpError` for anything that is not one whole gzip member."""
    reader = zlib.decompressobj(_GZIP)
    try:
        body = reader.decompress(packed, _LARGEST)
    except zlib.error as error:
        raise OtlpError("bytes are not gzip", str(error)) from error
    if not reader.eof or reader.unused_data:
        raise OtlpError("gzip bytes are cut, followed by others, or too many", f"{len(packed)} B")
    return body
