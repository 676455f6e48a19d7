"""Reading and writing OpenVINO IR, the spec in its ``rt_info``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError
from edgeseg.given import checked
from edgeseg.graphs.cut_labels import as_labels
from edgeseg.runtime.engines.engine import ENGINE_KEY, OPENVINO
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.runtime.engines.openvino_engine import refuse_entities
from edgeseg.spec import ModelSpec

SURROUNDINGS = "edgeseg/"
STEPS = ("Slice", "Interpolate", "Gather")
"""What cuts and repeats labels."""
MODEL_API_RESIZE = {"stretch": "standard"}


@checked
def describe_ir(model: Any, spec: ModelSpec, outputs: Sequence[str]) -> None:
    """Write the spec, the engine it is for, and what Intel's Model API wants to know, into ``rt_info``.

    Model API reads one output of logits. It paints a letterboxed picture's mask over the whole picture, cannot give a
    network grey pictures, and shows one class a pixel. For what needs more nothing is written, so that it refuses the
    file and shows no wrong mask.
    """
    model.set_rt_info(spec.to_json(), ["edgeseg", "spec"])
    model.set_rt_info(OPENVINO, ENGINE_KEY.split("."))
    if tuple(outputs) != ("logits",) or not _fits_model_api(spec):
        return
    for key, value in _model_api_info(spec).items():
        model.set_rt_info(value, ["model_info", key])


@checked
def read_ir(path: Path) -> Any:
    """Read an IR from an artifact that has been verified.

    Raises:
        ArtifactError: OpenVINO cannot read it.
    """
    refuse_entities(path)
    with quiet():
        core = shared_core("export")
        try:
            return core.read_model(path)
        except RuntimeError as error:
            raise ArtifactError(f"OpenVINO cannot read {path}: {str(error).strip()}") from error


@checked
def save_ir(model: Any, path: Path) -> None:
    """Write ``model.xml`` and ``model.bin``; float constants stay float32.

    Raises:
        OSError: the disk is full or the folder not writable.
    """
    openvino = require("openvino", "export")
    try:
        openvino.save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:
        raise OSError(str(error).strip()) from error


def constant_of(value: Any) -> npt.NDArray[Any] | None:
    """Return what an output of a node is where it does not hang on the model's input, else None."""
    nodes = [value.get_node()]
    seen = {nodes[0].get_name()}
    for node in nodes:
        if node.get_type_name() == "Parameter":
            return None
        for before in (one.get_node() for one in node.input_values()):
            if before.get_name() not in seen:  # behind n branches that join again a node is reached in 2^n ways
                seen.add(before.get_name())
                nodes.append(before)
    if nodes[0].get_type_name() == "Constant":
        return np.array(nodes[0].data)
    openvino = require("openvino", "export")
    return np.array(shared_core("export").compile_model(openvino.Model([value], []), "CPU")()[0])


def _fits_model_api(spec: ModelSpec) -> bool:
    return spec.task != "multilabel" and spec.resize in MODEL_API_RESIZE and spec.channels == 3


def logits_output(model: Any) -> Any:
    """Find the last float value on the way to the labels: before ArgMax, before the threshold, or the logits.

    Where the labels are cut and repeated to the picture, so is it.
    """
    names = {name for output in model.outputs for name in output.get_names()}
    value = model.output("labels" if "labels" in names else "logits").get_node().input_value(0)
    steps: list[Any] = []
    while not value.get_element_type().is_real() or _is_index(value.get_node()):
        if value.get_node().get_type_name() in STEPS:
            steps.insert(0, value.get_node())
        value = value.get_node().input_value(0)
    if (node := value.get_node()).get_type_name() == "ReduceSum" and node.get_friendly_name().startswith(SURROUNDINGS):
        while node.get_type_name() != "GreaterEqual":  # bits of a multilabel task are summed after the threshold
            node = node.input_value(0).get_node()
        value = node.input_value(0)
    while _is_split(value.get_node()):
        value = value.get_node().input_value(0)
    return as_labels(value, steps)


def _is_index(node: Any) -> bool:
    """Tell whether a node belongs to the comparisons that stand for ArgMax and give the index as a float."""
    if node.get_type_name() == "Reshape":
        node = node.input_value(0).get_node()  # back to rows and columns
    is_comparison = node.get_type_name() in ("ReduceMin", "Select")
    return is_comparison and bool(node.get_friendly_name().startswith(SURROUNDINGS))


def _is_split(node: Any) -> bool:
    """Tell whether a node only parts the logits: takes the one channel of a binary task away, or makes planes."""
    is_split = node.get_type_name() in ("Squeeze", "Split", "Reshape")
    return is_split and bool(node.get_friendly_name().startswith(SURROUNDINGS))


def _model_api_info(spec: ModelSpec) -> dict[str, str]:
    """Normalisation and colour order are inside the graph, so Model API has to leave pixels alone."""
    return {
        "model_type": "Segmentation",
        "labels": " ".join(name.replace(" ", "_") for name in spec.classes),
        "layout": "image:NHWC",
        "mean_values": "",
        "scale_values": "",
        "reverse_input_channels": "False",
        "resize_type": MODEL_API_RESIZE[spec.resize],
        "return_soft_prediction": "True",
    }
