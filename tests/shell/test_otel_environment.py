"""OTEL_* variables, one by one, as the specification means them."""

from __future__ import annotations

import os

import pytest

from otel_killsnoop import environment
from otel_killsnoop.settings import ConfigurationFaults, Settings, load
from otel_killsnoop.shipping.endpoint import Endpoint

OTLP = {"OTEL_LOGS_EXPORTER": "otlp"}
BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
SECRET = "c29tZTpzZWNyZXQ"


def loaded(**variables: str) -> Settings:
    return load({}, variables, False)


def logs(**variables: str) -> Endpoint:
    made = loaded(**(OTLP | variables)).logs
    assert made is not None
    return made


def warnings(**variables: str) -> tuple[str, ...]:
    return loaded(**(OTLP | variables)).warnings


def faults(**variables: str) -> list[str]:
    with pytest.raises(ConfigurationFaults) as caught:
        loaded(**variables)
    return [str(fault) for fault in caught.value.faults]


def test_otlp_alone_goes_to_the_default() -> None:
    assert loaded(OTEL_LOGS_EXPORTER="otlp", OTEL_METRICS_EXPORTER="otlp").warnings == ()
    assert logs() == Endpoint("logs", "http/protobuf", "http://localhost:4318/v1/logs")
    assert logs(OTEL_EXPORTER_OTLP_PROTOCOL="grpc") == Endpoint(
        "logs", "grpc", "http://localhost:4317"
    )
    metrics = loaded(OTEL_METRICS_EXPORTER="otlp").metrics
    assert metrics == Endpoint("metrics", "http/protobuf", "http://localhost:4318/v1/metrics")


@pytest.mark.parametrize("signal", ["logs", "metrics"])
def test_each_is_shipped_by_itself(signal: str) -> None:
    other = {"logs": "metrics", "metrics": "logs"}[signal]
    own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    for made in (
        loaded(**{f"OTEL_{signal.upper()}_EXPORTER": "otlp"}),
        loaded(**{own: "http://localhost/x"}),
        loaded(**{BASE: "http://localhost", f"OTEL_{other.upper()}_EXPORTER": "none"}),
    ):
        assert getattr(made, signal).signal == signal
        assert getattr(made, other) is None


@pytest.mark.parametrize("off", ["true", "TRUE", " True "])
def test_disabled_ships_nothing(off: str) -> None:
    made = loaded(OTEL_SDK_DISABLED=off, OTEL_METRICS_EXPORTER="otlp", **OTLP)
    assert (made.logs, made.metrics, made.warnings) == (None, None, ())


@pytest.mark.parametrize("on", ["false", "False", ""])
def test_not_disabled(on: str) -> None:
    assert warnings(OTEL_SDK_DISABLED=on) == ()
    assert logs(OTEL_SDK_DISABLED=on)


@pytest.mark.parametrize("word", ["1", "yes", "on"])
def test_only_true_is_true(word: str) -> None:
    assert logs(OTEL_SDK_DISABLED=word)
    assert warnings(OTEL_SDK_DISABLED=word) == (
        f"OTEL_SDK_DISABLED: '{word}' is neither true nor false, and counts as false",
    )


def test_exporters_of_other_names_count_as_unset() -> None:
    line = "OTEL_LOGS_EXPORTER: 'zipkin' is none of otlp, console, none, and is ignored"
    made = loaded(OTEL_LOGS_EXPORTER="zipkin")
    assert (made.logs, made.warnings) == (None, (line,))
    made = loaded(OTEL_LOGS_EXPORTER="zipkin", **{BASE: "http://localhost:4318"})
    assert made.logs
    assert made.warnings == (line,)
    made = loaded(OTEL_LOGS_EXPORTER="zipkin, OTLP,")
    assert made.logs
    assert made.warnings == (line,)


def test_none_beside_others_is_ignored() -> None:
    made = loaded(OTEL_LOGS_EXPORTER="none,otlp")
    assert made.logs
    assert made.warnings == ("OTEL_LOGS_EXPORTER: none beside other exporters is ignored",)


def test_what_cannot_be_exported_is_said() -> None:
    said = ("OTEL_TRACES_EXPORTER: this version has no traces to export",)
    assert loaded(OTEL_TRACES_EXPORTER="otlp").warnings == said
    assert loaded(OTEL_TRACES_EXPORTER="console").warnings == said
    assert loaded(OTEL_TRACES_EXPORTER="none").warnings == ()
    assert loaded(OTEL_METRICS_EXPORTER="console").warnings == (
        "OTEL_METRICS_EXPORTER: metrics are shipped, but never printed",
    )


