"""A folder of labelled images becomes a checkpoint by a call."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fitted import write_dataset

import edgeseg
from edgeseg.errors import DataWarning

SMALL = {"model": "unet", "options": {"width": 0.25}, "imgsz": (32, 48), "device": "cpu"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


def test_a_call_trains_and_prints_nothing(data, tmp_path, capfd):
    told = []
    with pytest.warns(DataWarning, match="6 steps are few"):
        result = edgeseg.train(
            data, out=tmp_path / "run", steps=6, **SMALL, progress=lambda *step: told.append(step), loss="ce+dice"
        )
    assert capfd.readouterr() == ("", "")
    assert result.best == tmp_path / "run" / "best.pt"
    assert result.steps == 6
    assert {step[0] for step in told} >= {"reading training images", "epoch 1/2", "validating"}
    assert ("epoch 2/2", 3, 3) in told
    spec = edgeseg.export_model(result.best, format="onnx").spec
    assert (spec.height, spec.width, spec.classes) == (32, 48, ("background", "disc", "box"))


def test_a_checkpoint_says_itself_what_its_network_is(data, tmp_path):
    with pytest.warns(DataWarning):
        first = edgeseg.train(data, out=tmp_path / "one", steps=3, **SMALL)
    again = edgeseg.train(data, out=tmp_path / "two", steps=3, weights=first.best, lr=1e-4, device="cpu")
    assert again.weights == first.weights
    with pytest.raises(edgeseg.UserError, match="says itself what `model` is; leave `model` out"):
        edgeseg.train(data, weights=first.best, model="unet")
    with pytest.raises(edgeseg.UserError, match="says itself what `width` is"):
        edgeseg.train(data, weights=first.best, options={"width": 0.5})


def test_a_part_is_held_out_where_there_is_no_val_split(data, tmp_path):
    only_train = shutil.copytree(data, tmp_path / "data")
    for kind in ("images", "masks"):
        shutil.rmtree(only_train / kind / "val")
    with pytest.warns(DataWarning):
        edgeseg.train(only_train, out=tmp_path / "run", steps=3, **SMALL)
    assert (tmp_path / "run" / "data" / "images" / "val").is_dir()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"learning_rate": 1}, edgeseg.UserError, "has no setting 'learning_rate'"),
        ({"sed": 1}, edgeseg.UserError, "has no setting 'sed'; did you mean 'seed'"),
        ({"epochs": 1, "steps": 3}, edgeseg.UserError, "`epochs` and `steps` each say how long"),
        ({"model": "unett"}, edgeseg.UserError, "did you mean 'unet'"),
        ({"lr": 100}, edgeseg.UserError, "`lr` must be between 0 and 10"),
        ({"qat": True}, edgeseg.UserError, "tunes a trained network"),
        ({"boundary_objects": ("disc",)}, edgeseg.UserError, "give both"),
        ({"teacher": None, "distill_weight": 0.5}, edgeseg.UserError, "belongs to `teacher`"),
        ({"data": "nowhere"}, edgeseg.DataError, "nowhere"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(data, changes, error, message, tmp_path):
    arguments = {"data": data, "out": tmp_path / "run", **SMALL, **changes}
    with pytest.raises(error, match=message):
        edgeseg.train(arguments.pop("data"), **arguments)
    assert not (tmp_path / "run" / "last.pt").exists()
