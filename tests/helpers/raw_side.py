"""A far side below HTTP: a listening socket, and a script for every connection that comes."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

Script = Callable[[socket.socket, threading.Event], None]


class RawSide:
    """script(connection, closing) runs on a thread for each connection, which is then closed.

    `closing` is set when the test is over: a script that waits, waits for it.  connections: how
    many there have been.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._server = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.connections = 0
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            if self._closing.is_set():
                connection.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            self._open.append(connection)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the client has had enough
            self._script(connection, self._closing)

    def stop(self) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            socket.create_connection(self._server.getsockname()[:2]).close()
        self._accepting.join()
        self._server.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # who waits in a send does so no longer
        for thread in self._threads:
            thread.join(20)


def silence(connection: socket.socket, closing: threading.Event) -> None:
    """Accept, and say nothing."""
    closing.wait()


def hang_up(connection: socket.socket, closing: threading.Event) -> None:
    """Accept, and be gone."""


def reset(connection: socket.socket, closing: threading.Event) -> None:
    """Read a little of the request, then RST."""
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says(answer: bytes, again: bytes = b"", every: float = 0.0) -> Script:
    """Say this, then `again` for ever: at full speed, or a byte every so many seconds.

    Without `again`: then RST.
    """

    def script(connection: socket.socket, closing: threading.Event) -> None:
        connection.recv(1 << 16)
        connection.sendall(answer)
        if not again:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        connection.settimeout(30)
        while not closing.is_set():
            if not every:
                connection.sendall(again)
                continue
            for byte in again:
                connection.sendall(bytes([byte]))
                if closing.wait(every):
                    return

    return script


def http2(status: int, *headers: tuple[str, str], body: bytes = b"") -> Script:
    """Speak just enough HTTP/2 to answer a gRPC call with an HTTP status, as a proxy does."""

    def text(words: str) -> bytes:
        return bytes([len(words)]) + words.encode()

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return (
            struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload
        )

    # Header fields as literals without indexing; 8 is `:status` in the static table.
    fields = b"\x08" + text(str(status))
    for name, value in headers:
        fields += b"\x00" + text(name) + text(value)

    def script(connection: socket.socket, closing: threading.Event) -> None:
        connection.sendall(frame(4, 0, 0, b""))  # SETTINGS
        with connection.makefile("rb") as stream:
            stream.read(24)  # the client's preface; after it come whole frames
            while head := stream.read(9):
                stream.read(int.from_bytes(head[:3], "big"))
                number = int.from_bytes(head[5:], "big")
                if head[3] == 4 and not head[4]:
                    connection.sendall(frame(4, 1, 0, b""))
                if head[3] == 1:  # HEADERS: a call
                    answer = frame(1, 4 if body else 5, number, fields)
                    connection.sendall(answer + (frame(0, 1, number, body) if body else b""))

    return script
