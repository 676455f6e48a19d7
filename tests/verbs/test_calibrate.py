"""``edgeseg calibrate`` as a user types it: choosing a set with ``-o``, and calibrating on one."""

from __future__ import annotations

import json
import shutil

import clips
import cv2
import numpy as np
import pytest
import torch
from fitted import CLASSES, SPEC, scene

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.models.registry import build_model
from edgeseg.training.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def fp32(built):
    return str(built[1].artifact.path)


@pytest.fixture
def chosen(fp32, data, tmp_path, capsys):
    """A set of ten images for the fitted network."""
    assert main(["calibrate", fp32, "--data", str(data), "-n", "10", "-o", str(tmp_path / "set.json")]) == 0
    capsys.readouterr()
    return tmp_path / "set.json"


def save_net(path, seed, **changes):
    torch.manual_seed(seed)
    spec, options = SPEC.replace(**changes), {"width": 0.25}
    net = build_model("unet", spec, options)
    save_checkpoint(path, {"name": "unet", "options": options}, spec, net.state_dict(), {})
    return str(path)


def test_a_set_is_written_with_its_table_and_its_picture(fp32, data, tmp_path, capsys):
    where = tmp_path / "new" / "set.json"
    assert main(["calibrate", fp32, "--data", str(data), "-n", "9", "--seed", "4", "-o", str(where)]) == 0
    out = capsys.readouterr().out
    assert "Coverage of 9 calibration images" in out
    assert "range coverage" in out
    assert all(name in out for name in (*CLASSES, "brightness", "contrast", "saturation"))
    values = json.loads(where.read_text())
    assert (len(values["images"]), values["seed"], values["split"]) == (9, 4, "train")
    assert values["policy"] == "64x96x3 stretch"
    assert values["coverage"]["reference_images"] == 8
    assert set(values["model"]["weights"].values()) & set(Artifact.open(fp32).parents.values())
    assert cv2.imread(str(where.with_suffix(".png"))).shape[1] > 600
    assert sorted(path.name for path in where.parent.iterdir()) == ["set.json", "set.png"], "no artifact is made"


def test_the_same_command_writes_the_same_set(fp32, data, chosen, tmp_path):
    before = chosen.read_bytes()
    assert main(["calibrate", fp32, "--data", str(data), "-n", "10", "-o", str(chosen)]) == 0
    assert chosen.read_bytes() == before


