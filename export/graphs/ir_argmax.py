"""ArgMax of an OpenVINO model in 32 bits, without TopK.

OpenVINO turns ArgMax into a stable TopK with 64-bit indices, which took 4.9 of the 18.9 ms of an INT8 frame (a U-Net at
360x480 on AMX). Told not to be stable it is fast and answers equal scores with whichever class it likes: of channels in
blocks, as convolutions leave them, up to 89 % of the pixels otherwise than torch, where scores are small integers. What
is written here compares each score with the largest and takes the least index that is not below it: the first of equal
ones, as torch and ONNX Runtime do, in any precision (an index below 256 is exact in bfloat16).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeseg.console.extras import require

SURROUNDINGS = "edgeseg/"


def replace_argmax(model: Any) -> int:
    """Replace the ArgMax over channels of the deployed graph in an ``openvino.Model``, in place.

    Args:
        model: as OpenVINO converts the deployed ONNX file, where ArgMax is a TopK and a Squeeze called ``edgeseg/...``.
            A TopK of the network itself is left alone.

    Returns:
        How many were replaced: 1, or 0 where labels come from a threshold.
    """
    found = [node for node in model.get_ordered_ops() if _is_argmax(node)]
    for node in found:
        _replace(node)
    return len(found)


def _is_argmax(squeeze: Any) -> bool:
    if squeeze.get_type_name() != "Squeeze" or not squeeze.get_friendly_name().startswith(SURROUNDINGS):
        return False
    best = squeeze.input_value(0).get_node()
    return bool(best.get_type_name() == "TopK" and best.get_attributes()["axis"] == 1)


def _replace(squeeze: Any) -> None:
    operations = require("openvino.opset13", "export")
    name = squeeze.get_friendly_name()
    scores = squeeze.input_value(0).get_node().input_value(0)
    classes = scores.get_partial_shape()[1].get_length()
    axis = operations.constant(np.array([1], np.int64))
    kind = scores.get_element_type().to_dtype()
    largest = operations.reduce_max(scores, axis, keep_dims=True, name=f"{name}/largest")
    below = operations.less(scores, largest, name=f"{name}/below")
    last = operations.constant(np.array(classes - 1, kind))
    each = operations.constant(np.arange(classes, dtype=kind).reshape(1, -1, 1, 1))
    candidates = operations.select(below, last, each, name=f"{name}/candidates")
    first = operations.reduce_min(candidates, axis, keep_dims=False, name=name)
    for reader in squeeze.output(0).get_target_inputs():
        reader.replace_source_output(first.output(0))
