"""Which values of an IR are constants, found in a time that grows with the graph."""

from __future__ import annotations

import time

import numpy as np

from edgeseg.graphs.ir_file import constant_of
from edgeseg.runtime.engines.openvino_core import load_openvino

BRANCHES = 40
"""Each of which doubles the ways back; walked one by one they would take longer than anybody waits."""


def test_what_hangs_on_the_input_is_no_constant_however_many_ways_lead_there() -> None:
    ops = load_openvino().opset15
    value = image = ops.parameter([1, 3, 4, 4], np.float32)
    for _ in range(BRANCHES):
        value = ops.add(ops.relu(value), ops.sigmoid(value))
    began_s = time.monotonic()
    assert constant_of(value.output(0)) is None
    assert constant_of(image.output(0)) is None
    assert time.monotonic() - began_s < 2


def test_a_constant_is_computed_however_it_is_put_together() -> None:
    ops = load_openvino().opset15
    value = ops.constant(np.array([1.5, -2.0], np.float32))
    assert np.array_equal(constant_of(value.output(0)), [1.5, -2.0])
    for _ in range(BRANCHES):
        value = ops.multiply(ops.add(value, value), ops.constant(np.float32(0.5)))
    assert np.array_equal(constant_of(value.output(0)), [1.5, -2.0])
