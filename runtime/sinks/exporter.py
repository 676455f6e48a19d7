"""Numbers of a run for Prometheus: on a port of their own, or as text for whoever serves pages anyway."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edgeseg.console.extras import require
from edgeseg.errors import OutputError, UserError
from edgeseg.runtime.events.redact import redact
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.class_shares import class_shares
from edgeseg.runtime.sinks.sink import ClosableSink
from edgeseg.spec import ModelSpec

_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+):)?(?P<port>\d{1,5})")
_LATENCY_S = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56)
_COUNTS = {
    "received": "Frames that the source got whole.",
    "dropped": "Live frames that no slot was free for.",
    "stale": "Live frames that came too late to be of use.",
    "skipped": "Damaged pictures of the source.",
}


def read_address(text: str) -> tuple[str, int]:
    """Read ``[HOST:]PORT``; without a host it is this machine alone.

    Raises:
        UserError: it is none.

    >>> read_address("9100"), read_address("0.0.0.0:9100")
    (('127.0.0.1', 9100), ('0.0.0.0', 9100))
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise UserError(f"`metrics` is PORT or HOST:PORT; found {text!r}.")
    return (found["host"] or "127.0.0.1").strip("[]"), int(found["port"])


class Exporter:
    """Keeps what Prometheus asks for.

    Args:
        spec: names the classes.
        counts: gives ``received``, ``dropped``, ``stale`` and ``skipped`` so far, from any thread.

    Attributes:
        registry: of prometheus-client, for whoever serves it.

    Raises:
        MissingExtra: prometheus-client is not installed.

    Example::

        exporter = Exporter(spec)
        exporter.observe(frame, prediction, latency_ms=12.0)
        body = exporter.render()
    """

    def __init__(self, spec: ModelSpec, counts: Callable[[], Mapping[str, int]] = dict) -> None:
        self._client = client = require("prometheus_client", "metrics")
        self._spec, self._counts = spec, counts
        self.registry: Any = client.CollectorRegistry()
        self.registry.register(self)
        here: dict[str, Any] = {"registry": self.registry}
        self._frames = client.Counter("edgeseg_frames", "Results.", ["source"], **here)
        self._reused = client.Counter("edgeseg_reused", "Results of an earlier frame.", ["source"], **here)
        self._latency = client.Histogram(
            "edgeseg_latency_seconds", "Frame to mask.", ["source"], buckets=_LATENCY_S, **here
        )
        self._share = client.Gauge("edgeseg_class_share", "Share of the picture, 0..1.", ["source", "class"], **here)
        self._last = client.Gauge(
            "edgeseg_last_result_timestamp_seconds", "Time of the last result.", ["source"], **here
        )
        self._alarm = client.Gauge("edgeseg_alarm_active", "Whether an alarm is on.", ["source", "rule"], **here)

    def observe(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Observe one result."""
        source = redact(frame.source)
        self._frames.labels(source).inc()
        self._reused.labels(source).inc(int(prediction.reused))
        self._latency.labels(source).observe(latency_ms / 1e3)
        self._last.labels(source).set(time.time())
        for name, share in class_shares(frame, prediction.labels, self._spec).items():
            self._share.labels(source, name).set(share)
        analysis = prediction.analysis
        for rule in analysis.rules if analysis is not None else ():
            self._alarm.labels(source, rule.name).set(int(rule.active))

    def render(self) -> bytes:
        """Render everything in Prometheus's text format (``text/plain; version=0.0.4``)."""
        text: bytes = self._client.generate_latest(self.registry)
        return text

    def collect(self) -> Iterator[Any]:
        """Yield the run's own counts; called by the registry."""
        family = require("prometheus_client.core", "metrics").CounterMetricFamily
        for name, value in self._counts().items():
            if name in _COUNTS:
                yield family(f"edgeseg_{name}", _COUNTS[name], value=value)

    def describe(self) -> list[Any]:
        """Return nothing: the registry need not ask for counts before there are any."""
        return []


class MetricsSink(ClosableSink):
    """Answers Prometheus on a port, in threads of its own.

    Args:
        address: ``[HOST:]PORT``.
        spec: names the classes.
        counts: see :class:`Exporter`.

    Raises:
        UserError: no such address.
        OutputError: the port is taken, or nobody may listen there.
        MissingExtra: prometheus-client is not installed.
    """

    name = "metrics"
    newest_only = False

    def __init__(self, address: str, spec: ModelSpec, counts: Callable[[], Mapping[str, int]] = dict) -> None:
        host, port = read_address(address)
        self.exporter = Exporter(spec, counts)
        try:
            started = require("prometheus_client", "metrics").start_http_server(port, host, self.exporter.registry)
        except OSError as error:
            raise OutputError(
                f"`metrics` cannot listen on {host}:{port}: {error.strerror or error}. Choose another port."
            ) from error
        self._server, self._thread = started

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Observe one result."""
        self._expect_open()
        self.exporter.observe(frame, prediction, latency_ms)

    def close(self) -> None:
        """Stop to answer."""
        if not self._is_closed:
            self._server.shutdown()
            self._server.server_close()
        super().close()
