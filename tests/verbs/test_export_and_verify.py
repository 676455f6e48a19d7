"""``edgeseg export | calibrate | verify`` as a user types them."""

from __future__ import annotations

import json

import onnx
import pytest
import torch
from fitted import CLASSES, SPEC

from edgeseg.artifact import Artifact
from edgeseg.calibration.quantizers.quantizer import quantizer_for
from edgeseg.cli import main
from edgeseg.models.registry import build_model
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import save_checkpoint

NORM = ["--mean", *map(str, SPEC.mean), "--std", *map(str, SPEC.std), "--color-order", "rgb"]


@pytest.fixture(scope="module")
def foreign(source, tmp_path_factory):
    """The fitted network as somebody else's ONNX file."""
    path = tmp_path_factory.mktemp("foreign") / "blobs.onnx"
    onnx.save_model(source.proto, str(path))
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    spec = ModelSpec("binary", ("background", "cell"), 32, 48, "gray", (0.5,), (0.25,))
    path = tmp_path_factory.mktemp("run") / "best.pt"
    options = {"width": 0.25}
    save_checkpoint(
        path, {"name": "unet", "options": options}, spec, build_model("unet", spec, options).state_dict(), {}
    )
    return path


def test_one_command_makes_a_proven_int8_artifact(foreign, data, tmp_path, capsys):
    flags = ["--classes", ",".join(CLASSES), *NORM, "--out", str(tmp_path), "--name", "cells"]
    int8 = ["--int8", "--data", str(data), "-n", "10", "--max-drop", "2", "--json"]
    assert main(["export", str(foreign), "--format", "openvino", *flags, *int8]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [one["precision"] + one["format"] for one in made] == ["fp32onnx", "fp32openvino", "int8openvino"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "cells-fp32-onnx",
        "cells-fp32-openvino",
        "cells-int8-openvino",
    ]
    measured = made[2]["measured"]
    assert measured["drop_points"] <= 2
    assert measured["iou_against"] == "masks"
    assert made[2]["calibration"]["images"] == 10
    kept = dict(Artifact.open(tmp_path / "cells-int8-openvino").measured)
    assert kept.pop("speed")["int8"] == measured.pop("speed")["int8"], "why INT8 is no faster is worded with flags"
    assert kept == measured


def test_a_plain_folder_calibrates_and_verifies_by_agreement(built, data, tmp_path, capsys):
    fp32 = str(built[1].artifact.path)
    arguments = [fp32, "--data", str(data / "images" / "train"), "-n", "4", "--out", str(tmp_path), "--max-drop", "20"]
    assert main(["calibrate", *arguments]) == 0
    out, err = capsys.readouterr()
    assert "not against a truth" in out
    assert "warning: Only 4 calibration images" in err
    made = Artifact.open(tmp_path / "blobs-int8-openvino")
    assert made.measured["iou_against"] == "masks of openvino fp32"
    assert made.measured["images"] == 6, "half of the twelve"


def test_a_failed_gate_exits_with_1_and_a_table(built, data, tmp_path, capsys):
    fp32 = str(built[1].artifact.path)
    arguments = [fp32, "--data", str(data / "images" / "val"), "--out", str(tmp_path / "o"), "--max-drop", "0"]
    assert main(["calibrate", *arguments]) == 1
    err = capsys.readouterr().err
    assert all(name in err for name in CLASSES)
    left = [path.name for path in (tmp_path / "o").iterdir()]
    assert left == [".blobs-int8-openvino.search"], "what was measured stays for another budget, and nothing else"


def test_a_checkpoint_goes_to_artifacts_beside_it_without_any_data(checkpoint, capsys):
    assert main(["export", str(checkpoint), "--conf", "0.7"]) == 0
    out, err = capsys.readouterr()
    assert "synthetic" in out
    assert err == ""
    made = Artifact.open(checkpoint.parent / "artifacts" / "best-fp32-openvino")
    assert made.spec.threshold == 0.7
    assert made.outputs == ("labels", "confidence")


def test_an_onnx_artifact_is_a_source_too(built, tmp_path):
    path = str(built[0].artifact.path)
    assert main(["export", path, "--format", "onnx", "--conf", "0.4", "--out", str(tmp_path)]) == 0
    assert Artifact.open(tmp_path / "blobs-fp32-onnx").spec == SPEC.replace(threshold=0.4)


def test_verify_compares_every_form(built, data, capsys):
    paths = [str(one.artifact.path) for one in built]
    assert main(["verify", *paths, "--data", str(data), "--max-drop", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["stages"]) == ["onnx fp32", "openvino fp32", "openvino int8"]
    assert found["stages"]["openvino fp32"]["agreement"] > 0.999


def test_verify_takes_checkpoints_and_fails_over_the_limit(checkpoint, tmp_path, data, capsys):
    torch.manual_seed(9)
    spec = ModelSpec("binary", ("background", "cell"), 32, 48, "gray", (0.5,), (0.25,))
    options = {"width": 0.25}
    state = build_model("unet", spec, options).state_dict()
    state = {name: -value if "head" in name or "bias" in name else value for name, value in state.items()}
    save_checkpoint(tmp_path / "other.pt", {"name": "unet", "options": options}, spec, state, {})
    images = str(data / "images" / "val")
    assert main(["verify", str(checkpoint), str(checkpoint), "--data", images, "--max-drop", "0"]) == 0
    assert "torch #2" in capsys.readouterr().out
    assert main(["verify", str(checkpoint), str(tmp_path / "other.pt"), "--data", images]) == 1
    assert "changed the label of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--int8"], "INT8 needs sample images: --data DIR"),
        (["--data", "/nowhere"], "There is no /nowhere"),
        (["--imgsz", "1", "2", "3"], "--imgsz takes H W"),
        (["--outputs", "boxes"], "--outputs takes labels"),
        (["--name", "../x"], "--name is a plain name"),
        (["--classes", "a,b"], "carries its own spec"),
        (["--conf", "1.5"], "--conf must lie between 0 and 1"),
    ],
)
def test_mistakes_get_one_sentence_and_exit_code_2(checkpoint, extra, message, tmp_path, capsys):
    assert main(["export", str(checkpoint), "--out", str(tmp_path / "o"), *extra]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert (out, err.count("\n")) == ("", 1)
    assert not (tmp_path / "o").exists()


def test_verify_refuses_models_of_other_classes(built, checkpoint, data, capsys):
    assert main(["verify", str(built[0].artifact.path), str(checkpoint), "--data", str(data)]) == 2
    assert "has the classes background, cell" in capsys.readouterr().err


def test_the_best_method_is_found_and_the_proof_says_so(built, data, tmp_path, capsys):
    fp32 = str(built[1].artifact.path)
    arguments = ["--data", str(data), "--method", "auto", "-n", "10", "--max-drop", "20", "--out", str(tmp_path)]
    assert main(["calibrate", fp32, *arguments]) == 0
    out = capsys.readouterr().out
    made = Artifact.open(tmp_path / "blobs-int8-openvino")
    chosen = made.calibration["method"]
    report = json.loads((made.path / "report.json").read_text())
    assert [one["method"] for one in report["methods"]["tries"]] == list(quantizer_for("openvino").methods)
    assert report["methods"]["method"] == chosen
    assert "methods, measured on" in out
    assert "INT8 is" in out, "and its speed"
    assert str(made.path / "report.html") in out


def test_what_runs_fastest_here_is_offered_with_all_that_it_was_compared_with(foreign, data, tmp_path, capsys):
    arguments = ["--prefer", "latency", "--data", str(data), "-n", "10", "--max-drop", "20", "--max-class-drop", "50"]
    more = ["--max-boundary-drop", "50", "--out", str(tmp_path), "--name", "cells", "--json"]
    assert main(["export", str(foreign), "--classes", ",".join(CLASSES), *NORM, *arguments, *more]) == 0
    told = json.loads(capsys.readouterr().out)
    offered = {one["name"]: one for one in told["preferred"]["candidates"]}
    assert set(offered) >= {"fp32 onnx", "fp32 openvino", "int8 onnx", "int8 openvino"}
    best = min(one["p50_ms"] for one in offered.values() if not one["out"])
    assert offered[told["preferred"]["name"]]["p50_ms"] <= 1.05 * best
    assert Artifact.open(told["preferred"]["run"]).spec.classes == SPEC.classes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--int8"], "INT8 needs sample images"),
        (["--int8", "--calib", "set.json"], "INT8 is verified as well as made"),
        (["--int8", "--data", "shots/*.jpg"], "calibrates with --calib"),
        (["--prefer", "size", "--format", "tensorrt"], "leave --format out"),
    ],
)
def test_what_int8_lacks_is_said_before_the_work(foreign, arguments, said, capsys):
    assert main(["export", str(foreign), *arguments]) == 2
    assert said in capsys.readouterr().err
