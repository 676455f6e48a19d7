"""Ctrl-C in the middle of a search, on the command line of a real process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.long


def export(outlier, data, out):
    """The command that quantises the network with a planted outlier, which takes a search."""
    model = str(outlier["onnx"].path)
    given = ["--format", "openvino", "--int8", "--data", str(data), "-n", "10", "--out", str(out), "--name", "x"]
    return [sys.executable, "-m", "edgeseg", "export", model, *given, "--json"]


def interrupted_after_a_measurement(command, out, seconds=200):
    """The process, sent SIGINT as soon as its journal holds the first model that was measured to choose layers."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + seconds
    while not list(out.glob(".x-int8-openvino.search/measured-*-on-*.json")):
        assert child.poll() is None, child.communicate()[1]
        assert time.monotonic() < limit, "nothing was measured"
        time.sleep(0.002)
    child.send_signal(signal.SIGINT)
    return child


@pytest.mark.slow
def test_an_interrupted_export_says_that_repeating_it_resumes_and_it_does(outlier, data, tmp_path):
    out = tmp_path / "out"
    command = export(outlier, data, out)
    child = interrupted_after_a_measurement(command, out)
    told = child.communicate(timeout=200)[1]
    assert child.returncode == 130, told
    assert ".x-int8-openvino.search holds what was measured; the same command goes on from there." in told
    assert "edgeseg export: interrupted." in told
    assert "Traceback" not in told
    assert not (out / "x-int8-openvino").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    ladder = json.loads(again.stdout)[-1]["measured"]["ladder"]
    assert ladder["reused"] >= 1, "nothing is measured twice"
    assert sorted(path.name for path in out.iterdir()) == ["x-fp32-onnx", "x-fp32-openvino", "x-int8-openvino"]