def test_the_protocol() -> None:
    for word in ("http/protobuf", "HTTP/Protobuf", ""):
        assert logs(OTEL_EXPORTER_OTLP_PROTOCOL=word).protocol == "http/protobuf"
        assert warnings(OTEL_EXPORTER_OTLP_PROTOCOL=word) == ()
    assert logs(OTEL_EXPORTER_OTLP_PROTOCOL="GRPC").protocol == "grpc"
    assert logs(OTEL_EXPORTER_OTLP_PROTOCOL="http/json").protocol == "http/protobuf"
    assert warnings(OTEL_EXPORTER_OTLP_PROTOCOL="http/json", OTEL_METRICS_EXPORTER="otlp") == (
        "the protocol http/json is not supported: http/protobuf is used",
    )
    assert logs(OTEL_EXPORTER_OTLP_PROTOCOL="smtp").protocol == "http/protobuf"
    assert len(warnings(OTEL_EXPORTER_OTLP_PROTOCOL="smtp", OTEL_METRICS_EXPORTER="otlp")) == 1


def test_a_bad_word_of_ones_own_leaves_the_general_one() -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "smtp",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "5000",
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "soon",
    }
    made = logs(**variables)
    assert (made.protocol, made.timeout) == ("grpc", 5.0)
    assert len(warnings(**variables)) == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5000", 5.0), ("1", 0.001), ("", 10.0), ("0", 3600.0), ("2147483647", 3600.0)],
)
def test_the_timeout_is_in_milliseconds(text: str, seconds: float) -> None:
    assert logs(OTEL_EXPORTER_OTLP_TIMEOUT=text).timeout == seconds
    assert warnings(OTEL_EXPORTER_OTLP_TIMEOUT=text) == ()


@pytest.mark.parametrize("text", ["-1", "5s", "1.5", "2147483648", "9" * 5000, "inf"])
def test_a_bad_number_is_told_and_the_default_counts(text: str) -> None:
    assert logs(OTEL_EXPORTER_OTLP_TIMEOUT=text).timeout == 10.0
    (line,) = warnings(OTEL_EXPORTER_OTLP_TIMEOUT=text)
    assert line.startswith(f"OTEL_EXPORTER_OTLP_TIMEOUT: '{text[:40]}")
    assert line.endswith("is no whole number of milliseconds from 0 to 2147483647, and is ignored")
    assert len(line) < 160


def test_the_interval_of_metrics() -> None:
    assert loaded(OTEL_METRIC_EXPORT_INTERVAL="5000").metric_interval_ms == 5000
    assert loaded(OTEL_METRIC_EXPORT_INTERVAL="").metric_interval_ms == 60_000
    for bad in ("0", "-5", "minute"):  # the SDK's reader has no interval of 0
        made = loaded(OTEL_METRIC_EXPORT_INTERVAL=bad)
        assert made.metric_interval_ms == 60_000
        assert len(made.warnings) == 1


def test_the_compression() -> None:
    assert logs().compression == "gzip"
    assert logs(OTEL_EXPORTER_OTLP_COMPRESSION="").compression == "gzip"
    assert logs(OTEL_EXPORTER_OTLP_COMPRESSION="none").compression == "none"
    assert logs(OTEL_EXPORTER_OTLP_COMPRESSION="GZIP").compression == "gzip"
    assert logs(OTEL_EXPORTER_OTLP_COMPRESSION="zstd").compression == "gzip"
    assert warnings(OTEL_EXPORTER_OTLP_COMPRESSION="none") == ()
    assert warnings(OTEL_EXPORTER_OTLP_COMPRESSION="zstd") == (
        "OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd' is none of gzip, none, and is ignored",
    )


def test_the_files_of_tls() -> None:
    made = logs(
        OTEL_EXPORTER_OTLP_CERTIFICATE="/tls/ca.pem",
        OTEL_EXPORTER_OTLP_CLIENT_KEY="/tls/key.pem",
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE="/tls/cert.pem",
    )
    assert made.certificate == "/tls/ca.pem"
    assert (made.client_key, made.client_certificate) == ("/tls/key.pem", "/tls/cert.pem")
    made = logs(OTEL_EXPORTER_OTLP_CLIENT_KEY="/tls/key.pem")
    assert (made.client_key, made.client_certificate) == (None, None)
    assert warnings(OTEL_EXPORTER_OTLP_CLIENT_KEY="/tls/key.pem") == (
        "OTEL_EXPORTER_OTLP_CLIENT_KEY means nothing without _CLIENT_CERTIFICATE",
    )


OWN = {
    "ENDPOINT": ("https://a.example", "https://b.example/x", "url", "https://b.example/x"),
    "PROTOCOL": ("grpc", "http/protobuf", "protocol", "http/protobuf"),
    "HEADERS": ("a=1,b=2", "c=3", "headers", (("c", "3"),)),  # instead of, not beside
    "TIMEOUT": ("5000", "0500", "timeout", 0.5),
    "COMPRESSION": ("none", "gzip", "compression", "gzip"),
    "CERTIFICATE": ("/a.pem", "/b.pem", "certificate", "/b.pem"),
    "CLIENT_CERTIFICATE": ("/a.pem", "/b.pem", "client_certificate", "/b.pem"),
}