def test_json_is_for_machines(fp32, data, tmp_path, capsys):
    assert main(["calibrate", fp32, "--data", str(data), "-n", "9", "-o", str(tmp_path / "set.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "set.json").read_text())


def test_int8_is_made_on_a_set_and_proven_on_the_data(fp32, data, chosen, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["--calib", str(chosen), "--data", str(data), "-n", "2", "--out", str(out), "--max-drop", "20"]
    assert main(["calibrate", fp32, *arguments, "--max-class-drop", "50", "--max-boundary-drop", "50"]) == 0
    made = Artifact.open(out / "blobs-int8-openvino")
    assert made.calibration["digest"] == json.loads(chosen.read_text())["digest"]
    assert made.calibration["images"] == 10, "the set decides, not -n"
    assert made.calibration["split"] == "train"
    assert made.measured["iou_against"] == "masks"
    assert "calibration images" not in capsys.readouterr().err


def test_int8_is_made_on_a_clip_while_the_data_verifies(fp32, data, tmp_path):
    clip = clips.write_clip(
        tmp_path / "clip.mp4", (cv2.resize(scene(i)[0], (clips.WIDTH, clips.HEIGHT)) for i in range(200, 215))
    )
    arguments = ["--calib", str(clip), "--data", str(data), "-n", "12", "--out", str(tmp_path), "--max-drop", "20"]
    assert main(["calibrate", fp32, *arguments, "--max-class-drop", "50", "--max-boundary-drop", "50"]) == 0
    made = Artifact.open(tmp_path / "blobs-int8-openvino")
    assert (made.calibration["images"], made.calibration["source"]) == (12, "clip.mp4")
    assert made.measured["iou_against"] == "masks"


def test_a_stale_set_is_refused_before_anything_is_made(fp32, data, tmp_path, capsys):
    calib = shutil.copytree(data / "images" / "train", tmp_path / "calib")
    where = tmp_path / "set.json"
    assert main(["calibrate", fp32, "--data", str(calib), "-o", str(where)]) == 0
    next(calib.iterdir()).unlink()
    arguments = ["--calib", str(where), "--data", str(data), "--out", str(tmp_path / "out")]
    assert main(["calibrate", fp32, *arguments]) == 2
    err = capsys.readouterr().err
    assert "set.json is stale: 1 of 12 images differ" in err
    assert "is missing" in err
    assert f"edgeseg calibrate MODEL --data {calib} -n 12 --seed 0 -o {where}" in err
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_gives_a_set_that_other_weights_may_not_use(data, tmp_path, capsys):
    best, other = save_net(tmp_path / "best.pt", 0), save_net(tmp_path / "other.pt", 1)
    where = str(tmp_path / "set.json")
    assert main(["calibrate", best, "--data", str(data), "-n", "8", "-o", where]) == 0
    again = ["--calib", where, "--data", str(data), "-o", str(tmp_path / "again.json")]
    assert main(["calibrate", best, *again]) == 0
    first, second = (json.loads((tmp_path / name).read_text()) for name in ("set.json", "again.json"))
    assert first["digest"] == second["digest"]
    capsys.readouterr()
    assert main(["calibrate", other, *again]) == 2
    assert "it was made for other weights (best: " in capsys.readouterr().err
    larger = save_net(tmp_path / "larger.pt", 0, height=96)
    assert main(["calibrate", larger, *again]) == 2
    assert "made for the network input 64x96x3 stretch, and the model takes 96x96x3 stretch" in capsys.readouterr().err


def test_an_onnx_file_with_a_spec_gives_a_set_and_one_without_is_told_what_to_do(built, source, data, tmp_path, capsys):
    bare = shutil.copy(built[0].artifact.model_path, tmp_path / "deployed.onnx")
    assert main(["calibrate", str(bare), "--data", str(data), "-n", "8", "-o", str(tmp_path / "set.json")]) == 0
    foreign = tmp_path / "foreign.onnx"
    foreign.write_bytes(source.proto.SerializeToString())
    assert main(["calibrate", str(foreign), "--data", str(data), "-o", str(tmp_path / "x.json")]) == 2
    assert "brings no spec. Export it first" in capsys.readouterr().err


def test_a_glob_chooses_a_set_and_thin_ones_are_told(fp32, data, tmp_path, capsys):
    where = tmp_path / "set.json"
    assert main(["calibrate", fp32, "--data", f"{data}/images/train/000[0-4].png", "-o", str(where)]) == 0
    out, err = capsys.readouterr()
    assert "thin: 5 images are few" in out
    assert "Only 5 calibration images" in err
    assert len(json.loads(where.read_text())["images"]) == 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-o", "set.txt", "--data", "."], "-o names the set file, which ends in .json"),
        (["-o", "set.json"], "nothing to calibrate on: give --calib or --data"),
        ([], "INT8 needs sample images: --data DIR"),
        (["--calib", "none.json"], "INT8 is verified as well as made: give --data"),
        (["-o", "set.json", "--data", "no/such"], "There is no folder no/such"),
        (["--calib", "none.json", "--data", "."], "There is no calibration set none.json"),
    ],
)
def test_what_is_missing_is_said(fp32, arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", fp32, *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said_before_the_work(fp32, data, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["calibrate", fp32, "--data", str(data), "-o", str(tmp_path / "file" / "set.json")]) == 2
    out, err = capsys.readouterr()
    assert "is a file" in err
    assert out == ""


def test_images_that_cannot_calibrate_are_counted_in_the_set(fp32, data, tmp_path, capsys):
    calib = shutil.copytree(data / "images" / "train", tmp_path / "calib")
    (calib / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    cv2.imwrite(str(calib / "cap.png"), np.zeros((80, 120, 3), np.uint8))
    assert main(["calibrate", fp32, "--data", str(calib), "-o", str(tmp_path / "set.json")]) == 0
    err = capsys.readouterr().err
    assert "1 unreadable" in err
    assert "1 of one colour" in err
    passed_over = json.loads((tmp_path / "set.json").read_text())["passed_over"]
    assert "torn.png" in passed_over["unreadable"][0]
    assert "cap.png" in passed_over["constant"][0]
