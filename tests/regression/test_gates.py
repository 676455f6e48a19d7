"""The shipped model held by what edgeseg gives to others for their tests: its budget, its masks, and its latency."""

from __future__ import annotations

import doctest
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.artifact import Artifact
from edgeseg.ci import asserts
from edgeseg.ci.asserts import Asserting
from edgeseg.errors import GateFailed, NoVerdict

MAX_OVERHEAD = 1.2


@pytest.fixture
def hold(int8: Artifact, demo: Path, tmp_path: Path) -> Asserting:
    return Asserting(int8, demo / "scenes", diffs=tmp_path / "diffs")


@pytest.mark.isa
def test_the_budget_is_held_and_the_floor(hold: Asserting) -> None:
    hold.assert_iou(min={"mIoU": 0.955, "cell": 0.955, "border": 0.90}, max_drop=0.5)
    assert {entry.outcome.verdict for entry in hold.recorder.entries} == {"passed"}


def test_a_floor_over_it_fails(hold: Asserting) -> None:
    with pytest.raises(GateFailed, match=r"IoU of cell is 0\.9\d+ on \d+ images of 'val'; 0\.999 is asserted"):
        hold.assert_iou(min={"cell": 0.999})


def test_masks_are_as_those_of_the_float_model_and_a_spoiled_one_is_seen(
    hold: Asserting, fp32: Artifact, demo: Path, tmp_path: Path
) -> None:
    Asserting(fp32, demo / "scenes", is_update=True).assert_masks_match(tmp_path / "golden")
    hold.assert_masks_match(tmp_path / "golden", min_agreement=0.98)
    spoiled = sorted((tmp_path / "golden").glob("*.png"))[1]
    mask = cv2.imread(str(spoiled), cv2.IMREAD_UNCHANGED)
    mask[: len(mask) // 10] = 2
    cv2.imwrite(str(spoiled), mask)
    with pytest.raises(GateFailed, match=f"1 of .* masks differ .* at worst {spoiled.name}"):
        hold.assert_masks_match(tmp_path / "golden", min_agreement=0.98)
    (drawn,) = (tmp_path / "diffs").iterdir()
    picture = cv2.imread(str(drawn))
    assert picture is not None
    assert np.unique(picture.reshape(-1, 3), axis=0).shape[0] > 100


def test_the_example_does_what_it_shows(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo)
    assert doctest.testmod(asserts)[:2] == (0, 1)


@pytest.mark.alone
def test_it_is_as_fast_as_a_copy_of_itself(int8: Artifact, tmp_path: Path) -> None:
    shutil.copytree(int8.path, tmp_path / int8.path.name)
    try:
        Asserting(int8, baseline=tmp_path / int8.path.name).assert_latency(max_ratio=MAX_OVERHEAD)
    except NoVerdict as error:
        pytest.skip(f"this machine is too noisy now: {error}")


@pytest.mark.alone
def test_float_is_not_as_fast_as_int8(int8: Artifact, fp32: Artifact, tmp_path: Path) -> None:
    """Where INT8 pays at all; on other processors there is nothing to see."""
    from edgeseg.runtime.measure.latency_gate import latency_ratio

    if latency_ratio(fp32, 1.0, int8).low < 1.3:
        pytest.skip("INT8 is hardly faster than float on this processor")
    with pytest.raises(GateFailed, match=r"latency slowdown as a share: One run costs \d\.\d+ runs of cells-int8"):
        Asserting(fp32, baseline=int8.path).assert_latency(max_ratio=1.1)