@pytest.mark.parametrize("signal", ["logs", "metrics"])
@pytest.mark.parametrize("suffix", OWN)
def test_the_variable_of_ones_own_wins(signal: str, suffix: str) -> None:
    general, own, field, value = OWN[suffix]
    made = loaded(
        **{
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "otlp",
            f"OTEL_EXPORTER_OTLP_{suffix}": general,
            f"OTEL_EXPORTER_OTLP_{signal.upper()}_{suffix}": own,
        }
    )
    other = "metrics" if signal == "logs" else "logs"
    assert getattr(getattr(made, signal), field) == value
    assert getattr(getattr(made, other), field) != value


def test_the_key_and_the_trust_in_plain_text_of_ones_own_win() -> None:
    made = loaded(
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_EXPORTER_OTLP_ENDPOINT="localhost:4317",
        OTEL_EXPORTER_OTLP_INSECURE="true",
        OTEL_EXPORTER_OTLP_LOGS_INSECURE="false",
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE="/both.pem",
        OTEL_EXPORTER_OTLP_CLIENT_KEY="/a.pem",
        OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY="/b.pem",
    )
    assert made.logs
    assert made.metrics
    assert (made.logs.url, made.logs.client_key) == ("https://localhost:4317", "/a.pem")
    assert (made.metrics.url, made.metrics.client_key) == ("http://localhost:4317", "/b.pem")


def test_headers() -> None:
    text = "Authorization=Basic%20" + SECRET + "==, x-tenant = a%2Cb ,,empty=,X-Tenant=%C3%A9"
    assert logs(OTEL_EXPORTER_OTLP_HEADERS=text).headers == (
        ("Authorization", f"Basic {SECRET}=="),
        ("X-Tenant", "é"),
        ("empty", ""),
    )
    assert warnings(OTEL_EXPORTER_OTLP_HEADERS=text) == ()


@pytest.mark.parametrize(
    ("pair", "line"),
    [
        (SECRET, "pair 2 is not name=value, and is left out"),
        (f"={SECRET}", "pair 2 is not name=value, and is left out"),
        (f"two words={SECRET}", "pair 2 is not name=value, and is left out"),
        (f"a%0D%0Ab={SECRET}", "pair 2 is not name=value, and is left out"),
        (
            f"key={SECRET}%0D%0AX: y",
            "header 'key' cannot be sent by http/protobuf, and is left out",
        ),
        (f"key={SECRET}%00", "header 'key' cannot be sent by http/protobuf, and is left out"),
        (f"key={SECRET}%FF", "header 'key' cannot be sent by http/protobuf, and is left out"),
        (
            f"key={SECRET}" + os.fsdecode(b"\xff"),
            "header 'key' cannot be sent by http/protobuf, and is left out",
        ),
    ],
)
def test_a_bad_pair_is_left_out_and_told_without_its_value(pair: str, line: str) -> None:
    variables = OTLP | {"OTEL_EXPORTER_OTLP_HEADERS": f"a=1,{pair},b=2"}
    made = loaded(**variables)
    assert made.logs
    assert made.logs.headers == (("a", "1"), ("b", "2"))
    assert made.warnings == (f"OTEL_EXPORTER_OTLP_HEADERS: {line}",)
    assert SECRET not in repr(made)


def test_headers_that_only_http_can_send() -> None:
    text = "a=%C3%A9,b!=1,c-bin=%C3%A9,d=x"
    assert len(logs(OTEL_EXPORTER_OTLP_HEADERS=text).headers) == 4
    grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_HEADERS": text}
    assert logs(**grpc).headers == (("c-bin", "é"), ("d", "x"))
    assert warnings(**grpc) == (
        "OTEL_EXPORTER_OTLP_HEADERS: header 'a' cannot be sent by grpc, and is left out",
        "OTEL_EXPORTER_OTLP_HEADERS: header 'b!' cannot be sent by grpc, and is left out",
    )


def test_scrub_leaves_the_sdk_what_it_may_read() -> None:
    kept = {
        "OTEL_SERVICE_NAME": "mine",
        "OTEL_RESOURCE_ATTRIBUTES": "a=b",
        "OTEL_LOGS_EXPORTER": "otlp",
        "HOME": "/root",
    }
    environ = kept | dict.fromkeys(environment.VARIABLES, "x") | kept
    environ |= {"OTEL_METRICS_EXEMPLAR_FILTER": "bad", "OTEL_EXPORTER_ZIPKIN_ENDPOINT": "x"}
    environment.scrub(environ)
    assert not [name for name in environ if name.startswith(("OTEL_EXPORTER_", "OTEL_METRIC"))]
    assert kept.items() <= environ.items()
