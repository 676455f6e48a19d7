"""What ONNX Runtime's INT8 kernels compute otherwise than a Q/DQ file says, each on a graph of a few nodes.

As in ``test_traps.py``: "mended" means that upstream has repaired it, and that what the message names may go.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest
from qdq_graphs import Float32, inputs, loud_convolution, pool_over_the_edge, softmax_of_channels

pytestmark = pytest.mark.isa

MENDED = f"mended in ONNX Runtime {metadata.version('onnxruntime')}"
REMEDY = "avoid_known in calibration/quantizers/ort_kernels.py"


def compute(model: onnx.ModelProto, optimised: bool = True) -> Float32:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    if not optimised:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings)
    return np.asarray(session.run(None, inputs(model))[0])


def codes_off(model: onnx.ModelProto, scale: float) -> Float32:
    """Differences of the optimised kernels to exact arithmetic, in codes of the output."""
    difference = (compute(model) - compute(model, optimised=False)) / scale
    return np.asarray(np.round(difference), np.float32)


class TestAveragePool:
    """Trap, every processor: with ``ceil_mode`` and ``count_include_pad`` INT8 divides by too many values.

    The float kernel did so too, until https://github.com/microsoft/onnxruntime/pull/29629.
    """

    def test_a_window_over_the_edge_is_wrong(self) -> None:
        off = codes_off(pool_over_the_edge(count_include_pad=1), 0.02)
        assert np.abs(off).max() > 5, f"{MENDED}: {REMEDY} may let AveragePool alone"
        assert (off[..., :-1, :-1] == 0).all(), "windows inside are right"

    def test_without_count_include_pad_it_is_right(self) -> None:
        assert np.abs(codes_off(pool_over_the_edge(), 0.02)).max() <= 1

    def test_without_padding_both_settings_mean_the_same(self) -> None:
        counted, uncounted = (compute(pool_over_the_edge(count_include_pad=n), optimised=False) for n in (1, 0))
        np.testing.assert_allclose(counted, uncounted, atol=0.021)  # a tie may be rounded to the other side


class TestSoftmax:
    """Trap, every processor: 1 / scale is cut to a whole number, so that with a scale of 1/255 it is 254."""

    def test_codes_are_too_low_and_never_too_high(self) -> None:
        off = codes_off(softmax_of_channels(), 1 / 255)
        assert off.max() == 0
        assert off.mean() < -0.02, f"{MENDED}: {REMEDY} may quantise Softmax"


_AS_COMPUTED = """
import sys, numpy, onnxruntime
folder = sys.argv[1]
session = onnxruntime.InferenceSession(f"{folder}/tiny.onnx")
numpy.save(f"{folder}/found.npy", session.run(None, dict(numpy.load(f"{folder}/inputs.npz")))[0])
"""


def compute_on_haswell(model: onnx.ModelProto, folder: Path) -> Float32:
    """As :func:`compute`, on an imitated processor with AVX2 and no VNNI."""
    if (emulator := shutil.which("qemu-x86_64")) is None:
        pytest.skip("qemu-user, which imitates a processor without VNNI, is not installed here")
    onnx.save(model, folder / "tiny.onnx")
    np.savez(folder / "inputs.npz", **inputs(model))
    command = [emulator, "-cpu", "Haswell", sys.executable, "-c", _AS_COMPUTED, str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return np.asarray(np.load(folder / "found.npy"))


@pytest.mark.long
class TestWithoutVnni:
    """Trap 1 of ``test_traps.py`` on every x86-64 machine that has qemu-user."""

    def test_weights_of_eight_bits_saturate(self, tmp_path: Path) -> None:
        model = loud_convolution()
        exact = compute(model, optimised=False)
        assert np.abs(compute_on_haswell(model, tmp_path) - exact).max() > 5, f"{MENDED}: no need of reduce_range"

    def test_weights_of_seven_bits_are_right(self, tmp_path: Path) -> None:
        model = loud_convolution(64)
        np.testing.assert_array_equal(compute_on_haswell(model, tmp_path), compute(model, optimised=False))
