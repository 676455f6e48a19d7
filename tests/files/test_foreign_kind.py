"""What comes from elsewhere is named, with the way on; it is never loaded, and nobody is sent in a circle."""

from __future__ import annotations

import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeseg.cli import main
from edgeseg.files.foreign_kind import describe_foreign

FIELD = Path(__file__).parents[2] / "../shared/data/field"


class Trap:
    """Pickled, it makes a file when it is opened."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, int]]:
        return os.mknod, ("sprung", 0o600)


def torch_file(path: Path, pickled: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickled)
        archive.writestr("net/version", "3\n")
    return path


def folder(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)
    return path


def archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name in names:
            made.writestr(name, "x")
    return path


def tar(path: Path) -> Path:
    with tarfile.open(path, "w"):
        return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


SAFE = struct.pack("<Q", 2) + b"{}"
HF = json.dumps({"architectures": ["SegformerForSemanticSegmentation"], "model_type": "segformer"})
SMP = json.dumps({"_model_class": "Unet", "encoder_name": "resnet18"})
STATE = pickle.dumps({"inc.0.weight": 1})
KINDS: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "hf": (lambda p: folder(p / "hf", config__json=HF, model__safetensors=""), "Hugging Face", "AutoModelForSemantic"),
    "smp": (lambda p: folder(p / "smp", config__json=SMP, model__safetensors=""), "models_pytorch", "from_pretrained"),
    "savedmodel": (lambda p: folder(p / "tf", saved_model__pb=""), "SavedModel", "--saved-model"),
    "weights": (lambda p: folder(p / "w", a__safetensors=""), "nothing says of which network", "module:build()"),
    "models": (lambda p: folder(p / "m", net__onnx=""), "models in it", "m/net.onnx"),
    "empty folder": (lambda p: folder(p / "e"), "an empty folder", "Give a checkpoint"),
    "pictures": (lambda p: folder(p / "i", a__png=""), "without a model in it", "Give a checkpoint"),
    "safetensors": (lambda p: written(p / "a.safetensors", SAFE), "safetensors", "module:build()"),
    "state dict": (lambda p: torch_file(p / "a.pth", STATE), "'inc.0.weight'", "module:build()"),
    "tar ending": (lambda p: torch_file(p / "best.pth.tar", STATE), "'inc.0.weight'", "module:build()"),
    "lightning": (
        lambda p: torch_file(p / "a.ckpt", pickle.dumps({"pytorch-lightning_version": "2", "m.weight": 1})),
        "PyTorch Lightning",
        "module:build()",
    ),
    "whole module": (lambda p: torch_file(p / "a.pt", pickle.dumps(Trap())), "posix.mknod", "not opened"),
    "torchscript": (lambda p: archive(p / "a.pt", "net/data.pkl", "net/code/n.py"), "TorchScript", "export_model('"),
    "pt2": (lambda p: archive(p / "a.pt2", "net/archive_format"), "torch.export", "export_model('"),
    "keras": (lambda p: archive(p / "a.keras", "model.weights.h5"), "Keras", "tf2onnx"),
    "h5": (lambda p: written(p / "a.h5", b"\x89HDF\r\n\x1a\n0"), "Keras", "tf2onnx"),
    "tflite": (lambda p: written(p / "a.tflite", b"\x1c\0\0\0TFL3"), "TensorFlow Lite", "a.tflite', spec="),
    "pb": (lambda p: written(p / "a.pb", b"\n\1"), "TensorFlow graph", "--graphdef"),
    "mlmodel": (lambda p: written(p / "a.mlmodel", b"\x08\1"), "Core ML", "as ONNX"),
    "engine": (lambda p: written(p / "a.engine", b"ftrt"), "TensorRT engine", "ONNX file or checkpoint"),
    "ir": (lambda p: written(p / "a.xml", b"<?xml?><net/>"), "OpenVINO IR", "a.xml', spec="),
    "zip": (lambda p: archive(p / "a.zip", "readme"), "a zip archive (readme)", "Unpack"),
    "tar": (lambda p: tar(p / "a.tar"), "a tar archive", "Unpack"),
    "pickle": (lambda p: written(p / "a.pkl", pickle.dumps(Trap())), "Python pickle", "module:build()"),
    "lfs": (lambda p: written(p / "a.ckpt", b"version https://git-lfs"), "LFS pointer", "git lfs pull"),
    "page": (lambda p: written(p / "a.ckpt", b"<!DOCTYPE html>"), "a web page", "raw file"),
    "empty file": (lambda p: written(p / "a.ckpt", b""), "is empty", "Copy it again"),
    "unknown": (lambda p: written(p / "a.xyz", b"hello"), "no model that edgeseg knows (.xyz)", "checkpoint"),
}


OPENED = {"torchscript", "pt2"}
"""Kinds that export opens as they are."""
LIBRARIES = {"hf", "smp"}
"""Kinds that a library opens, which the tests do not install."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_named_with_a_way_on(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, found, way = KINDS[kind]
    said = describe_foreign(make(tmp_path))
    assert found in said
    assert way in said
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_no_verb_sends_anybody_in_a_circle(kind, tmp_path, monkeypatch, capsys):
    """What ``export`` was given is not to be made "with edgeseg export"; other verbs say the same."""
    monkeypatch.chdir(tmp_path)
    make, found, _ = KINDS[kind]
    path = make(tmp_path)
    for words in (["export", str(path)], ["inspect", str(path)], ["calibrate", str(path), "--data", str(tmp_path)]):
        if words[0] != "export" and path.suffix in (".pt", ".pth", ".engine"):
            continue
        needs_library = words[0] == "export" and kind in LIBRARIES
        assert main(words) == (3 if needs_library else 2)
        said = capsys.readouterr().err
        if needs_library:
            assert "-m pip install" in said
            continue
        if kind in OPENED:  # damaged, and so no way on but another file
            assert ("cannot open" if words[0] == "export" else f"edgeseg export {path}") in said
            continue
        assert found in said
        if kind in ("tflite", "ir"):  # export opens them, and says what of these two is damaged
            assert (f"edgeseg export {path}" in said) == (words[0] != "export")
            continue
        assert f"edgeseg export {path}" not in said
        assert "Make one with" not in said
    assert not (tmp_path / "sprung").exists()


@pytest.mark.skipif(not FIELD.is_dir(), reason="the field data is not here")
@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("01-checkpoints/checkpoint_epoch5.pth", "'inc.double_conv.0.weight'"),
        ("01-checkpoints/epoch=4.ckpt", "PyTorch Lightning"),
        ("01-checkpoints/model_best.pth.tar", "'module.inc.double_conv.0.weight'"),
        ("01-checkpoints/model.safetensors", "safetensors"),
        ("01-checkpoints/whole_model.pth", "nets."),
        ("16-foreign-kinds/ir.bin", "weights"),
    ],
)
def test_files_of_real_projects_are_named(file, found, capsys):
    assert main(["export", str(FIELD / file)]) == 2
    assert found in capsys.readouterr().err
