"""Every verb in every set of extras: it works, or it names the package that is missing and how to get it.

Packages are hidden from a child process here; one environment an extra is in ``make test-long``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import linear_model
import numpy as np
import pytest

pytestmark = pytest.mark.long

OPTIONAL = ("torch", "accelerate", "matplotlib", "yaml", "onnx", "onnxscript", "onnxruntime", "openvino", "nncf")
SETS: dict[str, frozenset[str]] = {
    "core": frozenset(),
    "onnxruntime": frozenset({"onnxruntime"}),
    "openvino": frozenset({"openvino"}),
    "both engines": frozenset({"onnxruntime", "openvino"}),
    "train": frozenset({"torch", "accelerate", "matplotlib", "yaml"}),
    "export": frozenset(OPTIONAL) - {"accelerate"},
    "train and onnxruntime": frozenset({"torch", "accelerate", "matplotlib", "yaml", "onnxruntime"}),
}
CHILD = """
import contextlib, io, json, sys, traceback

hidden, commands = json.loads(sys.argv[1])

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide())
from edgeseg.cli import main

told = []
for command in commands:
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            code = main(command)
        except BaseException:
            code = traceback.format_exc()
    told.append([code, errors.getvalue()])
json.dump(told, sys.stdout)
"""
SETS |= {f"all but {name}": frozenset(OPTIONAL) - {name} for name in ("matplotlib", "nncf", "onnxscript")}
EXPORT_FLAGS = ["--classes", "a,b,c", "--mean", "0", "0", "0", "--std", "1", "1", "1", "--color-order", "rgb"]
ALL_EXPORT = frozenset({"onnx", "onnxruntime", "openvino"})
FROM_TORCH = ALL_EXPORT | {"torch", "onnxscript"}
TORCH, PLOT = frozenset({"torch"}), frozenset({"matplotlib"})
TRAIN = TORCH | PLOT | {"accelerate"}
ORT, OV = frozenset({"onnxruntime"}), frozenset({"openvino"})


def _labelled(folder: Path) -> Path:
    for kind in ("images", "masks"):
        (folder / kind / "val").mkdir(parents=True)
        cv2.imwrite(str(folder / kind / "val" / "a.png"), np.eye(24, 32, dtype=np.uint8))
    (folder / "classes.txt").write_text("sky\nroad\ntree\n")
    return folder


@pytest.fixture(scope="module")
def commands(
    tmp_path_factory: pytest.TempPathFactory, tiny_artifact: linear_model.ArtifactMaker
) -> dict[str, tuple[list[str], frozenset[str]]]:
    """Each with the packages without which it cannot work."""
    folder = tmp_path_factory.mktemp("verbs")
    rng = np.random.default_rng(0)
    for number in range(2):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (24, 32, 3), np.uint8))
    checkpoint = Path(__file__).parents[2] / "edgeseg/assets/cells.pt"
    onnx, ir = (str(tiny_artifact(kind).path) for kind in ("onnx", "openvino"))
    labelled = str(_labelled(folder / "labelled"))
    data, out, model = str(folder), ["--out", str(folder / "out")], f"{onnx}/model.onnx"
    bare = folder / "bare.onnx"
    bare.write_bytes(Path(model).read_bytes())
    source = ["--source", data]
    return {
        "inspect onnx artifact": (["inspect", onnx], frozenset()),
        "inspect openvino artifact": (["inspect", ir], frozenset()),
        "inspect onnx file": (["inspect", str(bare)], frozenset({"onnx"})),
        "inspect checkpoint": (["inspect", str(checkpoint)], TORCH),
        "run onnx": (["run", onnx, *source, "--save-masks", str(folder / "m1")], ORT),
        "run openvino": (["run", ir, *source, "--save-masks", str(folder / "m2")], OV),
        "bench onnx": (["bench", onnx, "--seconds", "0.1"], ORT),
        "bench openvino": (["bench", ir, "--seconds", "0.1"], OV),
        "check onnx": (["check", onnx], ORT),
        "check openvino": (["check", ir], OV),
        "evaluate onnx": (["evaluate", onnx, "--data", labelled, "--out", str(folder / "scores")], ORT),
        "models": (["models"], TORCH),
        "train": (["train", "--data", data, *out], TRAIN),
        "verify artifacts": (["verify", onnx, ir, "--data", data], ALL_EXPORT),
        "verify checkpoint": (["verify", str(checkpoint), onnx, "--data", data], ALL_EXPORT | TORCH),
        "verify trace": (["verify", onnx, ir, "--data", data, "--trace"], ALL_EXPORT | PLOT),
        "calibrate openvino": (["calibrate", ir, "--data", data], OV | PLOT | {"nncf"}),
        "calibrate onnx": (["calibrate", onnx, "--data", data], ORT | PLOT | {"onnx"}),
        "calibrate -o": (
            ["calibrate", str(checkpoint), "--data", data, "-o", str(folder.parent / "verbs-set.json")],
            TORCH | PLOT,
        ),
        "export checkpoint": (["export", str(checkpoint), *out], FROM_TORCH),
        "export onnx": (["export", str(bare), *EXPORT_FLAGS, *out], ALL_EXPORT),
        "export --format onnx": (["export", str(bare), "--format", "onnx", *out], frozenset({"onnx", "onnxruntime"})),
        "export --int8": (["export", str(checkpoint), "--int8", "--data", data, *out], FROM_TORCH | PLOT | {"nncf"}),
        "demo": (["demo", *out], FROM_TORCH | PLOT | {"nncf"}),
    }


SLOW_WHERE_IT_WORKS = ("train", "verify", "calibrate", "export", "demo", "models")


def told(names: list[str], commands: dict[str, Any], present: frozenset[str]) -> dict[str, tuple[Any, str]]:
    work = json.dumps([sorted(set(OPTIONAL) - present), [commands[name][0] for name in names]])
    child = subprocess.run([sys.executable, "-c", CHILD, work], capture_output=True, text=True, timeout=300, check=True)
    return dict(zip(names, json.loads(child.stdout), strict=True))


@pytest.mark.parametrize("extras", SETS)
def test_every_verb_works_or_names_what_is_missing(extras, commands):
    present = SETS[extras]
    lacking = {name: needed - present for name, (_, needed) in commands.items()}
    names = [name for name in commands if lacking[name] or name.split()[0] not in SLOW_WHERE_IT_WORKS]
    wrong, made = [], Path(commands["demo"][0][-1])
    for name, (code, errors) in told(names, commands, present).items():
        if not lacking[name]:
            right = code == 0
        else:
            named = any(f"'{package}" in errors for package in lacking[name])
            right = (
                not made.exists()
                and code == 3
                and errors.count("\n") == 1
                and "not installed" in errors
                and "pip" in errors
                and named
            )
        if not right:
            wrong.append(f"{name}: lacks {sorted(lacking[name])}: exit {code!s:.2000}: {errors}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("extras", "code"), [("core", 3), ("train", 3), ("onnxruntime", 0), ("openvino", 0)])
def test_doctor_works_everywhere_and_fails_where_no_engine_is(extras, code):
    assert told(["doctor"], {"doctor": (["doctor"], ())}, SETS[extras])["doctor"] == [code, ""]
