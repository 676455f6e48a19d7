"""A graph with fewer nodes and the same results, by ONNX Runtime's own basic optimisations.

They fold constants and BatchNorm, drop dead nodes, and write standard ONNX. Measured on SINet (opset 12,
243 nodes): 205 nodes with 38 of 58 BatchNorms folded in 0.14 s; onnxslim gave the same 205 nodes in
2.4 s and would be one more package; onnxoptimizer 0.4.2 wrote a file with a name defined twice.
"""

from __future__ import annotations

from typing import Any

import onnx
from onnx import helper

from edgeseg.console.quiet import quiet
from edgeseg.export.graphs.opset import STANDARD_DOMAINS
from edgeseg.files.unfinished import scratch_directory
from edgeseg.runtime.engines.ort_session import BASIC, open_session

FILE = "model.onnx"


def simplify(net: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants and BatchNorm, drop dead nodes; only the last where more would leave standard ONNX."""
    net = without_dead_nodes(net)
    with scratch_directory() as folder:
        with quiet():
            open_session(net.SerializeToString(), BASIC, optimised_file=folder / FILE)
        lean = onnx.load(str(folder / FILE))
    return _standard(lean) if _is_standard(lean.graph) else net


def without_dead_nodes(net: onnx.ModelProto) -> onnx.ModelProto:
    """Copy without the nodes that lead to no output, and without their weights, which ONNX Runtime keeps."""
    lean = onnx.ModelProto()
    lean.CopyFrom(net)
    graph = lean.graph
    needed = {entry.name for entry in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.insert(0, node)
            needed.update(_read_by(node))
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    _replace(graph.node, kept)
    _replace(graph.initializer, weights)
    return lean


def _read_by(node: onnx.NodeProto) -> set[str]:
    """Everything a node reads, in its subgraphs too."""
    inner = (one for attribute in node.attribute for one in attribute.g.node)
    return set(node.input).union(*(_read_by(one) for one in inner), *(_results(node)))


def _results(node: onnx.NodeProto) -> list[set[str]]:
    """Outer values that a subgraph hands on as they are."""
    return [{entry.name for entry in attribute.g.output} for attribute in node.attribute]


def _replace(field: Any, entries: list[Any]) -> None:
    copies = [type(entry).FromString(entry.SerializeToString()) for entry in entries]
    del field[:]
    field.extend(copies)


def _is_standard(graph: onnx.GraphProto) -> bool:
    return all(
        node.domain in STANDARD_DOMAINS and all(_is_standard(attribute.g) for attribute in node.attribute)
        for node in graph.node
    )


def _standard(lean: onnx.ModelProto) -> onnx.ModelProto:
    """Without the operator sets of other domains that ONNX Runtime lists in every file."""
    kept = [helper.make_opsetid(entry.domain, entry.version) for entry in lean.opset_import if not entry.domain]
    del lean.opset_import[:]
    lean.opset_import.extend(kept)
    return lean
