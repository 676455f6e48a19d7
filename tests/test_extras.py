"""Every verb in every set of extras: it does its work, or it says what is missing and the printed line brings it.

Each environment holds the wheel and exactly what one extra asks for (``installed_fixtures``), so no index is needed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fitted import write_dataset
from installed_fixtures import ROOT, closure, install, link, make_environment, run

from edgeseg.artifact import Artifact

pytestmark = pytest.mark.long

CHECKPOINT = ROOT / "edgeseg" / "assets" / "cells.pt"
EXTRAS = (
    "",
    "onnxruntime",
    "openvino",
    "tensorrt",
    "train",
    "export",
    "pretrained",
    "labels",
    "huggingface",
    "geo",
    "mqtt",
    "metrics",
    "all",
)
EVERY = frozenset(EXTRAS)
MAKES = frozenset({"export", "all"})
LEARNS = frozenset({"train", "all"})
ORT, OPENVINO = MAKES | {"onnxruntime"}, MAKES | {"openvino"}
MISSING = 3

COMMANDS = {
    "doctor": ("doctor --json", ORT | OPENVINO),
    "models": ("models unet --imgsz 64", LEARNS | MAKES),
    "train": ("train --data {data} --width 0.25 --imgsz 64 96 --epochs 1 --batch 2 --out {out}/run", LEARNS),
    "train, published weights": (
        "train --data {data} --model lite-unet --pretrained --imgsz 64 96 --epochs 1 --batch 2 --out {out}/lite",
        frozenset({"all"}),
    ),
    "export to ONNX": ("export {checkpoint} --format onnx --out {out}", MAKES),
    "export to OpenVINO": ("export {checkpoint} --format openvino --out {out}", MAKES),
    "export for TensorRT": ("export {checkpoint} --format tensorrt --half --out {out}", MAKES),
    "calibrate": ("calibrate {openvino} --data {cells} -n 4 --no-search --max-drop 50 --out {out}", MAKES),
    "calibrate for ONNX Runtime": ("calibrate {onnx} --data {cells} -n 4 --no-search --max-drop 50 --out {out}", MAKES),
    "verify": ("verify {onnx} {openvino} --data {cells}", MAKES),
    "verify --trace": ("verify {checkpoint} {onnx} --data {cells} --trace --trace-out {out}/trace.png", MAKES),
    "evaluate in ONNX Runtime": ("evaluate {onnx} --data {cells} --out {out}/scores", ORT),
    "evaluate in OpenVINO": ("evaluate {openvino} --data {cells} --out {out}/scores", OPENVINO),
    "run in ONNX Runtime": ("run {onnx} --source {cells}/images/val --save-masks {out}/masks", ORT),
    "run in OpenVINO": ("run {openvino} --source {cells}/images/val --save-masks {out}/masks", OPENVINO),
    "bench in ONNX Runtime": ("bench {onnx} --seconds 0.2", ORT),
    "bench in OpenVINO": ("bench {openvino} --seconds 0.2", OPENVINO),
    "check in ONNX Runtime": ("check {onnx}", ORT),
    "check in OpenVINO": ("check {openvino}", OPENVINO),
    "inspect an artifact": ("inspect {onnx}", EVERY),
    "inspect a checkpoint": ("inspect {checkpoint}", LEARNS | MAKES),
    "inspect an ONNX file": ("inspect {onnx}/model.onnx", EVERY),
    "demo": ("demo --frames 2 --out {out}/demo", MAKES),
}
"""What is typed, and the extras that suffice for it."""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Data and artifacts that the commands are given; made by this environment, which has everything."""
    folder = tmp_path_factory.mktemp("made")
    cells = folder / "cells"
    run([*_here("-m", "edgeseg.demo.cells"), cells, "--train", "6", "--val", "3", "--size", "128"])
    run([*_here("-m", "edgeseg"), "export", CHECKPOINT, "--format", "openvino", "--out", folder])
    data = write_dataset(folder / "blobs", 4, 2)
    found = {"data": data, "cells": cells, "checkpoint": CHECKPOINT}
    for name in ("onnx", "openvino"):
        found[name] = folder / f"cells-fp32-{name}"
        Artifact.open(found[name])
    return found


