"""An OpenVINO model with its channels evened out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseg.calibration.equalisation.factors import Seen, choose_exponents, choose_shown, tensors_to_see
from edgeseg.calibration.equalisation.free_channels import Ints
from edgeseg.calibration.equalisation.ir_steps import name_output, steps_from_ir, write_factors
from edgeseg.calibration.equalisation.record import NO_GAIN, OTHER_LOGITS, Exponents
from edgeseg.calibration.equalisation.same_logits import Run, computes_the_same
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.graphs.ir_file import logits_output
from edgeseg.runtime.engines.openvino_core import shared_core


def equalise_ir(model: Any, images: CalibrationSet) -> tuple[Any, Mapping[str, Ints]]:
    """Even out the channels of an ``openvino.Model`` of the deployed graph.

    Args:
        model: with the uint8 NHWC input ``image``. Not changed.
        images: what shows how far each channel reaches.

    Returns:
        A model that computes the same logits, bit for bit, and the exponents (channels,) of its outputs by their name,
        see :func:`~edgeseg.calibration.equalisation.ir_steps.name_output`; the model itself and none where no factor
        helps, or where the logits turned out to differ.
    """
    net = steps_from_ir(model)
    exponents = choose_exponents(net, see_channels(model, tensors_to_see(net), images))
    if not exponents:
        return model, Exponents(reason=NO_GAIN)
    changed = write_factors(model, exponents)
    if not computes_the_same(_logits(model), _logits(changed), images):
        return model, Exponents(reason=OTHER_LOGITS)
    return changed, Exponents(exponents)


def _logits(model: Any) -> Run:
    openvino = require("openvino", "export")
    with quiet():
        copy = model.clone()
        cut = openvino.Model([logits_output(copy)], copy.get_parameters())
        compiled = shared_core("export").compile_model(cut, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda image: np.array(compiled(image)[0])


def exponents_by_tensor(model: Any, exponents: Mapping[str, Ints]) -> dict[str, Ints]:
    """Give the exponents of a model's outputs the names of its tensors, by which other forms know them."""
    outputs = [out for node in model.get_ordered_ops() if node.get_type_name() != "Result" for out in node.outputs()]
    found = {name: exponents.get(name_output(output)) for output in outputs for name in output.get_names()}
    return {name: values for name, values in found.items() if values is not None}


def see_channels(model: Any, tensors: list[str], images: CalibrationSet) -> dict[str, Seen]:
    """Find the largest value and the energy of each channel of ``tensors`` on at most 32 of the images.

    Both are summed up inside the graph, so that no tensor is copied out of it.
    """
    request = _watching(model, tensors)
    largest: list[Any] = [0.0] * len(tensors)
    energy: list[Any] = [0.0] * len(tensors)
    shown = choose_shown(images.images)
    for path in shown:
        request.infer({"image": images.tensor(path)})
        for at in range(len(tensors)):
            largest[at] = np.maximum(largest[at], request.get_output_tensor(2 * at).data)
            energy[at] = energy[at] + request.get_output_tensor(2 * at + 1).data.astype(np.float64)
    return {name: Seen(np.asarray(largest[at], np.float64), energy[at] / len(shown)) for at, name in enumerate(tensors)}


def _watching(model: Any, tensors: list[str]) -> Any:
    openvino = require("openvino", "export")
    operations = openvino.opset13
    with quiet():
        copy = model.clone()
        nodes = [node for node in copy.get_ordered_ops() if node.get_type_name() != "Result"]
        outputs = {name_output(output): output for node in nodes for output in node.outputs()}
        seen = []
        for name in tensors:
            seen.append(operations.reduce_max(operations.abs(outputs[name]), [0, 2, 3], False).output(0))
            square = operations.multiply(outputs[name], outputs[name])
            seen.append(operations.reduce_mean(square, [0, 2, 3], False).output(0))
        watched = openvino.Model(seen, copy.get_parameters())
        compiled = shared_core("export").compile_model(watched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return compiled.create_infer_request()
