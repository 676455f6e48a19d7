"""What is not read from TFLite is named, all of it at once, with a way forward."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lite_writer import LiteWriter

from edgeseg.errors import ArtifactError
from edgeseg.export.tflite.read_lite import read_lite

SHAPE = (1, 6, 7, 3)


def refusal(lite: LiteWriter) -> str:
    with pytest.raises(ArtifactError) as caught:
        read_lite(lite.write(), Path("net.tflite"))
    return str(caught.value)


def test_every_operation_that_is_not_read_is_named_at_once():
    lite = LiteWriter()
    image = lite.image(*SHAPE)
    twice = lite.add("MaxUnpooling2D", [lite.add("MaxUnpooling2D", [image], SHAPE)], SHAPE)
    lite.add("CUMSUM", [twice, lite.ints(1)], SHAPE)
    said = refusal(lite)
    assert "MaxUnpooling2D (custom) (2 times), CUMSUM." in said
    assert "python -m tf2onnx.convert --tflite net.tflite" in said


def test_options_that_are_not_read_are_named_together():
    lite = LiteWriter()
    image = lite.image(*SHAPE)
    wide = np.array([[0, 0], [2, 2], [0, 0], [0, 0]], np.int32)
    lite.add("MIRROR_PAD", [image, lite.constant(wide)], (1, 10, 7, 3), Mode=1, name="frame")
    lite.add(
        "RESIZE_BILINEAR", [image, lite.ints(3, 3)], (1, 3, 3, 3), AlignCorners=True, HalfPixelCenters=True, name="both"
    )
    said = refusal(lite)
    assert "MIRROR_PAD that repeats more than the last pixel (SYMMETRIC) ('frame')" in said
    assert "RESIZE_BILINEAR with corners and pixel centres aligned both ('both')" in said


def test_a_layer_whose_weights_are_computed_is_named():
    lite = LiteWriter()
    image, kernel = lite.image(*SHAPE), lite.image(4, 3, 3, 3)
    lite.add("CONV_2D", [image, kernel], (1, 6, 7, 4), StrideH=1, StrideW=1, name="adaptive")
    assert "CONV_2D with weights that are computed ('adaptive')" in refusal(lite)


def test_a_quantised_file_is_told_to_bring_the_float_one():
    lite = LiteWriter()
    image = lite.image(*SHAPE, dtype="int8", scale=(0.01, 0))
    kernel = lite.constant(np.zeros((4, 3, 3, 3), np.int8), scale=(0.01, 0), name="kernel")
    lite.add("CONV_2D", [image, kernel], (1, 6, 7, 4), dtype="int8", scale=(0.1, 0), StrideH=1, StrideW=1)
    said = refusal(lite)
    assert "net.tflite is quantised already: CONV_2D computes with int8" in said
    assert "give the float (or float16) .tflite file" in said
    assert "`int8=True`" in said


def test_weights_of_eight_bits_that_are_quantised_as_it_runs_are_refused():
    lite = LiteWriter()
    kernel = lite.constant(np.zeros((4, 3, 3, 3), np.int8), scale=(0.01, 0), name="kernel")
    lite.add("CONV_2D", [lite.image(*SHAPE), kernel], (1, 6, 7, 4), StrideH=1, StrideW=1)
    assert "CONV_2D computes with int8 ('kernel')" in refusal(lite)