def _here(*words: str) -> list[str]:
    return [sys.executable, *words]


def environment(folder: Path, wheel: Path, *extras: str) -> Path:
    made = make_environment(folder)
    link(made, {"pip"}.union(*map(closure, extras)))
    install(made, wheel)
    return made


def edgeseg(environment: Path, words: str, made: dict[str, Path], out: Path) -> subprocess.CompletedProcess[str]:
    """Type a command in an environment, far from the checkout."""
    out.mkdir(exist_ok=True)
    variables = {"PATH": f"{environment / 'bin'}:/usr/bin:/bin", "HOME": str(out), "XDG_CACHE_HOME": str(out / "cache")}
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
    command = [environment / "bin" / "edgeseg", *(word.format(**made, out=out) for word in words.split())]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=out, env={**kept, **variables}, timeout=600
    )


def named_extra(told: subprocess.CompletedProcess[str]) -> str | None:
    """The extra in the pip line of the last sentence on standard error, where that says something is missing."""
    last = told.stderr.strip().rpartition("\n")[2]
    found = re.search(
        r'is needed for this but is not installed\. Install it with: .* -m pip install "\S+\[(\w+)\]"$', last
    )
    return found[1] if found and told.returncode == MISSING else None


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra or "none")
def test_every_verb_works_or_says_what_is_missing(
    extra: str, wheel: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    place = environment(tmp_path / "venv", wheel, extra)
    wrong = []
    for number, (name, (words, enough)) in enumerate(COMMANDS.items()):
        told = edgeseg(place, words, made, tmp_path / f"out{number}")
        if extra in enough:
            right = told.returncode == 0
        elif name == "doctor":
            right = told.returncode == MISSING and "missing: pip install" not in told.stderr
        else:
            right = named_extra(told) is not None
        if not right:
            wrong.append(f"{name}: exit {told.returncode}\n{told.stderr[-1500:]}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("name", [name for name, (_, enough) in COMMANDS.items() if "" not in enough])
def test_obeying_the_printed_lines_leads_to_a_command_that_works(
    name: str, wheel: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    """From an installation without extras; at most three lines."""
    if name == "doctor":
        pytest.skip("the doctor lists everything and asks for nothing")
    place = environment(tmp_path / "venv", wheel, "")
    named: list[str] = []
    for _ in range(4):
        told = edgeseg(place, COMMANDS[name][0], made, tmp_path / "out")
        if told.returncode == 0:
            break
        extra = named_extra(told)
        assert extra is not None, (named, told.returncode, told.stderr[-1500:])
        assert extra not in named, (named, told.stderr[-1500:])
        named.append(extra)
        link(place, closure(extra))
    assert told.returncode == 0, (named, told.stderr[-1500:])


def test_tensorrt_is_asked_for_where_an_artifact_of_it_is_run(
    wheel: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    """The extra brings the CUDA bindings; the library is NVIDIA's, and named beside it."""
    run([*_here("-m", "edgeseg"), "export", CHECKPOINT, "--format", "tensorrt", "--out", tmp_path])
    words = f"run {tmp_path}/cells-fp32-tensorrt --source {made['cells']}/images/val --device cuda:0"
    for extra in ("", "tensorrt"):
        told = edgeseg(environment(tmp_path / f"venv{extra}", wheel, extra), words, made, tmp_path / "out")
        assert told.returncode == MISSING, told.stderr
        assert "Traceback" not in told.stderr
        assert re.search(r'TensorRT is needed .* pip install tensorrt "\S+\[tensorrt\]"', told.stderr)
