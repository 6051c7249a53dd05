"""OTEL_EXPORTER_OTLP_*ENDPOINT: what is made of one, and which cannot be one."""

from __future__ import annotations

import pytest

from otel_killsnoop.settings import ConfigurationFaults, Settings, load

BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
OWN = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
SECRET = "c29tZTpzZWNyZXQ"


def loaded(**variables: str) -> Settings:
    return load({}, variables, False)


def url(**variables: str) -> str:
    made = loaded(**variables).logs
    assert made is not None
    return made.url


def faults(**variables: str) -> list[str]:
    with pytest.raises(ConfigurationFaults) as caught:
        loaded(**variables)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://localhost:4318", "http://localhost:4318/v1/logs"),
        ("http://localhost:4318/", "http://localhost:4318/v1/logs"),
        ("http://127.0.0.1", "http://127.0.0.1/v1/logs"),
        ("https://otlp.example.com/otlp", "https://otlp.example.com/otlp/v1/logs"),
        ("https://otlp.example.com/otlp//", "https://otlp.example.com/otlp/v1/logs"),
        ("HTTPS://Example.com", "https://Example.com/v1/logs"),
        ("https://example.com/a?key=b#c", "https://example.com/a/v1/logs?key=b"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/logs"),
        ("https://my_collector-1.ns.svc:65535", "https://my_collector-1.ns.svc:65535/v1/logs"),
        ("  https://example.com  ", "https://example.com/v1/logs"),
    ],
)
def test_a_base_gets_the_path_appended(base: str, expected: str) -> None:
    assert url(**{BASE: base}) == expected
    assert loaded(**{BASE: base}).warnings == ()


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("https://example.com/v1/logs", "https://example.com/v1/logs"),
        ("https://example.com/ingest/", "https://example.com/ingest/"),
        ("https://example.com:4318", "https://example.com:4318/"),
        ("https://example.com?key=b", "https://example.com/?key=b"),
    ],
)
def test_an_endpoint_of_ones_own_is_used_as_it_is(own: str, expected: str) -> None:
    variables = {BASE: "http://localhost:1", OWN: own}
    made = loaded(**variables)
    assert made.logs
    assert made.metrics
    assert (made.logs.url, made.metrics.url) == (expected, "http://localhost:1/v1/metrics")


@pytest.mark.parametrize(
    ("endpoint", "insecure", "expected"),
    [
        ("http://localhost:4317", "", "http://localhost:4317"),
        ("https://collector:4317", "true", "https://collector:4317"),  # the scheme wins
        ("http://localhost:4317", "false", "http://localhost:4317"),
        ("collector:4317", "", "https://collector:4317"),
        ("collector:4317", "false", "https://collector:4317"),
        ("localhost:4317", "True", "http://localhost:4317"),
        ("[::1]:4317", "true", "http://[::1]:4317"),
        ("https://example.com", "", "https://example.com:443"),
        ("http://localhost", "", "http://localhost:4317"),
        ("https://example.com:9/some/path?x", "", "https://example.com:9"),
    ],
)
@pytest.mark.parametrize("variable", [BASE, OWN])
def test_over_grpc(variable: str, endpoint: str, insecure: str, expected: str) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_INSECURE": insecure,
        variable: endpoint,
    }
    made = loaded(**variables).logs
    assert made
    assert (made.url, made.protocol) == (expected, "grpc")
    assert loaded(**(variables | {"OTEL_METRICS_EXPORTER": "none"})).warnings == ()


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("ftp://collector", "scheme ftp"),
        ("unix:///run/otlp.sock", "scheme unix"),
        ("localhost:4318", "no scheme"),
        ("//localhost:4318", "no host"),
        ("http://", "no host"),
        ("http://:4318", "no host"),
        ("https:///v1/logs", "no host"),
        ("http://host:0", "bad port"),
        ("http://host:65536", "bad port"),
        ("http://host:x", "bad port"),
        ("http://host:", "bad port"),
        ("http://host:-1", "bad port"),
        ("http://ho st:1", "a blank or a character outside ASCII is in it"),
        ("http://hôst:1", "a blank or a character outside ASCII is in it"),
        ("http://host\x00:1", "a blank or a character outside ASCII is in it"),
        ("http://ho$t", "a host that is neither a name nor an address"),
        ("http://[::1:4318", "not a URL"),
        ("http://[1:2]:4318", "a host that is neither a name nor an address"),
        ("http://[host]:4318", "a host that is neither a name nor an address"),
        ("http://::1:4318", "no host"),
    ],
)
@pytest.mark.parametrize("variable", [BASE, OWN])
def test_impossible_endpoints(variable: str, endpoint: str, why: str) -> None:
    (fault,) = faults(**{variable: endpoint})
    assert fault.startswith(f"impossible endpoint, {why}: {variable}=")
    assert fault.endswith(")")


