"""Prometheus reads what the exporter says: through the parser of its own client, over HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from linear_model import ArtifactMaker

pytest.importorskip("prometheus_client", reason="needs the extra metrics")

from mqtt_broker import free_port, wait_until
from prometheus_client.parser import text_string_to_metric_families

from edgeseg.errors import OutputError, UserError
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.exporter import Exporter, MetricsSink, read_address
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("background", 'a"b\\<c>'), 24, 32)
FRAME = Frame(np.zeros((24, 32, 3), np.uint8), 0, 0.0, "rtsp://box:s3cret@10.0.0.1/a")
HALF = Prediction(np.repeat(np.uint8([[0, 1]]), [16, 16], axis=1).repeat(24, axis=0))


def read_samples(text: str) -> dict[tuple[str, str], float]:
    """Value of each sample by its name, and its class, bucket or source."""

    def tell(labels: dict[str, str]) -> str:
        return next((labels[name] for name in ("class", "le", "rule", "source") if name in labels), "")

    families = text_string_to_metric_families(text)
    return {(sample.name, tell(sample.labels)): sample.value for family in families for sample in family.samples}


def get(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return str(answer.read().decode())


def test_numbers_of_a_run_are_those_that_it_had() -> None:
    exporter = Exporter(SPEC, lambda: {"received": 7, "dropped": 3, "other": 1})
    exporter.observe(FRAME, HALF, 30.0)
    exporter.observe(FRAME, Prediction(HALF.labels, reused=True), 90.0)
    text = exporter.render().decode()
    found = read_samples(text)
    source = "rtsp://***@10.0.0.1/a"
    assert found["edgeseg_frames_total", source] == 2
    assert found["edgeseg_reused_total", source] == 1
    assert found["edgeseg_class_share", 'a"b\\<c>'] == 0.5
    assert (found["edgeseg_received_total", ""], found["edgeseg_dropped_total", ""]) == (7, 3)
    assert found["edgeseg_latency_seconds_sum", source] == pytest.approx(0.12)
    assert found["edgeseg_latency_seconds_bucket", "0.04"] == 1
    assert abs(found["edgeseg_last_result_timestamp_seconds", source] - time.time()) < 60
    assert "s3cret" not in text


def test_a_port_answers_until_it_is_closed_and_a_taken_one_is_said() -> None:
    port = free_port()
    sink = MetricsSink(str(port), SPEC)
    sink.write(FRAME, HALF, 5.0)
    assert read_samples(get(port))["edgeseg_class_share", "background"] == 0.5
    with pytest.raises(OutputError, match=rf"`metrics` cannot listen on 127.0.0.1:{port}: Address already in use"):
        MetricsSink(str(port), SPEC)
    sink.close()
    sink.close()
    with pytest.raises(OSError, match="refused"):
        get(port)


def test_a_client_that_never_reads_holds_nothing_up() -> None:
    port = free_port()
    sink = MetricsSink(str(port), SPEC)
    with socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(b"GET /metrics HTTP/1.1\r\n")
        began = time.monotonic()
        for _ in range(100):
            sink.write(FRAME, HALF, 5.0)
        assert read_samples(get(port))["edgeseg_frames_total", "rtsp://***@10.0.0.1/a"] == 100
        sink.close()
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("address", ["", "port", "0", "70000", "1:2:3", "http://a:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="`metrics` is PORT or HOST:PORT"):
        read_address(address)


def test_a_run_answers_while_it_goes(tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
    port = free_port()
    words = ["run", str(tiny_artifact("openvino").path), "--source", "test://cells?fps=20&size=64x48"]
    command = [sys.executable, "-m", "edgeseg", *words, "--metrics", str(port), "--no-supervise"]

    def is_counting() -> bool:
        try:
            found = read_samples(get(port))
        except OSError:
            return False
        frames = [value for (name, _), value in found.items() if name == "edgeseg_frames_total"]
        return bool(frames) and found["edgeseg_received_total", ""] >= frames[0] >= 3

    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(is_counting, 60)
        finally:
            process.terminate()
    assert process.returncode == 0
