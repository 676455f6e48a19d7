"""The deployed graph around a bare float network: uint8 pixels in, uint8 labels out.

Every ONNX file that edgeseg writes is made here, whoever trained the network. The nodes added
are called ``edgeseg/...``, so that calibration can leave them alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from edgeseg.errors import UserError
from edgeseg.export.graphs.late_size import Cut, Ending, Repeat, find_ending
from edgeseg.export.graphs.simplify import without_dead_nodes
from edgeseg.graphs.cut_labels import CUT, REPEATS, UNCUT
from edgeseg.graphs.onnx_graph import SURROUNDINGS
from edgeseg.image import normalisation
from edgeseg.runtime.engines.logits import LOGITS, log_odds
from edgeseg.spec import ModelSpec

SPEC_KEY = "edgeseg.spec"
OUTPUTS = ("labels", "confidence", "logits")
NORMALISED = "edgeseg/normalised"
NET = "net/"


def deployed_graph(net: onnx.ModelProto, spec: ModelSpec, outputs: Sequence[str] | None = None) -> onnx.ModelProto:
    """Wrap a bare network into the contract of ``docs/architecture.md``.

    Args:
        net: one float32 input ``[1, C, H, W]``, normalised and in the network's colour order;
            one float32 output ``[1, K, H, W]`` of logits; opset 13 or newer. Not changed.
        spec: its contract; goes into ``metadata_props`` under ``edgeseg.spec``.
        outputs: of ``labels``, ``confidence``, ``logits``, or ``logits`` alone; None for what the spec needs.

    Returns:
        A checked model with input ``image`` uint8 ``[1, H, W, C]`` BGR (or grey).

    Raises:
        UserError: an unknown output, or neither ``labels`` nor ``logits`` alone.
    """
    outputs = deployed_outputs(spec, outputs)
    model = compose.add_prefix(net, NET)
    graph = model.graph
    behind = f"{NET}{SURROUNDINGS}"
    for node in graph.node:
        if node.name.startswith(behind):  # no layer of the network, and not one of those that are added here either
            node.name = f"{SURROUNDINGS}{NET}{node.name.removeprefix(behind)}"
    opset = next(entry.version for entry in model.opset_import if not entry.domain)
    before = _preprocessing(spec, _Builder(opset), graph.input[0].name)
    ending = None if LOGITS in outputs else find_ending(model, spec.height, spec.width)
    after = _postprocessing(spec, _Builder(opset, ending), graph.output[0].name, outputs)
    nodes = [*before.nodes, *graph.node, *after.nodes]
    deployed = helper.make_graph(
        nodes,
        "edgeseg",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, spec.height, spec.width, spec.channels])],
        [_output_info(name, spec, outputs) for name in outputs],
        [*graph.initializer, *before.constants, *after.constants],
    )
    deployed.sparse_initializer.extend(graph.sparse_initializer)
    model.graph.CopyFrom(deployed)
    del model.metadata_props[:]
    helper.set_model_props(model, {SPEC_KEY: spec.to_json()})
    model.producer_name = "edgeseg"
    _drop_remarks(model.graph)
    if ending is not None:  # what cut or repeated the logits leads nowhere now
        model = without_dead_nodes(model)
    onnx.checker.check_model(model)
    return model


def _drop_remarks(graph: onnx.GraphProto) -> None:
    """Exporters note stack traces and paths of the training machine at every node."""
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""


def deployed_outputs(spec: ModelSpec, asked: Sequence[str] | None) -> tuple[str, ...]:
    """List the outputs of the deployed graph in their order.

    ``confidence`` is always there for a binary or multilabel task or a spec with a threshold: the runtime needs it. Who
    asks for ``logits`` alone gets these alone.

    Raises:
        UserError: an unknown output, or neither ``labels`` nor ``logits`` alone.
    """
    asked = check_outputs(["labels"] if asked is None else list(asked))
    if asked == [LOGITS]:
        return (LOGITS,)
    if spec.task != "multiclass" or spec.has_threshold:
        asked.append("confidence")
    return tuple(name for name in OUTPUTS if name in asked)


def check_outputs(asked: list[str]) -> list[str]:
    """Give ``asked`` back, each once; raise UserError for an unknown output, or neither labels nor logits alone."""
    asked = list(dict.fromkeys(asked))
    if (unknown := [name for name in asked if name not in OUTPUTS]) or ("labels" not in asked and asked != [LOGITS]):
        found = f"unknown {unknown}" if unknown else f"{asked} without labels"
        raise UserError(
            "`outputs` takes labels and, on request, confidence and logits; or logits alone, for a program that finds "
            f"the labels itself. Found {found}."
        )
    return asked


class _Builder:
    """Collects nodes and constants; each node is named after its result.

    Attributes:
        logits: what labels are made of: the logits, or those before what cuts and repeats, where that comes behind.
    """

    def __init__(self, opset: int, ending: Ending | None = None) -> None:
        self.opset, self.ending = opset, ending
        self.logits = UNCUT if ending else LOGITS
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, op: str, inputs: Sequence[str], result: str, **attributes: Any) -> str:
        name = f"edgeseg/{op}_{result.removeprefix('edgeseg/')}"
        self.nodes.append(helper.make_node(op, list(inputs), [result], name=name, **attributes))
        return result

    def constant(self, name: str, values: Any) -> str:
        full = f"edgeseg/{name.removeprefix('edgeseg/')}"
        if full not in {tensor.name for tensor in self.constants}:
            self.constants.append(numpy_helper.from_array(np.asarray(values), full))
        return full

    def give(self, op: str, inputs: Sequence[str], output: str, rank: int = 3, **attributes: Any) -> None:
        """Add the last node before an output of this rank; what cuts or repeats comes behind it, on its bytes."""
        steps = self.ending.steps if self.ending else ()
        value = self.add(op, inputs, f"{UNCUT}_{output}" if steps else output, **attributes)
        for count, step in enumerate(steps, 1):
            result = output if count == len(steps) else f"{UNCUT}_{output}_{count}"
            value = self._cut(step, value, result) if isinstance(step, Cut) else self._repeat(step, value, result, rank)

    def _cut(self, step: Cut, value: str, result: str) -> str:
        start, stop = [step.top, step.left], [step.top + step.height, step.left + step.width]
        numbers = {"start": start, "stop": stop, "axes": [-2, -1]}
        names = [self.shared(CUT.format(what), np.array(given, np.int64)) for what, given in numbers.items()]
        return self.add("Slice", [value, *names], result)

    def _repeat(self, step: Repeat, value: str, result: str, rank: int) -> str:
        """Repeat pixels of labels or confidence; engines resize four axes faster than three."""
        scales = self.shared(REPEATS, np.array([1, 1, step.rows, step.columns], np.float32))
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        if rank == 4:
            return self.add("Resize", [value, "", scales], result, **how)
        axis = self.constant("class_axis", np.array([1], np.int64))
        planes = self.add("Unsqueeze", [value, axis], f"{value}_plane")
        repeated = self.add("Resize", [planes, "", scales], f"{value}_repeated", **how)
        return self.add("Squeeze", [repeated, axis], result)

    def shared(self, name: str, values: Any) -> str:
        """Add a constant, or find the one that has these values; another of that name gets a number."""
        for number in range(len(self.constants) + 1):
            numbered = f"{name}_{number}" if number else name
            known = next((one for one in self.constants if one.name == numbered), None)
            if known is None:
                return self.constant(numbered, values)
            if np.array_equal(numpy_helper.to_array(known), values):
                return numbered
        raise AssertionError(name)


def _preprocessing(spec: ModelSpec, build: _Builder, net_input: str) -> _Builder:
    scale, shift = (values.reshape(1, -1, 1, 1) for values in normalisation(spec))
    planes = build.add("Cast", ["image"], "edgeseg/float", to=TensorProto.FLOAT)
    planes = build.add("Transpose", [planes], "edgeseg/planes", perm=[0, 3, 1, 2])
    if spec.color_order == "rgb":
        order = build.constant("bgr_to_rgb", np.array([2, 1, 0], np.int64))
        planes = build.add("Gather", [planes, order], "edgeseg/ordered", axis=1)
    scaled = build.add("Mul", [planes, build.constant("scale", scale)], "edgeseg/scaled")
    normalised = build.add("Add", [scaled, build.constant("shift", shift)], NORMALISED)
    build.add("Identity", [normalised], net_input)
    return build


def _postprocessing(spec: ModelSpec, build: _Builder, net_output: str, outputs: Sequence[str]) -> _Builder:
    if tuple(outputs) == (LOGITS,):
        _lone_logits(spec, build, net_output)
        return build
    build.add("Identity", [build.ending.logits if build.ending else net_output], build.logits)
    if spec.task == "binary":
        _binary(spec, build, outputs)
    elif spec.task == "multilabel":
        _multilabel(spec, build)
    else:
        _multiclass(spec, build, outputs)
    return build


def _lone_logits(spec: ModelSpec, build: _Builder, net_output: str) -> None:
    """Who finds the labels by ArgMax needs a channel a class; of a binary task z becomes (limit - z / 2, z / 2)."""
    if spec.task != "binary":
        build.add("Identity", [net_output], LOGITS)
        return
    halves = build.constant("halves", np.array([-0.5, 0.5], np.float32).reshape(1, 2, 1, 1))
    limit = build.constant("limit", np.array([log_odds(spec)[1], 0], np.float32).reshape(1, 2, 1, 1))
    build.add("Add", [build.add("Mul", [net_output, halves], "edgeseg/both"), limit], LOGITS)


def _binary(spec: ModelSpec, build: _Builder, outputs: Sequence[str]) -> None:
    logit = build.add("Squeeze", [build.logits, build.constant("class_axis", np.array([1], np.int64))], "edgeseg/logit")
    limit = build.constant("limit", log_odds(spec)[1])
    foreground = build.add("GreaterOrEqual", [logit, limit], "edgeseg/foreground")
    build.give("Cast", [foreground], "labels", to=TensorProto.UINT8)
    if "confidence" in outputs:
        _as_uint8(spec, build, build.add("Sigmoid", [logit], "edgeseg/probability"))


def _multilabel(spec: ModelSpec, build: _Builder) -> None:
    """A bit a class, and each class's own probability."""
    limits = log_odds(spec).reshape(1, -1, 1, 1)
    shown = build.add("GreaterOrEqual", [build.logits, build.constant("limit", limits)], "edgeseg/shown")
    shown = build.add("Cast", [shown], "edgeseg/shown_as_float", to=TensorProto.FLOAT)
    bits = build.constant("bits", np.float32(2) ** np.arange(spec.num_classes, dtype=np.float32).reshape(1, -1, 1, 1))
    weighed = build.add("Mul", [shown, bits], "edgeseg/weighed")
    axis = build.constant("class_axis", np.array([1], np.int64))
    summed = build.add("ReduceSum", [weighed, axis], "edgeseg/label", keepdims=0)
    build.give("Cast", [summed], "labels", to=TensorProto.UINT8)
    _as_uint8(spec, build, build.add("Sigmoid", [build.logits], "edgeseg/probability"))


