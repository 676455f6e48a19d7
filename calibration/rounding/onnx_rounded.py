"""Rounding the convolutions of an ONNX network by what they read on calibration images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.calibration.equalisation.factors import choose_shown
from edgeseg.calibration.equalisation.onnx_steps import IMAGE_RANK, attribute
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.rounding.compensated import Float64, Pairs, round_weights
from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.image import Float32
from edgeseg.runtime.engines.ort_session import open_session

SHOWN_IMAGES = 16
PLACES = 400
"""Of one image, at which what a kernel reads is looked at."""


@dataclass(frozen=True)
class Rounded:
    """Weights that need no more rounding.

    Attributes:
        layer: name of the one node that reads them.
        values: as they were shaped, multiples of the scales.
        scales: (outputs,).
    """

    layer: str
    values: Float32
    scales: Float32


def round_onnx(
    model: Any, scales: Mapping[str, Float32], layers: Collection[str], images: CalibrationSet, pairs: Pairs | None
) -> dict[str, Rounded]:
    """Round the weights of convolutions.

    Args:
        model: a deployed float graph. Not changed.
        scales: of the codes (outputs,), by the name of the weights.
        layers: names of the nodes that may be rounded. Those whose weights another node reads are passed over.
        images: what shows the layers' inputs.
        pairs: a bound for neighbours, which depthwise weights do not have.

    Returns:
        By the name of the weights.
    """
    kernels = list(_kernels(model, {*scales}, layers))
    _look(model, kernels, images)
    found = {}
    for kernel in kernels:
        name = kernel.node.input[1]
        found[name] = Rounded(kernel.node.name, kernel.round(scales[name], pairs), scales[name])
    return found


def _kernels(model: Any, wanted: set[str], layers: Collection[str]) -> Iterator[_Kernel]:
    """Convolutions over images whose weights are of ``wanted`` and nobody else's."""
    to_array = require("onnx.numpy_helper", "export").to_array
    constants = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in wanted}
    reads = Counter(name for node in model.graph.node for name in node.input)
    for node in model.graph.node:
        if node.op_type == "Conv" and node.name in layers and node.input[1] in constants and reads[node.input[1]] == 1:
            weights = to_array(constants[node.input[1]])
            if weights.ndim == IMAGE_RANK:
                yield _Kernel(node, weights)


def _look(model: Any, kernels: Sequence[_Kernel], images: CalibrationSet) -> None:
    """Show images, and let each kernel see what it reads."""
    names = sorted({kernel.node.input[0] for kernel in kernels})
    if not names:
        return
    random = np.random.default_rng(0)
    for tensors in _activations(model, names, images):
        for kernel in kernels:
            kernel.see(tensors[kernel.node.input[0]], random)


def _activations(model: Any, names: list[str], images: CalibrationSet) -> Iterator[dict[str, Float32]]:
    onnx = require("onnx", "export")
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    present = {output.name for output in watched.graph.output}
    make = onnx.helper.make_tensor_value_info
    watched.graph.output.extend(make(name, onnx.TensorProto.FLOAT, None) for name in names if name not in present)
    with quiet():
        session = open_session(watched.SerializeToString(), spins=False)
    for path in choose_shown(images.images, SHOWN_IMAGES):
        yield dict(zip(names, session.run(names, {"image": images.tensor(path)}), strict=True))


class _Kernel:
    """A convolution, and what it was seen to read.

    Attributes:
        node: of ONNX.
        weights: (outputs, inputs of one group, rows, columns).
    """

    def __init__(self, node: Any, weights: Float32) -> None:
        self.node, self.weights = node, weights
        self._groups = int(attribute(node, "group", 1))
        size = int(np.prod(weights.shape[1:]))
        self._products: Float64 = np.zeros((self._groups, size, size))
        self._sums: Float64 = np.zeros((self._groups, size))
        self._count = 0

    def see(self, values: Float32, random: np.random.Generator) -> None:
        """Add what the kernel reads of (1, C, H, W) at random places."""
        patches = self._patches(values[0], random)
        self._products += patches.swapaxes(1, 2) @ patches
        self._sums += patches.sum(1)
        self._count += patches.shape[1]

    def round(self, scales: Float32, pairs: Pairs | None) -> Float32:
        """Round the weights by the covariance of what was seen."""
        mean = self._sums / self._count
        covariance = self._products / self._count - mean[:, :, np.newaxis] * mean[:, np.newaxis]
        is_depthwise = self._groups > 1 and self.weights.shape[1] == 1 and len(self.weights) == self._groups
        return round_weights(self.weights, scales, covariance, None if is_depthwise else pairs)

    def _patches(self, values: Float32, random: np.random.Generator) -> Float32:
        """(groups, places, inputs of one group * rows * columns)."""
        sides = self.weights.shape[2:]
        strides, dilations = (attribute(self.node, name, [1, 1]) for name in ("strides", "dilations"))
        above, left, below, right = self._padding(values.shape[1:], sides, strides, dilations)
        padded = np.pad(values, ((0, 0), (above, below), (left, right)))
        reach = [dilation * (side - 1) for side, dilation in zip(sides, dilations, strict=True)]
        height, width = (
            (size - more - 1) // stride + 1 for size, more, stride in zip(padded.shape[1:], reach, strides, strict=True)
        )
        places = random.choice(height * width, min(PLACES, height * width), replace=False)
        rows = (places // width * strides[0])[:, np.newaxis] + np.repeat(np.arange(sides[0]) * dilations[0], sides[1])
        columns = (places % width * strides[1])[:, np.newaxis] + np.tile(np.arange(sides[1]) * dilations[1], sides[0])
        seen = padded[:, rows, columns].reshape(self._groups, -1, len(places), sides[0] * sides[1])
        patches: Float32 = np.ascontiguousarray(seen.swapaxes(1, 2)).reshape(self._groups, len(places), -1)
        return patches

    def _padding(
        self, size: tuple[int, ...], sides: tuple[int, ...], strides: Any, dilations: Any
    ) -> tuple[int, int, int, int]:
        """Rows above, columns left, rows below, columns right."""
        kind = attribute(self.node, "auto_pad", b"NOTSET")
        if kind in (b"NOTSET", b"VALID"):
            given = attribute(self.node, "pads", [0, 0, 0, 0]) if kind == b"NOTSET" else [0, 0, 0, 0]
            return given[0], given[1], given[2], given[3]
        whole = [
            max(0, (-(-length // stride) - 1) * stride + dilation * (side - 1) + 1 - length)
            for length, side, stride, dilation in zip(size, sides, strides, dilations, strict=True)
        ]
        before = [total // 2 if kind == b"SAME_UPPER" else total - total // 2 for total in whole]
        return before[0], before[1], whole[0] - before[0], whole[1] - before[1]


def replace_weights(
    model: Any, rounded: Mapping[str, Rounded], layers: Collection[str]
) -> tuple[Any, dict[str, Float32]]:
    """Put rounded weights into a copy of ``model``, for ``layers`` alone.

    Returns:
        The copy, and the scales of what was replaced by the name of the weights.
    """
    onnx = require("onnx", "export")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    used = {name: one for name, one in rounded.items() if one.layer in layers}
    for tensor in copy.graph.initializer:
        if tensor.name in used:
            tensor.CopyFrom(onnx.numpy_helper.from_array(used[tensor.name].values, tensor.name))
    return copy, {name: one.scales for name, one in used.items()}
