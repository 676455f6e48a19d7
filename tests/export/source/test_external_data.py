"""Weights in a file beside an ONNX file: taken when it is a plain one, and nothing else is ever opened."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.cli import main
from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.source.onnx_file import open_onnx, read_onnx
from edgeseg.export.specs.foreign_spec import SpecFlags

H, W = 16, 24
FLAGS = SpecFlags(classes=("a", "b", "c"), mean=(0.5,) * 3, std=(0.2,) * 3, color_order="rgb")
WEIGHTS = np.random.default_rng(1).normal(0, 1, (3, 3, 1, 1)).astype(np.float32)


def write(folder: Path, **place: str) -> Path:
    """A network whose weights are in ``w.bin``, or wherever ``place`` says."""
    folder.mkdir(exist_ok=True)
    (folder / "w.bin").write_bytes(b"\0" * 64 + WEIGHTS.tobytes())
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=(3, 3, 1, 1), data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "w.bin", "offset": "64", "length": str(WEIGHTS.nbytes), **place}.items():
        if value:
            weight.external_data.add(key=key, value=value)
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, H, W)) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"])], "net", sides[:1], sides[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "a.onnx").write_bytes(model.SerializeToString())
    return folder / "a.onnx"


def test_weights_in_a_plain_file_beside_are_taken(tmp_path):
    source = source_net(write(tmp_path), FLAGS)
    values = np.random.default_rng(2).normal(size=(1, 3, H, W)).astype(np.float32)
    logits = np.einsum("nchw,kc->nkhw", values, WEIGHTS[:, :, 0, 0])
    np.testing.assert_allclose(source.forward(values), logits, atol=1e-4)


def test_a_missing_length_is_the_tensor_s_own(tmp_path):
    (weight,) = read_onnx(write(tmp_path, length="")).graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(weight), WEIGHTS)


def test_what_torch_writes_by_default_is_exported(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    net = torch.nn.Conv2d(3, 3, 3, padding=1).eval()
    picture = torch.zeros(1, 3, H, W)
    with quiet():
        torch.onnx.export(net, (picture,), str(tmp_path / "net.onnx"), dynamo=True)
    assert (tmp_path / "net.onnx.data").is_file(), "torch does not write a second file any more"
    flags = ["--classes", "a,b,c", "--mean", "0", "0", "0", "--std", "1", "1", "1", "--color-order", "rgb"]
    words = ["export", str(tmp_path / "net.onnx"), *flags, "--format", "onnx", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    made = onnx.load(str(tmp_path / "out" / "net-fp32-onnx" / "model.onnx"), load_external_data=False)
    assert all(weight.data_location == TensorProto.DEFAULT for weight in made.graph.initializer)


def test_inspect_shows_both_files(tmp_path, capsys):
    assert main(["inspect", str(write(tmp_path))]) == 0
    assert "w.bin" in capsys.readouterr().out


def test_other_weights_under_the_same_graph_are_another_network(tmp_path):
    path = write(tmp_path)
    before = open_onnx(path)
    (tmp_path / "w.bin").write_bytes(bytes(64) + (WEIGHTS + 1).tobytes())
    after = open_onnx(path)
    assert before.sha256 == after.sha256
    assert before.digest != after.digest


@pytest.mark.parametrize(
    "location",
    ["../w.bin", "/etc/passwd", "sub/w.bin", ".", "..", "", "a\\w.bin", "C:w.bin", "./w.bin", "w.bin/", "w\0.bin"],
)
def test_a_name_that_leads_elsewhere_is_refused(location, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"\0" * 64 + WEIGHTS.tobytes())
    with pytest.raises(ArtifactError, match="not a plain name of a file beside it"):
        read_onnx(write(tmp_path, location=location))


@pytest.fixture
def two_folders(tmp_path: Path) -> tuple[Path, Path]:
    path = write(tmp_path / "a")
    (tmp_path / "secret").write_bytes((tmp_path / "a" / "w.bin").read_bytes())
    (tmp_path / "a" / "w.bin").unlink()
    return path, tmp_path


def test_a_link_is_refused(two_folders):
    path, folder = two_folders
    path.with_name("w.bin").symlink_to(folder / "secret")
    with pytest.raises(ArtifactError, match=r"w\.bin, which is a link"):
        read_onnx(path)


def test_a_missing_file_is_named(two_folders):
    with pytest.raises(ArtifactError, match=r"w\.bin, which is not there. Copy both files"):
        read_onnx(two_folders[0])


def test_a_pipe_or_a_folder_is_refused_without_waiting_for_it(two_folders):
    path, _ = two_folders
    os.mkfifo(path.with_name("w.bin"))
    with pytest.raises(ArtifactError, match="not a plain file"):
        read_onnx(path)
    path.with_name("w.bin").unlink()
    path.with_name("w.bin").mkdir()
    with pytest.raises(ArtifactError, match="not a plain file"):
        read_onnx(path)


@pytest.mark.parametrize(
    "place",
    [
        {"offset": "65"},
        {"offset": "-64"},
        {"offset": str(2**62)},
        {"offset": "x"},
        {"length": "35"},
        {"length": "37"},
        {"length": "-1"},
        {"length": "1e9"},
    ],
)
def test_a_piece_that_is_not_inside_the_file_is_refused(place, tmp_path):
    with pytest.raises(ArtifactError, match="not where such a tensor can be"):
        read_onnx(write(tmp_path, **place))


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    path = write(tmp_path)
    with (tmp_path / "w.bin").open("r+b") as stream:
        stream.truncate(2**31)  # sparse: takes no room on the disk
    with pytest.raises(ArtifactError, match="under 2 GiB"):
        read_onnx(path)


def test_one_piece_named_over_and_over_does_not_fill_the_memory(tmp_path):
    path, side = write(tmp_path), 8192
    with (tmp_path / "w.bin").open("r+b") as stream:
        stream.truncate(side * side * 4)
    model = onnx.load(str(path), load_external_data=False)
    del model.graph.initializer[:]
    for number in range(9):
        weight = model.graph.initializer.add(name=f"w{number}", data_type=TensorProto.FLOAT, dims=(side, side))
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="w.bin")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="under 2 GiB"):
        read_onnx(path)