def _multiclass(spec: ModelSpec, build: _Builder, outputs: Sequence[str]) -> None:
    best = build.add("ArgMax", [build.logits], "edgeseg/best", axis=1, keepdims=0)
    build.give("Cast", [best], "labels", to=TensorProto.UINT8)
    if "confidence" in outputs:
        _as_uint8(spec, build, _largest_probability(build))


def _largest_probability(build: _Builder) -> str:
    """Compute the largest of the softmax, ``1 / sum(exp(logit - largest))``, without the others.

    Softmax over channels transposes in ONNX Runtime: of 11 classes at 360x480 it took 50 ms of one core, this takes 5.
    """
    axis = build.constant("class_axis", np.array([1], np.int64))
    if build.opset < 18:  # axes of ReduceMax are an attribute up to opset 17 and an input from 18 on
        largest = build.add("ReduceMax", [build.logits], "edgeseg/largest", axes=[1], keepdims=1)
    else:
        largest = build.add("ReduceMax", [build.logits, axis], "edgeseg/largest", keepdims=1)
    powers = build.add("Exp", [build.add("Sub", [build.logits, largest], "edgeseg/away")], "edgeseg/powers")
    summed = build.add("ReduceSum", [powers, axis], "edgeseg/sum", keepdims=0)
    return build.add("Reciprocal", [summed], "edgeseg/probability")


def _as_uint8(spec: ModelSpec, build: _Builder, probability: str) -> None:
    scaled = build.add("Mul", [probability, build.constant("uint8_range", np.float32(255))], "edgeseg/percent")
    rounded = build.add("Round", [scaled], "edgeseg/rounded")
    build.give("Cast", [rounded], "confidence", 4 if spec.task == "multilabel" else 3, to=TensorProto.UINT8)


def _output_info(name: str, spec: ModelSpec, outputs: Sequence[str]) -> onnx.ValueInfoProto:
    if name == LOGITS:
        channels = spec.num_classes if tuple(outputs) == (LOGITS,) else spec.logit_channels
        shape = [1, channels, spec.height, spec.width]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    classes = [spec.num_classes] if name == "confidence" and spec.task == "multilabel" else []
    return helper.make_tensor_value_info(name, TensorProto.UINT8, [1, *classes, spec.height, spec.width])
