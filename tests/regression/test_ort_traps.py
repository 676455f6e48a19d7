"""What ONNX Runtime's INT8 kernels compute otherwise than a Q/DQ file says, each on a graph of a few nodes.

As in ``test_traps.py``: "mended" means that upstream has repaired it, and that what the message names may go.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest
from qdq_graphs import (
    Float32,
    inputs,
    loud_convolution,
    packed_convolution,
    pool_over_the_edge,
    softmax_of_channels,
)

pytestmark = pytest.mark.isa

MENDED = f"mended in ONNX Runtime {metadata.version('onnxruntime')}"
REMEDY = "avoid_known in calibration/quantizers/ort_kernels.py"


def compute(model: onnx.ModelProto, optimised: bool = True, given: dict[str, Float32] | None = None) -> Float32:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    if not optimised:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings)
    return np.asarray(session.run(None, given or inputs(model))[0])


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
for folder in sys.argv[1:]:
    session = onnxruntime.InferenceSession(f"{folder}/tiny.onnx")
    numpy.save(f"{folder}/found.npy", session.run(None, dict(numpy.load(f"{folder}/inputs.npz")))[0])
"""


def compute_on_haswell(tries: Sequence[tuple[onnx.ModelProto, dict[str, Float32]]], folder: Path) -> list[Float32]:
    """Compute models with their inputs on an imitated processor with AVX2 and no VNNI."""
    if (emulator := shutil.which("qemu-x86_64")) is None:
        pytest.skip("qemu-user, which imitates a processor without VNNI, is not installed here")
    folders = [folder / str(number) for number in range(len(tries))]
    for place, (model, fed) in zip(folders, tries, strict=True):
        place.mkdir()
        onnx.save(model, place / "tiny.onnx")
        np.savez(place / "inputs.npz", **fed)
    command = [emulator, "-cpu", "Haswell", sys.executable, "-c", _AS_COMPUTED, *map(str, folders)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return [np.asarray(np.load(place / "found.npy")) for place in folders]


ONE_BIG_IN_A_PAIR = (127, 1), (1, 127), (64, 64)
SIZES = (
    (3, 16, 3, 1), (5, 7, 3, 1), (4, 16, 1, 1), (9, 16, 5, 1), (16, 16, 3, 1), (20, 16, 3, 1), (64, 64, 3, 1),
    (6, 8, 3, 2), (12, 24, 3, 4), (10, 10, 3, 2), (8, 4, 3, 1), (16, 32, 3, 16), (8, 8, 1, 8),
)  # fmt: skip
"""Channels, outputs, side of the kernel, groups: odd and even, with and without a kernel of their own in MLAS."""
DEPTHWISE = (7, 7, 3, 7), (8, 8, 3, 8), (16, 16, 3, 16), (24, 24, 3, 24), (32, 32, 5, 32)


def loudest(model: onnx.ModelProto, zero: int) -> dict[str, Float32]:
    """Inputs with the code 255, and some with 0."""
    shape = [one.dim_value for one in model.graph.input[0].type.tensor_type.shape.dim]
    values = np.full(shape, 255 - zero, np.float32)
    values[..., ::4, ::3] = -zero
    return {"loud": values}


@pytest.mark.long
class TestWithoutVnni:
    """Trap 1 of ``test_traps.py`` on every x86-64 machine that has qemu-user."""

    def test_weights_of_eight_bits_saturate(self, tmp_path: Path) -> None:
        model = loud_convolution()
        exact = compute(model, optimised=False)
        (found,) = compute_on_haswell([(model, inputs(model))], tmp_path)
        assert np.abs(found - exact).max() > 5, f"{MENDED}: no need of reduce_range"

    def test_weights_of_seven_bits_are_right(self, tmp_path: Path) -> None:
        model = loud_convolution(64)
        (found,) = compute_on_haswell([(model, inputs(model))], tmp_path)
        np.testing.assert_array_equal(found, compute(model, optimised=False))

    def test_pairs_that_fit_and_depthwise_weights_of_eight_bits_are_right(self, tmp_path: Path) -> None:
        """The order (row, column, input channel) is that of the pairs: in any other, 127 would meet 127."""
        tries = [(size, packed, zero) for size in SIZES for packed in ONE_BIG_IN_A_PAIR for zero in (0, 117)]
        tries += [(size, (127,), zero) for size in DEPTHWISE for zero in (0, 117)]
        models = [(packed_convolution(*size, packed, zero), zero) for size, packed, zero in tries]
        fed = [(model, loudest(model, zero)) for model, zero in models]
        for one, (model, given), found in zip(tries, fed, compute_on_haswell(fed, tmp_path), strict=True):
            exact = compute(model, optimised=False, given=given)
            assert np.abs(found - exact).max() <= 1, f"{one}: the rule of ort_weights.py does not hold"

    def test_pairs_that_do_not_fit_saturate(self, tmp_path: Path) -> None:
        model = packed_convolution(16, 16, 3, 1, (127, 127, 1, 1))
        (found,) = compute_on_haswell([(model, loudest(model, 0))], tmp_path)
        assert np.abs(found - compute(model, optimised=False, given=loudest(model, 0))).max() > 5
