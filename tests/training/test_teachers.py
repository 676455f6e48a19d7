"""A teacher of any form that export reads."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from edgeseg.api.teachers import read_teacher
from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.export.source.onnx_from_torch import onnx_from_module
from edgeseg.image import normalise
from edgeseg.models.registry import build_model
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import save_checkpoint
from edgeseg.training.distill import Teacher
from edgeseg.training.settings import Distillation
from edgeseg.training.voice import Voice

OPTIONS = {"width": 0.25}

WIDTH = ["--model", "unet", "--width", "0.25"]
FLAGS = [*WIDTH, "--imgsz", "48", "--crop", "32", "32", "--epochs"]
FLAGS += ["1", "--batch", "4", "--amp", "no", "--device", "cpu", "--task", "multiclass"]


@pytest.fixture
def net(disc_spec: ModelSpec) -> torch.nn.Module:
    torch.manual_seed(3)
    return build_model("unet", disc_spec, OPTIONS).eval()


def hear() -> tuple[list[str], Voice]:
    said: list[str] = []
    return said, Voice(said.append, said.append, said.append)


def answers(teacher: Teacher, spec: ModelSpec) -> torch.Tensor:
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    return teacher.model(torch.from_numpy(normalise(image, spec))[None]).float()


def write(net: torch.nn.Module, kind: str, folder: Path, spec: ModelSpec) -> Path:
    path = folder / {"onnx": "net.onnx", "torchscript": "net.pt", "own": "net.pt"}[kind]
    image = torch.zeros(1, 3, spec.height, spec.width)
    if kind == "onnx":
        onnx.save(onnx_from_module(net, spec), str(path))
    elif kind == "torchscript":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.trace(net, image).save(str(path))
    else:
        save_checkpoint(path, {"name": "unet", "options": OPTIONS}, spec, net.state_dict(), {})
    return path


@pytest.mark.parametrize("kind", ["onnx", "torchscript"])
def test_a_foreign_file_says_as_a_teacher_what_its_network_says(
    kind: str, tmp_path: Path, net: torch.nn.Module, disc_spec: ModelSpec
) -> None:
    said, voice = hear()
    path = read_teacher(write(net, kind, tmp_path, disc_spec), disc_spec, tmp_path / "teacher", voice)
    assert Artifact.open(path).spec.classes == disc_spec.classes
    teacher = Teacher.load(Distillation(path), disc_spec)
    with torch.no_grad():
        image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
        own = net(torch.from_numpy(normalise(image, disc_spec))[None])
    assert (answers(teacher, disc_spec).softmax(1) - own.softmax(1)).abs().max() < 0.01
    assert "does not say its" in said[0]
    assert "taken as this training's own" in said[0]
    assert read_teacher(path, disc_spec, tmp_path / "again", voice) == path, "an artifact is one already"


def test_an_own_checkpoint_of_the_same_input_stays_what_it_is(
    tmp_path: Path, net: torch.nn.Module, disc_spec: ModelSpec
) -> None:
    path = write(net, "own", tmp_path, disc_spec)
    assert read_teacher(path, disc_spec, tmp_path / "teacher", hear()[1]) == path
    assert not (tmp_path / "teacher").exists()
    other = disc_spec.replace(classes=("a", "b"))
    assert read_teacher(path, other, tmp_path / "teacher", hear()[1]) == path, "training refuses it by name"


def test_an_own_checkpoint_of_another_size_sees_the_crops_at_its_own(
    tmp_path: Path, net: torch.nn.Module, disc_spec: ModelSpec
) -> None:
    path = write(net, "own", tmp_path, disc_spec.replace(height=64, width=80))
    exported = read_teacher(path, disc_spec, tmp_path / "teacher", hear()[1])
    assert (Artifact.open(exported).spec.height, Artifact.open(exported).spec.width) == (64, 80)
    assert answers(Teacher.load(Distillation(exported), disc_spec), disc_spec).shape == (1, 2, 48, 48)


def test_two_teachers_of_one_name_are_two_artifacts(tmp_path: Path, net: torch.nn.Module, disc_spec: ModelSpec) -> None:
    other = disc_spec.replace(height=64)
    first = read_teacher(write(net, "own", tmp_path, other), disc_spec, tmp_path / "teacher", hear()[1])
    with torch.no_grad():
        next(net.parameters()).add_(1)
    second = read_teacher(write(net, "own", tmp_path, other), disc_spec, tmp_path / "teacher", hear()[1])
    assert first != second


def test_a_run_imitates_an_onnx_file(
    tmp_path: Path, net: torch.nn.Module, discs: Dataset, disc_spec: ModelSpec
) -> None:
    teacher = write(net, "onnx", tmp_path, disc_spec)
    flags = FLAGS
    run = tmp_path / "run"
    assert main(["train", "--data", str(discs.root), "--out", str(run), *flags, "--teacher", str(teacher)]) == 0
    assert (run / "best.pt").is_file()
    assert len(list((run / "teacher").glob("teacher-*-fp32-onnx"))) == 1
