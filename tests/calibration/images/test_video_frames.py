"""Frames of a video for calibration."""

from __future__ import annotations

import itertools

import clips
import numpy as np
import pytest

from edgeseg.calibration.images import video_frames as calibration_video
from edgeseg.calibration.images.fingerprint import LENGTH, NEAR, changes, fingerprint
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.images.video_frames import frames_by_change
from edgeseg.errors import DataError
from edgeseg.image import fit
from edgeseg.runtime.sources.video import VideoSource
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("a", "b"), 48, 80)
PARKED, DRIVES, CUTS = range(100), range(100, 160), range(160, 170)


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """100 frames of a parked view, 60 in which a box drives through, 10 of ten other scenes."""
    parked = clips.street(1)
    frames = [clips.grainy(parked, i) for i in PARKED]
    frames += [clips.grainy(clips.car_at(parked, 2 * (i - 100)), i) for i in DRIVES]
    frames += [clips.grainy(clips.street(i), i) for i in CUTS]
    return clips.write_clip(tmp_path_factory.mktemp("clip") / "drive.mkv", frames)


@pytest.fixture(scope="module")
def frames(drive):
    with VideoSource(drive, print) as source:
        return {frame.index: frame.image.copy() for frame in source}


def numbers(images):
    return [item.number for item in images.items]


def test_frames_come_from_where_something_happens(drive):
    found = numbers(load_set(drive, SPEC, 16))
    assert len(found) == 16
    assert set(CUTS) & set(found) >= set(CUTS) - {160, 169}, "every n-th frame would give one of the ten scenes"
    assert len(set(DRIVES) & set(found)) >= 3
    assert len(set(PARKED) & set(found)) == 1, "a hundred frames of the same view are one picture"


@pytest.mark.parametrize("seed", [0, 1])
def test_no_two_chosen_frames_are_near_copies(drive, frames, seed):
    prints = [fingerprint(frames[number]) for number in numbers(load_set(drive, SPEC, 40, seed))]
    assert len(prints) > 20
    assert min(changes(one, other[None])[0] for one, other in itertools.combinations(prints, 2)) >= NEAR


def test_the_same_seed_gives_the_same_frames_and_another_seed_others(drive):
    first, again = load_set(drive, SPEC, 12, seed=1), load_set(drive, SPEC, 12, seed=1)
    assert numbers(first) == numbers(again)
    assert first.digest == again.digest
    assert numbers(load_set(drive, SPEC, 12, seed=2)) != numbers(first)


def test_a_still_clip_gives_one_frame_however_many_are_wanted(tmp_path):
    still = clips.street(3)
    path = clips.write_clip(tmp_path / "still.mp4", (clips.grainy(still, i) for i in range(30)))
    found = load_set(path, SPEC, 20)
    assert len(found) == 1
    assert "Only 1 calibration images" in found.warnings[-1]


def test_steady_change_is_taken_from_all_of_the_clip():
    steady = np.repeat(np.arange(200, dtype=np.uint8)[:, None], LENGTH, 1)
    found = frames_by_change(steady, 20, seed=0)
    assert len(found) == 20
    assert np.bincount(np.array(found) // 20, minlength=10).tolist() == [2] * 10
    assert len(set(np.diff(found))) > 1, "not every n-th"


def test_flat_frames_are_skipped_and_counted(tmp_path):
    black = np.zeros((clips.HEIGHT, clips.WIDTH, 3), np.uint8)
    path = clips.write_clip(tmp_path / "fade.mp4", [black] * 5 + [clips.street(i) for i in range(8)])
    found = load_set(path, SPEC, 20)
    assert numbers(found) == list(range(5, 13))
    assert len(found.passed_over.constant) == 5
    dark = clips.write_clip(tmp_path / "dark.mp4", [black] * 5)
    with pytest.raises(DataError, match=r"Every frame of .*dark.mp4 is one flat colour \(5\)"):
        load_set(dark, SPEC)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize("color_order", ["bgr", "gray"])
@pytest.mark.parametrize("size", [(48, 80), (70, 50), (33, 211), (200, 333)])
def test_a_frame_is_seen_as_the_runtime_sees_it(drive, frames, resize, color_order, size):
    one = (0.5,) if color_order == "gray" else (0.5,) * 3
    spec = ModelSpec("multiclass", ("a", "b"), *size, color_order, one, one, resize)
    images = load_set(drive, spec, 3)
    for item in images.items:
        np.testing.assert_array_equal(images.tensor(item.path)[0], fit(frames[item.number], spec))


def test_frames_have_names_and_digests_of_their_own(drive):
    found = load_set(drive, SPEC, 10)
    assert len({item.name for item in found.items}) == len(set(found.hashes)) == len(set(found.images)) == 10
    assert found.items[0].name == f"drive.mkv frame {found.items[0].number}"


def test_a_long_clip_is_looked_at_in_bounded_memory(drive, monkeypatch):
    monkeypatch.setattr(calibration_video, "MOST_LOOKED_AT", 20)
    seen = []
    plain = calibration_video.frames_by_change
    monkeypatch.setattr(
        calibration_video, "frames_by_change", lambda prints, *rest: seen.append(len(prints)) or plain(prints, *rest)
    )
    found = numbers(load_set(drive, SPEC, 5))
    assert seen[0] <= 20
    assert all(number % 16 == 0 for number in found)
    assert len(found) == 5


def test_a_clip_gives_frames_from_all_of_it(sample_data):
    found = load_set(sample_data / "clips" / "intel_asl_walk.mkv", SPEC, 12)
    assert len(found) == 12
    assert min(numbers(found)) < 20
    assert max(numbers(found)) > 70
    assert len(set(np.diff(numbers(found)))) > 2


def test_a_clip_that_is_cut_short_is_used_and_reported(sample_data):
    found = load_set(sample_data / "malformed" / "video" / "truncated_60pct.mkv", SPEC, 10)
    assert len(found) == 10
    assert "ended early" in found.warnings[0]
