"""TLS of both transports: who we are, and who they are, over files that are rotated."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from certificates import Person

from otel_killsnoop.shipping.delivery import Kind, decide
from otel_killsnoop.shipping.endpoint import Endpoint
from otel_killsnoop.shipping.packing import pack
from otel_killsnoop.shipping.transport import connect


class Here:
    """The agent's three files, and what is in them now."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.paths = {
            "certificate": directory / "trust.pem",
            "client_certificate": directory / "me.pem",
            "client_key": directory / "me.key",
        }

    def trust(self, other: Person) -> None:
        self.paths["certificate"].write_bytes(other.certificate.read_bytes())

    def be(self, person: Person) -> None:
        self.paths["client_certificate"].write_bytes(person.certificate.read_bytes())
        self.paths["client_key"].write_bytes(person.key.read_bytes())


def grpc_side(server: Person, known: Person) -> tuple[str, Callable[[], None]]:
    """The URL of a gRPC server that only takes who is known to it; and what stops it."""

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
        def service(self, call: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda body, context: b"")

    credentials = grpc.ssl_server_credentials(
        [(server.key.read_bytes(), server.certificate.read_bytes())],
        root_certificates=known.certificate.read_bytes(),
        require_client_auth=True,
    )
    one = grpc.server(ThreadPoolExecutor(2), handlers=[Handler()])
    port = one.add_secure_port("127.0.0.1:0", credentials)
    one.start()
    return f"https://127.0.0.1:{port}", lambda: one.stop(None).wait()


@pytest.fixture
def side(https_destination: Callable[[Any], Any]) -> Iterator[Callable[..., str]]:
    """side(protocol, server, known): the URL of a started one."""
    started: list[Callable[[], None]] = []

    def start(protocol: str, server: Person, known: Person) -> str:
        if protocol == "grpc":
            url, stop = grpc_side(server, known)
            started.append(stop)
            return url
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(known.certificate))
        tls.load_cert_chain(server.certificate, server.key)
        tls.verify_mode = ssl.CERT_REQUIRED
        return str(https_destination(tls).url)

    yield start
    for stop in started:
        stop()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_each_side_is_verified_and_rotated_files_are_picked_up(
    tmp_path: Path, side: Callable[..., str], protocol: str
) -> None:
    server, old, new = (Person(tmp_path, name) for name in ("server", "old", "new"))
    url = side(protocol, server, new)
    here = Here(tmp_path / "here")
    transport = connect(
        Endpoint("logs", protocol, url, **{name: str(path) for name, path in here.paths.items()})
    )

    def kind() -> Kind:
        return decide(transport.post(pack(b"x") if transport.packed else b"x", 5), 0).kind

    here.trust(old)  # who is not the server
    here.be(new)
    assert kind() in (Kind.HOLD, Kind.WAIT)
    here.trust(server)
    assert kind() is Kind.DELIVERED
    here.be(old)  # whom the server does not know
    assert kind() in (Kind.HOLD, Kind.WAIT)
    here.be(new)
    assert kind() is Kind.DELIVERED
    here.paths["client_key"].unlink()
    assert kind() is Kind.HOLD
    transport.close()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_without_a_file_the_systems_own_trust_decides(
    tmp_path: Path, side: Callable[..., str], protocol: str
) -> None:
    server, us = Person(tmp_path, "server"), Person(tmp_path, "us")
    identity = {"client_certificate": str(us.certificate), "client_key": str(us.key)}
    transport = connect(Endpoint("logs", protocol, side(protocol, server, us), **identity))
    body = pack(b"x") if transport.packed else b"x"
    assert decide(transport.post(body, 5), 0).kind in (Kind.HOLD, Kind.WAIT)
    transport.close()