@pytest.mark.parametrize("endpoint", ["ftp://h:1", "dns:///h:1", ":4317", "h:port", "h:0"])
def test_impossible_endpoints_over_grpc(endpoint: str) -> None:
    (fault,) = faults(OTEL_EXPORTER_OTLP_PROTOCOL="grpc", **{BASE: endpoint})
    assert fault.startswith("impossible endpoint, ")


def test_all_endpoints_are_judged_in_one_go() -> None:
    told = faults(
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="ftp://one",
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="http://two:x",
    )
    assert [fault.split(": ")[0] for fault in told] == [
        "impossible endpoint, scheme ftp",
        "impossible endpoint, bad port",
    ]
    assert len(faults(**{BASE: "nowhere"})) == 1  # the same for both is told once


def test_an_endpoint_that_is_not_used_is_not_judged() -> None:
    bad = {BASE: "ftp://one"}
    assert loaded(OTEL_SDK_DISABLED="true", **bad).logs is None
    none = {"OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    assert loaded(**none, **bad).warnings == ()


@pytest.mark.parametrize(
    "endpoint",
    [
        f"ftp://user:{SECRET}@host",
        f"http://user:{SECRET}@host:x",
        f"http://user:{SECRET}@",
        f"http://user:pa/{SECRET}@host:x",
        f"http://user:pa?{SECRET}@host:x",
        f"http://host:x/?key={SECRET}",
        f"http://host:x/?key=a@{SECRET}",
        f"http://host:x/#{SECRET}",
        f"user:{SECRET}@host",
        f"http://user:{SECRET} @host",
    ],
)
def test_no_secret_of_an_endpoint_is_shown(endpoint: str) -> None:
    (fault,) = faults(**{BASE: endpoint})
    assert SECRET not in fault
    assert f"{BASE}=" in fault


def test_a_user_in_the_url_is_not_sent_and_that_is_said() -> None:
    made = loaded(**{BASE: f"https://user:{SECRET}@example.com"})
    assert made.logs
    assert made.logs.url == "https://example.com/v1/logs"
    assert made.warnings == (
        f"{BASE}: the user and password in it are not sent: "
        "give an authorization header in OTEL_EXPORTER_OTLP_HEADERS",
    )


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "[0:0:0::1]", "a.localhost"],
)
def test_plain_text_to_this_host_is_fine(host: str) -> None:
    assert loaded(**{BASE: f"http://{host}:4318"}).warnings == ()


@pytest.mark.parametrize("host", ["collector", "127.0.0.1.example.com", "10.0.0.1", "[::2]"])
def test_plain_text_elsewhere_is_said_once(host: str) -> None:
    for more in ({}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}):
        assert loaded(**more, **{BASE: f"http://{host}:4318"}).warnings == (
            f"http://{host}:4318 is plain text: what is sent there, headers included, can be "
            "read on the way (https:// encrypts)",
        )
    assert loaded(**{BASE: f"https://{host}:4318"}).warnings == ()
