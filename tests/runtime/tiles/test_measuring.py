"""Tiles in ``evaluate`` and ``verify``: the scores of whole pictures, and whether seams show."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiles_nets import MakeNet, make_scene

import edgeseg
from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.errors import UserError

TILE = (96, 128)


@pytest.fixture
def data(make_net: MakeNet, tmp_path: Path) -> Path:
    """A data folder whose masks are what one inference of each whole picture says."""
    root = tmp_path / "data"
    for folder in ("images/val", "masks/val"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text("a\nb\nc\n")
    with edgeseg.load(make_net(300, 380)) as model:
        for number in range(2):
            image = make_scene(300, 380, number)
            cv2.imwrite(str(root / "images" / "val" / f"{number}.png"), image)
            cv2.imwrite(str(root / "masks" / "val" / f"{number}.png"), model(image).labels)
    assert len(Dataset.open(root).pairs("val")) == 2
    return root


def test_evaluation_of_tiles_is_that_of_whole_pictures(
    make_net: MakeNet, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edgeseg.evaluate(make_net(*TILE), data).confusion.mean_iou < 0.95
    exact = edgeseg.evaluate(make_net(*TILE), data, tile=True)
    assert exact.confusion.mean_iou == 1
    assert exact.tiles is not None
    assert exact.tiles.seams.pairs > 0
    rough = edgeseg.evaluate(make_net(*TILE), data, tile=0)
    assert 0.5 < rough.confusion.mean_iou < 1
    assert main(["evaluate", str(make_net(*TILE).path), "--data", str(data), "--tile", "--json"]) == 0
    tiles = json.loads(capsys.readouterr().out)["tiles"]
    assert (tiles["tile"], tiles["overlap"], tiles["exact"]) == ([96, 128], 32, True)
    assert main(["evaluate", str(make_net(*TILE).path), "--data", str(data), "--tile", "--tile-edges", "mirror"]) == 0
    assert "labels change at" in capsys.readouterr().out


def test_seams_do_not_show_where_the_overlap_holds_all_and_show_where_there_is_none(
    make_net: MakeNet, data: Path
) -> None:
    exact, rough = (edgeseg.evaluate(make_net(*TILE), data, tile=overlap).tiles for overlap in (True, 0))
    assert exact is not None
    assert rough is not None
    assert 0.8 < exact.seams.excess < 1.2
    assert rough.seams.excess > exact.seams.excess + 0.2


def test_verify_says_whether_seams_show(make_net: MakeNet, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifact = make_net(*TILE)
    assert (
        main(["verify", str(artifact.path), str(artifact.path), "--data", str(data / "images" / "val"), "--tile"]) == 0
    )
    said = capsys.readouterr().out
    assert said.count("tiles of 96x128, overlap 32 px") == 2
    assert said.count("% of the pixel pairs across seams") == 2
    comparison = edgeseg.verify([make_net(300, 380), artifact], data, tile=True)
    assert comparison.drop(comparison.stages[1]) == 0
    record = comparison.to_dict()["tiles"]["onnx fp32 #2"]
    assert record["seam_excess"] == pytest.approx(1, abs=0.2)
    assert np.isfinite(record["seam_change_rate"])


def test_a_proof_is_not_of_tiles(make_net: MakeNet, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="`tile` does not go with `device`"):
        edgeseg.verify([make_net(*TILE)], data, device="CPU", tile=True)
    words = ["verify", str(make_net(*TILE).path), "--data", str(data), "--tile", "--trace"]
    assert main(words) == 2
    assert "--tile does not go with --trace" in capsys.readouterr().err
