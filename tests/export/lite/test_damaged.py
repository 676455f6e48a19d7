"""A TFLite file that is damaged, or made to do harm, ends in one sentence and never in a crash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import operations
import pytest
from lite_writer import LiteWriter
from people import PEOPLE, SELFIE

from edgeseg.errors import ArtifactError
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.tflite.read_lite import read_lite

NAMED = Path("x.tflite")


def outcome(data: bytes) -> str:
    """``read``, or that it was refused with a sentence; any other error is none of the two."""
    said = ""
    try:
        read_lite(data, NAMED)
    except ArtifactError as error:
        said = str(error)
    assert not said or (said.startswith("x.tflite ") and len(said) < 2000)
    return "refused" if said else "read"


@pytest.mark.parametrize(
    "name",
    ["a list times a picture", "weights in float16", "part", "a size computed from the picture", "split unevenly"],
)
def test_flipped_bytes_are_read_or_refused(name):
    data, _ = operations.write(name)
    chance = np.random.default_rng(0)
    found = set()
    for _ in range(150):
        broken = bytearray(data)
        for place in chance.integers(8, len(data), chance.integers(1, 4)):
            broken[place] = chance.integers(256)
        found.add(outcome(bytes(broken)))
    assert found == {"read", "refused"}


def test_a_file_that_ends_early_is_refused():
    data, _ = operations.write("conv same")
    assert {outcome(data[:length]) for length in range(8, len(data) // 2, 7)} == {"refused"}


def test_a_real_file_with_flipped_bytes_is_read_or_refused(data_dir):
    data = (data_dir / SELFIE).read_bytes()
    chance = np.random.default_rng(1)
    tables = len(data) - 60_000  # tables lie behind the weights
    for _ in range(12):
        broken = bytearray(data)
        for place in chance.integers(tables, len(data), 3):
            broken[place] = chance.integers(256)
        outcome(bytes(broken))


@pytest.mark.parametrize("shape", [(1, 1 << 15, 1 << 15, 3), (1, 6, 7, -3)])
def test_sizes_that_no_network_has_are_refused(shape):
    lite = LiteWriter()
    data = lite.write(lite.add("RELU", [lite.image(*shape)], shape))
    with pytest.raises(ArtifactError, match="not a whole TensorFlow Lite model"):
        read_lite(data, NAMED)


def test_a_small_file_cannot_ask_for_a_large_picture():
    lite = LiteWriter()
    large = lite.add("RESIZE_BILINEAR", [lite.image(1, 6, 7, 3), lite.ints(1 << 15, 1 << 15)], (1, 6, 7, 3))
    data = lite.write(lite.add("MEAN", [large, lite.ints(1, 2)], (1, 3)))
    with pytest.raises(ArtifactError, match="would have"):
        read_lite(data, NAMED)


def test_a_result_that_is_not_as_declared_is_refused():
    lite = LiteWriter()
    with pytest.raises(ArtifactError, match=r"not a whole TensorFlow Lite model"):
        read_lite(lite.write(lite.add("RELU", [lite.image(1, 6, 7, 3)], (1, 5, 7, 3))), NAMED)


def test_a_stride_of_zero_is_refused():
    lite = LiteWriter()
    image, kernel = lite.image(1, 6, 7, 3), lite.constant(np.zeros((4, 3, 3, 3), np.float32))
    with pytest.raises(ArtifactError, match=r"not a whole TensorFlow Lite model"):
        read_lite(lite.write(lite.add("CONV_2D", [image, kernel], (1, 6, 7, 4), StrideH=0, StrideW=1)), NAMED)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\0" * 400, "no model that edgeseg knows"),
    ],
)
def test_a_download_that_went_wrong_is_named(content, said, tmp_path):
    (tmp_path / "net.tflite").write_bytes(content)
    with pytest.raises(ArtifactError, match=said):
        source_net(tmp_path / "net.tflite", PEOPLE)
