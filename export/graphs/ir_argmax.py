"""ArgMax and the largest probability of an OpenVINO model, a class at a time over planes of pixels.

OpenVINO turns ArgMax into a stable TopK with 64-bit indices, which took 4.9 of the 18.9 ms of an INT8 frame (a U-Net at
360x480 on AMX). Told not to be stable it is fast and answers equal scores with whichever class it likes: of channels in
blocks, as convolutions leave them, up to 89 % of the pixels otherwise than torch, where scores are small integers.

What is written here goes through the classes and keeps the label of the largest score so far, the first of equal ones,
as torch and ONNX Runtime do, in any precision (an index below 256 is exact in bfloat16). Rows and columns are one axis
for it: that makes OpenVINO lay each class out as a plane, which is then parted without a copy and compared in kernels
that read it once. Measured on one core, 11 classes at 368x480 behind an INT8 convolution: bare logits 5.6 ms, labels
5.4, with confidence 6.3; reductions over channels as the convolution left them 8.9 and 9.6.

Of sixteen classes and more OpenVINO lays out planes slowly (21 classes at 320x320: bare logits 13.7 ms, labels by
planes 12.8, by reductions over channels 7.0), so there the least index is taken that is not below the largest score.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeseg.console.extras import require

SURROUNDINGS = "edgeseg/"
ONE_BY_ONE = 15
"""Up to how many classes are gone through one by one."""


def replace_argmax(model: Any) -> int:
    """Replace the ArgMax over channels of the deployed graph in an ``openvino.Model``, in place.

    The largest probability is found with it where the graph has one.

    Args:
        model: as OpenVINO converts the deployed ONNX file, where ArgMax is a TopK and a Squeeze called ``edgeseg/...``.
            A TopK of the network itself is left alone.

    Returns:
        How many were replaced: 1, or 0 where labels come from a threshold.
    """
    found = [node for node in model.get_ordered_ops() if _is_argmax(node)]
    for node in found:
        _replace(node, _find_sum(model))
    return len(found)


def _is_argmax(squeeze: Any) -> bool:
    if squeeze.get_type_name() != "Squeeze" or not squeeze.get_friendly_name().startswith(SURROUNDINGS):
        return False
    best = squeeze.input_value(0).get_node()
    return bool(best.get_type_name() == "TopK" and best.get_attributes()["axis"] == 1)


def _find_sum(model: Any) -> Any:
    """The sum of exp(score - largest) on the way to the confidence, if there is one."""
    sums = [node for node in model.get_ordered_ops() if node.get_type_name() == "ReduceSum"]
    return next((node for node in sums if node.get_friendly_name().startswith(SURROUNDINGS)), None)


def _replace(squeeze: Any, summed: Any) -> None:
    name, scores = squeeze.get_friendly_name(), squeeze.input_value(0).get_node().input_value(0)
    if scores.get_partial_shape()[1].get_length() > ONE_BY_ONE:
        _hand_on(squeeze, _least_index(_Builder(name, scores), scores))
        return
    label, powers = _compare_each(_Builder(name, scores), scores, has_sum=summed is not None)
    _hand_on(squeeze, label)
    if summed is not None:
        _hand_on(summed, powers)


def _hand_on(node: Any, value: Any) -> None:
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(value.output(0))


class _Builder:
    """Adds operations called ``edgeseg/...``, which calibration leaves alone; constants are of the scores' type."""

    def __init__(self, name: str, scores: Any) -> None:
        self._make, self._name, self._count = require("openvino.opset13", "export"), name, 0
        self._kind = scores.get_element_type().to_dtype()

    def constant(self, value: Any, kind: Any = None) -> Any:
        return self._make.constant(np.array(value, kind or self._kind))

    def add(self, operation: str, *inputs: Any, **settings: Any) -> Any:
        self._count += 1
        return getattr(self._make, operation)(*inputs, **settings, name=f"{self._name}/{operation}_{self._count}")


def _compare_each(build: _Builder, scores: Any, has_sum: bool) -> tuple[Any, Any]:
    """Make label and, if asked for, sum of exp(score - largest) by going through the classes as planes."""
    _, classes, height, width = (size.get_length() for size in scores.get_partial_shape())
    flat = build.add("reshape", scores, build.constant([1, classes, -1], np.int64), False)
    planes = build.add("split", flat, build.constant(1, np.int64), classes).outputs()
    largest, label = planes[0], build.constant(0)
    for index, plane in enumerate(planes[1:], 1):
        label = build.add("select", build.add("greater", plane, largest), build.constant(index), label)
        largest = build.add("maximum", largest, plane)
    picture = build.constant([1, height, width], np.int64)
    label = build.add("reshape", label, picture, False)
    if not has_sum:
        return label, None
    powers = [build.add("exp", build.add("subtract", plane, largest)) for plane in planes]
    total = powers[0]
    for power in powers[1:]:
        total = build.add("add", total, power)
    return label, build.add("reshape", total, picture, False)


def _least_index(build: _Builder, scores: Any) -> Any:
    """Make the label by reductions over channels, however they are laid out."""
    axis, classes = build.constant([1], np.int64), scores.get_partial_shape()[1].get_length()
    largest = build.add("reduce_max", scores, axis, keep_dims=True)
    below = build.add("less", scores, largest)
    each = build.constant(np.arange(classes).reshape(1, -1, 1, 1))
    candidates = build.add("select", below, build.constant(classes - 1), each)
    return build.add("reduce_min", candidates, axis, keep_dims=False)
