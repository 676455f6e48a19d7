"""An ONNX graph with its channels evened out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseg.calibration.equalisation.factors import Seen, choose_exponents, choose_shown, tensors_to_see
from edgeseg.calibration.equalisation.free_channels import Ints
from edgeseg.calibration.equalisation.onnx_steps import steps_from_onnx, write_factors
from edgeseg.calibration.equalisation.record import NO_GAIN, OTHER_LOGITS, Exponents
from edgeseg.calibration.equalisation.same_logits import Run, computes_the_same
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.graphs.cut_labels import LOGITS, expose_logits
from edgeseg.image import Float32, UInt8
from edgeseg.runtime.engines.ort_session import open_session

OPSET_OF_AXES_INPUT = 18


def equalise_onnx(model: Any, images: CalibrationSet) -> tuple[Any, Mapping[str, Ints]]:
    """Even out the channels of a deployed graph.

    Args:
        model: as :func:`edgeseg.graphs.onnx_graph.load_graph` gives it. Not changed.
        images: what shows how far each channel reaches.

    Returns:
        A model that computes the same logits, bit for bit, and the exponents of its tensors (channels,) by name; the
        model itself and none where no factor helps, or where the logits turned out to differ.
    """
    net = steps_from_onnx(model)
    exponents = choose_exponents(net, see_channels(model, tensors_to_see(net), images))
    if not exponents:
        return model, Exponents(reason=NO_GAIN)
    changed = write_factors(model, net, exponents)
    if not computes_the_same(_logits(model), _logits(changed), images):
        return model, Exponents(reason=OTHER_LOGITS)
    return changed, Exponents(exponents)


def _logits(model: Any) -> Run:
    with quiet():
        session = open_session(expose_logits(model).SerializeToString(), spins=False)

    def run(image: UInt8) -> Float32:
        found: Float32 = session.run([LOGITS], {"image": image})[0]
        return found

    return run


def see_channels(model: Any, tensors: list[str], images: CalibrationSet) -> dict[str, Seen]:
    """Find the largest value and the energy of each channel of ``tensors`` on at most 32 of the images.

    Both are summed up inside the graph, so that no tensor is copied out of it.
    """
    session, names = _watching(model, tensors)
    largest: dict[str, Any] = dict.fromkeys(tensors, 0.0)
    energy: dict[str, Any] = dict.fromkeys(tensors, 0.0)
    shown = choose_shown(images.images)
    for path in shown:
        found = dict(zip(names, session.run(names, {"image": images.tensor(path)}), strict=True))
        for name in tensors:
            largest[name] = np.maximum(largest[name], found[f"{name}/largest"].reshape(-1))
            energy[name] = energy[name] + found[f"{name}/energy"].reshape(-1).astype(np.float64)
    return {name: Seen(np.asarray(largest[name], np.float64), energy[name] / len(shown)) for name in tensors}


def _watching(model: Any, tensors: list[str]) -> tuple[Any, list[str]]:
    onnx = require("onnx", "export")
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    make, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    for name in tensors:
        graph = watched.graph
        graph.node.append(make("Abs", [name], [f"{name}/size"]))
        graph.node.append(_reduce("ReduceMax", f"{name}/size", f"{name}/largest", watched))
        graph.node.append(make("Mul", [name, name], [f"{name}/square"]))
        graph.node.append(_reduce("ReduceMean", f"{name}/square", f"{name}/energy", watched))
    names = [f"{name}/{kind}" for name in tensors for kind in ("largest", "energy")]
    watched.graph.output.extend(value(name, onnx.TensorProto.FLOAT, None) for name in names)
    with quiet():
        return open_session(watched.SerializeToString(), spins=False), names


def _reduce(op: str, read: str, made: str, model: Any) -> Any:
    helper = require("onnx.helper", "export")
    opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    if opset < OPSET_OF_AXES_INPUT:
        return helper.make_node(op, [read], [made], axes=[0, 2, 3], keepdims=0)
    axes = f"{made}/axes"
    model.graph.initializer.append(helper.make_tensor(axes, 7, [3], [0, 2, 3]))
    return helper.make_node(op, [read, axes], [made], keepdims=0)
