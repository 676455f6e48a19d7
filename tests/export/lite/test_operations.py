"""Every operation that is read gives what LiteRT, the interpreter of TFLite, gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import operations
import pytest
from people import RECORDED

from edgeseg.export.graphs.ort_session import make_run
from edgeseg.export.tflite.onnx_from_lite import OPERATIONS
from edgeseg.export.tflite.read_lite import read_lite

MOVES_VALUES = {
    "dense of a picture",
    "mean over rows",
    "reshape to a list",
    "reshape across channels",
    "transpose pixels",
    "transpose a list",
    "best row",
    "unpack and pack",
    "product of matrices",
    "a size computed from the picture",
}
"""Graphs that move values in memory themselves, so that something has to."""


@pytest.fixture(scope="module")
def recorded():
    with np.load(RECORDED / "operations.npz") as found:
        return dict(found)


@pytest.mark.parametrize("name", operations.GRAPHS)
def test_it_gives_what_the_interpreter_gave(name, recorded):
    data, picture = operations.write(name)
    model = read_lite(data, Path(name)).model
    found = operations.as_the_file(make_run(model)(operations.as_the_graph(picture, model))[0], model, recorded[name])
    assert (found.shape, found.dtype) == (recorded[name].shape, recorded[name].dtype)
    assert np.abs(found.astype(np.float64) - recorded[name]).max() < 2e-6 * max(1, np.abs(recorded[name]).max())


@pytest.mark.parametrize("name", operations.GRAPHS)
def test_no_transpose_is_left_but_where_the_file_moves_values(name):
    model = read_lite(operations.write(name)[0], Path(name)).model
    assert ("Transpose" in {node.op_type for node in model.graph.node}) == (name in MOVES_VALUES)


def test_every_operation_that_is_read_is_in_a_graph():
    from lite_writer import LiteWriter

    used = set()
    for make in operations.GRAPHS.values():
        lite = LiteWriter()
        make(lite)
        used |= {kind for kind, *_ in lite.operators}
    assert set(OPERATIONS) <= used


def test_results_are_called_as_in_the_file():
    model = read_lite(operations.write("two results")[0], Path("two")).model
    assert [one.name for one in model.graph.output] == ["masks", "edges"]
    onnx.checker.check_model(model, full_check=True)
