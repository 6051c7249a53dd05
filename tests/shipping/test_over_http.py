"""The HTTP transport against a real server that answers what a test scripts."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_killsnoop import __version__
from otel_killsnoop.shipping.delivery import Kind, decide
from otel_killsnoop.shipping.endpoint import Endpoint
from otel_killsnoop.shipping.http import ANSWER_LIMIT, HttpTransport
from otel_killsnoop.shipping.packing import pack
from otel_killsnoop.shipping.transport import Transport, connect, shown


def endpoint(url: str, **more: Any) -> Endpoint:
    return Endpoint("logs", "http/protobuf", url, **more)


@pytest.fixture
def post(http_destination: Any) -> Callable[..., Any]:
    """post(body, **of the endpoint): one answer of the scripted server."""

    def once(body: bytes = b"body", timeout: float = 5.0, **more: Any) -> Any:
        transport = connect(endpoint(http_destination.url, **more))
        try:
            return transport.post(pack(body) if transport.packed else body, timeout)
        finally:
            transport.close()

    return once


def test_what_is_sent(http_destination: Any, post: Callable[..., Any]) -> None:
    headers = (("X-Scope-OrgID", "tenant 1"), ("authorization", "Bearer ü"))
    answer = post(b"one request", headers=headers)
    assert answer.status == 200
    (got,) = http_destination.got
    assert got.path == "POST /v1/logs"
    assert got.plain() == b"one request"
    assert got.body == pack(b"one request")
    assert got.headers["content-type"] == "application/x-protobuf"
    assert got.headers["content-encoding"] == "gzip"
    assert got.headers["user-agent"] == f"otel-killsnoop/{__version__}"
    assert got.headers["x-scope-orgid"] == "tenant 1"
    assert got.headers["authorization"].encode("latin-1").decode() == "Bearer ü"


def test_without_compression_the_body_goes_plain(
    http_destination: Any, post: Callable[..., Any]
) -> None:
    post(b"one request", compression="none")
    assert http_destination.got[0].body == b"one request"
    assert "content-encoding" not in http_destination.got[0].headers


def test_path_and_query_are_kept_as_they_are(http_destination: Any) -> None:
    base = http_destination.url.removesuffix("/v1/logs")
    transport = HttpTransport(endpoint(f"{base}/otlp%20in//x/?key=a%26b"))
    assert transport.post(b"", 5).status == 200
    assert http_destination.got[0].path == "POST /otlp%20in//x/?key=a%26b"
    transport.close()


@pytest.mark.parametrize("status", [200, 204, 302, 307, 308, 400, 401, 404, 413, 429, 500, 503])
def test_every_status_comes_back_as_it_is(
    http_destination: Any, post: Callable[..., Any], said: Any, status: int
) -> None:
    headers = (("Retry-After", "7"), ("Location", http_destination.url))
    http_destination.rule = lambda got: said(status=status, headers=headers)
    answer = post()
    assert (answer.status, answer.retry_after) == (status, "7")
    assert len(http_destination.got) == 1, "a redirect or retry was made"


def test_the_body_of_an_answer_is_read_with_its_type(
    http_destination: Any, post: Callable[..., Any], said: Any
) -> None:
    kind = (("Content-Type", "application/x-protobuf"),)
    http_destination.rule = lambda got: said(400, b"\x12\x03bad", kind)
    assert decide(post(), 0).reason == "HTTP 400 bad"
    http_destination.rule = lambda got: said(400, b"bad words", (("Content-Type", "text/plain"),))
    assert decide(post(), 0).reason == "HTTP 400 bad words"


def test_an_endless_answer_is_not_read_to_its_end(
    http_destination: Any, post: Callable[..., Any], said: Any
) -> None:
    http_destination.rule = lambda got: said(body=b"x" * (4 * ANSWER_LIMIT))
    answer = post()
    assert (answer.status, len(answer.body)) == (200, ANSWER_LIMIT)


def test_one_connection_serves_many_requests(http_destination: Any) -> None:
    transport = HttpTransport(endpoint(http_destination.url))
    for _ in range(20):
        assert transport.post(pack(b"x"), 5).status == 200
    assert http_destination.connections == 1
    transport.close()


@pytest.mark.parametrize(
    "raw", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nbroken"]
)
def test_garbage_is_no_answer_or_a_status(
    http_destination: Any, post: Callable[..., Any], said: Any, raw: bytes
) -> None:
    http_destination.rule = lambda got: said(raw=raw)
    answer = post()
    expected = Kind.DELIVERED if b" 200 " in raw else Kind.WAIT
    assert decide(answer, 0).kind is expected


def test_a_body_that_breaks_off_does_not_undo_the_status(
    http_destination: Any, post: Callable[..., Any], said: Any
) -> None:
    http_destination.rule = lambda got: said(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
    assert decide(post(), 0).kind is Kind.DELIVERED


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 200 OK\r\n" * 999, b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" * 99]
)
def test_an_answer_in_drips_ends_with_the_timeout(
    http_destination: Any, post: Callable[..., Any], said: Any, raw: bytes
) -> None:
    http_destination.rule = lambda got: said(raw=raw, drip=0.005)
    kind = decide(post(timeout=0.4), 0).kind  # the drips go on for 80 s: it must come to an end
    assert kind is (Kind.DELIVERED if b"\r\n\r\n" in raw else Kind.WAIT)


def test_silence_ends_with_the_endpoints_own_timeout(post: Callable[..., Any], said: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        transport = HttpTransport(endpoint(url, timeout=0.1))
        answer = transport.post(pack(b"x"), float("inf"))
        assert decide(answer, 0).kind is Kind.WAIT
        assert "no answer within" in answer.message or "timed out" in answer.message
        transport.close()


def test_abort_ends_a_post_at_once(http_destination: Any, said: Any) -> None:
    arrived = threading.Event()

    def never(got: object) -> Any:
        arrived.set()
        http_destination.closing.wait(30)
        return said(raw=b"")

    http_destination.rule = never
    transport = HttpTransport(endpoint(http_destination.url, timeout=30))
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(transport.post(pack(b"x"), 30)))
    thread.start()
    assert arrived.wait(10)
    transport.abort()
    thread.join(10)
    assert not thread.is_alive()
    assert decide(answers[0], 0).kind is Kind.WAIT
    transport.close()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    answer = HttpTransport(endpoint(f"http://127.0.0.1:{port}/v1/logs")).post(b"", 5)
    assert decide(answer, 0).kind is Kind.WAIT
    assert "refused" in answer.message


@pytest.mark.parametrize(
    "broken",
    [
        {"url": "http://"},
        {"url": "http:///v1/logs"},
        {"headers": (("bad name\n", "x"),)},
        {"headers": (("x", "a\r\nb: c"),)},
        {"url": "https://127.0.0.1:1/", "certificate": "/nowhere/ca.pem"},
        {"url": "https://127.0.0.1:1/", "client_certificate": "/nowhere/me.pem"},
        {"url": "https://127.0.0.1:1/", "certificate": __file__},
    ],
)
def test_what_cannot_be_sent_is_held_not_raised(
    http_destination: Any, broken: dict[str, Any]
) -> None:
    transport = HttpTransport(endpoint(**({"url": http_destination.url} | broken)))
    verdict = decide(transport.post(pack(b"x"), 5), 0)
    assert verdict.kind is Kind.HOLD
    assert verdict.reason
    assert http_destination.got == []


def make_certificate(directory: Path, name: str) -> tuple[str, str]:
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    subject = f"-subj /CN={name} -addext subjectAltName=IP:127.0.0.1"
    files = f"-keyout {key} -out {certificate}"
    subprocess.run(f"{request} {subject} {files}".split(), check=True, stderr=subprocess.DEVNULL)
    return str(certificate), str(key)


def test_tls_is_verified_both_ways_and_files_are_read_again(
    tmp_path: Path, https_destination: Callable[[Any], Any]
) -> None:
    server, server_key = make_certificate(tmp_path, "server")
    client, client_key = make_certificate(tmp_path, "client")
    other, _ = make_certificate(tmp_path, "other")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client)
    tls.load_cert_chain(server, server_key)
    tls.verify_mode = ssl.CERT_REQUIRED
    url = https_destination(tls).url

    trusted = tmp_path / "trusted.pem"
    trusted.write_text(Path(other).read_text())
    us = {"client_certificate": client, "client_key": client_key}
    transport: Transport = HttpTransport(endpoint(url, certificate=str(trusted), **us))
    verdict = decide(transport.post(pack(b"x"), 5), 0)
    assert (verdict.kind, "verify failed" in verdict.reason) == (Kind.HOLD, True)
    trusted.write_text(Path(server).read_text())
    assert transport.post(pack(b"x"), 5).status == 200
    transport.close()

    system = HttpTransport(endpoint(url, **us))
    assert decide(system.post(pack(b"x"), 5), 0).kind is Kind.HOLD
    system.close()
    stranger = HttpTransport(endpoint(url, certificate=server))
    assert stranger.post(pack(b"x"), 5).status is None
    stranger.close()


def test_an_encrypted_key_asks_nobody(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "me")
    locked = tmp_path / "locked.key"
    subprocess.run(
        f"openssl ec -in {key} -aes128 -passout pass:secret -out {locked}".split(),
        check=True,
        stderr=subprocess.DEVNULL,
    )
    us = {"client_certificate": certificate, "client_key": str(locked)}
    answer = HttpTransport(endpoint("https://127.0.0.1:1/", **us)).post(b"", 5)
    assert answer.local
    assert "encrypted" in answer.message


def test_log_lines_show_no_secret_of_the_url() -> None:
    assert shown("https://me:secret@host:1/v1/logs?token=x") == "https://host:1/v1/logs"
    assert "secret" not in repr(Endpoint("logs", "grpc", "", headers=(("k", "secret"),)))
