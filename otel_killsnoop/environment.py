"""The OTEL_* variables -> what is shipped, and where: by the specification, not by the SDK.

Deviations, each told in docs/configuration.md: with neither an exporter nor an endpoint set
nothing is shipped, and gzip is the default compression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import NamedTuple, TypeVar

from otel_killsnoop import destination, headers
from otel_killsnoop.errors import UsageError
from otel_killsnoop.shipping.endpoint import Endpoint
from otel_killsnoop.variables import Variables

T = TypeVar("T")

SHIPPED = ("logs", "metrics")
_OTLP = "OTEL_EXPORTER_OTLP_"
_SUFFIXES = (
    "ENDPOINT PROTOCOL HEADERS TIMEOUT COMPRESSION CERTIFICATE CLIENT_KEY CLIENT_CERTIFICATE "
    "INSECURE"
).split()
VARIABLES = (
    "OTEL_SDK_DISABLED",
    "OTEL_LOGS_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRIC_EXPORT_INTERVAL",
    *(f"{_OTLP}{part}{suffix}" for suffix in _SUFFIXES for part in ("", "LOGS_", "METRICS_")),
    # Read by records/resource.py.
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
)
"""All that are read."""

METRIC_INTERVAL = 60_000  # ms
TIMEOUT = 10_000  # ms
LONGEST = 3_600_000  # ms; what "no limit" comes to: no timer takes infinity
_DEFAULTS = {"grpc": "http://localhost:4317", "http/protobuf": "http://localhost:4318"}
_EXPORTERS = ("otlp", "console", "none")


class Otlp(NamedTuple):
    """What the variables say.

    logs, metrics: where each is shipped, None when it is not.  console: whether printing of the
    logs was asked for.  metric_interval: ms.  warnings: one line each.  faults: endpoints that
    cannot be meant.
    """

    logs: Endpoint | None
    metrics: Endpoint | None
    console: bool
    metric_interval: int
    warnings: tuple[str, ...]
    faults: tuple[UsageError, ...]


def read(environment: Mapping[str, str]) -> Otlp:
    """Read all OTEL_* variables that matter here."""
    return _Reading(environment).result()


def scrub(environ: MutableMapping[str, str]) -> None:
    """Remove what the SDK would read a second time, and otherwise than the specification."""
    for name in list(environ):
        if name.startswith(("OTEL_EXPORTER_", "OTEL_METRIC")):
            del environ[name]


class _Reading:
    """One reading of one environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._variables = Variables(environment)
        self._faults: dict[str, UsageError] = {}

    def result(self) -> Otlp:
        disabled = self._variables.boolean("OTEL_SDK_DISABLED") or False
        exporters = {signal: self._exporters(signal) for signal in (*SHIPPED, "traces")}
        if exporters["traces"] & {"otlp", "console"}:
            self._variables.warn("OTEL_TRACES_EXPORTER: this version has no traces to export")
        if "console" in exporters["metrics"]:
            self._variables.warn("OTEL_METRICS_EXPORTER: metrics are shipped, but never printed")
        ends = {
            signal: self._endpoint(signal)
            for signal in SHIPPED
            if not disabled and self._is_shipped(signal, exporters[signal])
        }
        interval = self._variables.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", least=1)
        return Otlp(
            ends.get("logs"),
            ends.get("metrics"),
            "console" in exporters["logs"],
            METRIC_INTERVAL if interval is None else interval,
            self._variables.warnings,
            tuple(self._faults.values()),
        )

    def _exporters(self, signal: str) -> frozenset[str]:
        name = f"OTEL_{signal.upper()}_EXPORTER"
        found = self._variables.words(name, _EXPORTERS)
        if "none" in found and len(found) > 1:
            self._variables.warn(f"{name}: none beside other exporters is ignored")
        return found

    def _is_shipped(self, signal: str, exporters: frozenset[str]) -> bool:
        if exporters:
            return "otlp" in exporters
        return self._of(signal, "ENDPOINT", self._variables.text) is not None

    def _endpoint(self, signal: str) -> Endpoint | None:
        text = self._variables.text
        protocol = self._protocol(signal)
        url = self._url(signal, protocol)
        if url is None:
            return None
        compression = self._of(
            signal, "COMPRESSION", lambda name: self._variables.word(name, ("gzip", "none"))
        )
        timeout = self._of(signal, "TIMEOUT", self._variables.milliseconds)
        certificate = self._of(signal, "CLIENT_CERTIFICATE", text)
        key = self._of(signal, "CLIENT_KEY", text)
        if key and not certificate:
            self._variables.warn(f"{_OTLP}CLIENT_KEY means nothing without _CLIENT_CERTIFICATE")
        return Endpoint(
            signal,
            protocol,
            url,
            self._of(signal, "HEADERS", lambda name: self._headers(name, protocol)) or (),
            min((TIMEOUT if timeout is None else timeout) or LONGEST, LONGEST) / 1000,
            compression or "gzip",
            self._of(signal, "CERTIFICATE", text),
            key if certificate else None,
            certificate,
        )

    def _protocol(self, signal: str) -> str:
        known = ("grpc", "http/protobuf", "http/json")
        found = self._of(signal, "PROTOCOL", lambda name: self._variables.word(name, known))
        if found == "http/json":
            self._variables.warn("the protocol http/json is not supported: http/protobuf is used")
        return "grpc" if found == "grpc" else "http/protobuf"

    def _url(self, signal: str, protocol: str) -> str | None:
        """The URL for the transport; None when there is a fault."""
        own = f"{_OTLP}{signal.upper()}_ENDPOINT"
        variable = own if self._variables.text(own) else f"{_OTLP}ENDPOINT"
        value = self._variables.text(variable) or _DEFAULTS[protocol]
        try:
            url = destination.parse(variable, value, protocol)
        except UsageError as fault:
            self._faults[str(fault)] = fault
            return None
        if url.user:
            self._variables.warn(
                f"{variable}: the user and password in it are not sent: "
                f"give an authorization header in {_OTLP}HEADERS"
            )
        if protocol == "grpc":
            insecure = self._of(signal, "INSECURE", self._variables.boolean) or False
            made = destination.over_grpc(url, insecure)
        else:
            made = destination.over_http(url, "" if variable == own else f"/v1/{signal}")
        if made.startswith("http://") and not url.loopback:
            self._variables.warn(
                f"{url.origin('http', url.port)} is plain text: what is sent there, headers "
                "included, can be read on the way (https:// encrypts)"
            )
        return made

    def _headers(self, name: str, protocol: str) -> tuple[headers.Header, ...] | None:
        value = self._variables.text(name)
        if value is None:
            return None
        return headers.parse(name, value, protocol, self._variables.warn)

    def _of(self, signal: str, suffix: str, read: Callable[[str], T | None]) -> T | None:
        """The signal's own variable, else the general one."""
        found = read(f"{_OTLP}{signal.upper()}_{suffix}")
        return read(f"{_OTLP}{suffix}") if found is None else found
