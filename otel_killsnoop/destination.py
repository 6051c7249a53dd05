"""The text of an OTLP endpoint variable -> the URL that a transport takes.

Pure: nothing is resolved or connected. A user, a password and a query may be secrets: no message
has one in it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from otel_killsnoop.errors import UsageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_REST = re.compile(
    r"(?:(?P<user>[^/?#]*)@)?"
    r"(?P<host>\[[^]/?#@]*\]|[^]:/?#@[]*)"
    r"(?::(?P<port>[^/?#@]*))?"
    r"(?P<path>/[^?#]*)?"
    r"(?P<query>\?[^#]*)?"
    r"(?:#.*)?"
)
_NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.-]{0,252}", re.ASCII)
_IPV6 = re.compile(r"\[([0-9A-Fa-f:.]+)(%[0-9A-Za-z_.%-]+)?\]", re.ASCII)
_LOOPBACK = re.compile(r"(.+\.)?localhost|127(\.[0-9]{1,3}){3}|\[(0*:)+0*1\]", re.ASCII)

# gRPC clients take a URL without a port for TLS on the usual one.
_GRPC_PORTS = {"https": 443, "http": 4317}


class Url(NamedTuple):
    """An endpoint's parts.

    scheme: ``http``, ``https``, or nothing when none was given.  host: an IPv6 address has its
    brackets.  port: None when none was given.  path: begins with a slash, or is empty.  query:
    begins with a question mark, or is empty.  user: whether there was a user or a password.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    query: str
    user: bool

    @property
    def loopback(self) -> bool:
        """Whether it never leaves this host."""
        return _LOOPBACK.fullmatch(self.host.lower()) is not None

    def origin(self, scheme: str, port: int | None) -> str:
        """``scheme://host:port``."""
        return f"{scheme}://{self.host}" + ("" if port is None else f":{port}")


def parse(variable: str, value: str, protocol: str) -> Url:
    """The parts of an endpoint; UsageError that names the variable when it cannot be one."""
    example = "localhost:4317" if protocol == "grpc" else "http://localhost:4318"

    def impossible(why: str, cure: str = f"give one such as {example}") -> UsageError:
        return UsageError(f"impossible endpoint, {why}", f"{variable}={shown(value)}", cure)

    if not value.isascii() or not value.isprintable() or " " in value:
        raise impossible("a blank or a character outside ASCII is in it")
    named = _SCHEME.match(value)
    scheme = named[1].lower() if named else ""
    if scheme not in ("", "http", "https"):
        raise impossible(f"scheme {scheme}", "its scheme must be http or https")
    match = _REST.fullmatch(value, named.end() if named else 0)
    if match is None:
        raise impossible("not a URL")
    if not match["host"]:
        raise impossible("no host")
    if not _NAME.fullmatch(match["host"]) and not _is_ipv6(match["host"]):
        raise impossible("a host that is neither a name nor an address")
    port = match["port"]
    if port is not None and not (
        re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) and 1 <= int(port) <= 65535
    ):
        raise impossible("bad port", "give a port from 1 to 65535")
    if not scheme and protocol != "grpc":
        raise impossible("no scheme", "it must begin with http:// or https://")
    return Url(
        scheme,
        match["host"],
        None if port is None else int(port),
        match["path"] or "",
        match["query"] or "",
        match["user"] is not None,
    )


def over_http(url: Url, appended: str) -> str:
    """The URL to post to. appended: ``/v1/logs`` for a base, nothing for one used as it is."""
    path = url.path.rstrip("/") + appended if appended else url.path or "/"
    return url.origin(url.scheme, url.port) + path + url.query


def over_grpc(url: Url, insecure: bool) -> str:
    """``scheme://host:port``; without a scheme `insecure` decides. A path means nothing here."""
    scheme = url.scheme or ("http" if insecure else "https")
    return url.origin(scheme, url.port or _GRPC_PORTS[scheme])


def _is_ipv6(host: str) -> bool:
    """Whether it is an IPv6 address in brackets, with or without a zone."""
    from socket import AF_INET6, inet_pton  # late: few need it, and it costs milliseconds

    match = _IPV6.fullmatch(host)
    if match is None:
        return False
    try:
        inet_pton(AF_INET6, match[1])
    except OSError:
        return False
    return True


def shown(value: str) -> str:
    """What may be shown of an endpoint's text, however wrong it is."""
    scheme = _SCHEME.match(value)
    rest = value[scheme.end() :] if scheme else value
    head, at, tail = rest.rpartition("@")
    # With a ? or # before the last @, nobody can tell a password from a query.
    rest = "***" if re.search("[?#]", head) else ("***@" if at else "") + re.split("[?#]", tail)[0]
    return (scheme[0] if scheme else "") + rest
