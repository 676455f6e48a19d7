"""Nodes in the order of computation, as ONNX demands and some converters forget.

Converters to float16 append the casts of inputs and outputs at the end. ONNX Runtime orders nodes itself and runs such
a file; the checker of ONNX, and whatever walks a graph from front to back, does not.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx


def sort_nodes(graph: onnx.GraphProto) -> bool:
    """Bring the nodes of a graph and of its subgraphs into order, in place; those of a circle stay as they are.

    Returns:
        Whether anything was moved.
    """
    subgraphs = [sub for node in graph.node for one in node.attribute for sub in (one.g, *one.graphs) if sub.node]
    moved = [sort_nodes(sub) for sub in subgraphs]
    nodes = list(graph.node)
    maker = {name: number for number, node in enumerate(nodes) for name in node.output if name}
    needs = [{maker[name] for name in _list_inputs(node) if name in maker} - {i} for i, node in enumerate(nodes)]
    if all(all(before < number for before in needed) for number, needed in enumerate(needs)):
        return any(moved)
    order = _order(needs)
    if len(order) == len(nodes):
        del graph.node[:]
        graph.node.extend(nodes[number] for number in order)
    return True


def _order(needs: list[set[int]]) -> list[int]:
    """Numbers so that each comes after those it needs, otherwise as they were; without those that need each other."""
    users: dict[int, list[int]] = {}
    for number, needed in enumerate(needs):
        for before in needed:
            users.setdefault(before, []).append(number)
    left = [len(needed) for needed in needs]
    ready = [number for number, count in enumerate(left) if not count][::-1]
    order = []
    while ready:
        number = ready.pop()
        order.append(number)
        for user in users.get(number, [])[::-1]:
            left[user] -= 1
            if not left[user]:
                ready.append(user)
    return order


def _list_inputs(node: onnx.NodeProto) -> Iterator[str]:
    """What a node needs, what its subgraphs take from outside with it."""
    yield from node.input
    for attribute in node.attribute:
        for sub in (attribute.g, *attribute.graphs):
            for inner in sub.node:
                yield from _list_inputs(inner)
            yield from (entry.name for entry in sub.output)
