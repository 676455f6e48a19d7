"""No picture reaches the reader that the camera did not take, or took too long ago."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from fault_camera import StartCamera
from watched import Seen, Watched

from edgeseg.runtime.cameras.capture_process import Limits

LIMITS = Limits(timeout_s=3, open_timeout_s=10)
START_S = 60
STALE_S = 1.0
"""Pictures that come later than this are not given on."""
SLACK_S = 0.6
"""For encoding, decoding and a machine that does other things."""


def test_whole_pictures_come_whole_in_order_with_the_time_they_were_taken(fault_camera: StartCamera) -> None:
    with Watched([fault_camera("ok").url], LIMITS) as watched:
        seen = list(watched.frames(75, START_S))
    assert all(one.whole for one in seen)
    numbers = [one.marks.number for one in seen if one.marks]
    assert numbers == sorted(set(numbers))
    assert [one.frame.index for one in seen] == sorted({one.frame.index for one in seen})
    late = [one.frame.time_s - one.marks.made_s for one in seen if one.marks]
    ages = np.array([one.age_s for one in seen])
    print(f"age p50 {np.percentile(ages, 50) * 1e3:.0f} ms, p99 {np.percentile(ages, 99) * 1e3:.0f} ms")
    assert np.percentile(late, 50) < 0.15
    assert all(a.frame.pts_s < b.frame.pts_s for a, b in pairwise(seen) if a.frame.pts_s and b.frame.pts_s)


def test_pictures_sent_in_slices_are_shown_whole(fault_camera: StartCamera) -> None:
    with Watched([fault_camera("ok", slices=4).url], LIMITS) as watched:
        seen = list(watched.frames(50, START_S))
    assert all(one.whole for one in seen)
    assert watched.source.skipped == 0
    numbers = [one.marks.number for one in seen if one.marks]
    assert len(numbers) >= 0.8 * (numbers[-1] - numbers[0] + 1)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_wide_pixels_of_a_camera_are_made_square(fault_camera: StartCamera, codec: str) -> None:
    with Watched([fault_camera("ok", codec=codec, aspect="16:11").url], LIMITS) as watched:
        seen = list(watched.frames(20, START_S))
    assert {one.size for one in seen} == {(288, 698)}
    assert watched.source.size == (288, 698)


def test_a_camera_that_describes_nothing_is_shown_from_its_first_picture(fault_camera: StartCamera) -> None:
    with Watched([fault_camera("bare").url], LIMITS) as watched:
        seen = list(watched.frames(30, START_S))
    assert all(one.whole for one in seen)
    assert seen[0].marks is not None
    assert seen[0].marks.number == seen[0].frame.index
    assert watched.source.skipped == 0


def test_of_a_stream_joined_midway_nothing_is_shown_before_a_key_frame(fault_camera: StartCamera) -> None:
    with Watched([fault_camera("midway").url], LIMITS) as watched:
        seen = list(watched.frames(20, START_S))
    assert all(one.whole for one in seen)
    assert seen[0].marks is not None
    assert seen[0].marks.number == 12
    assert [event.kind for event in watched.events] == ["connected"]


def test_the_key_frame_that_a_camera_begins_with_is_shown(fault_camera: StartCamera) -> None:
    with Watched([fault_camera("ok", fps=5).url], LIMITS) as watched:
        first = watched.frames(1, START_S)[0]
    assert first.marks is not None
    assert first.marks.number == 0


def test_a_new_size_arrives_as_it_is_and_no_picture_mixes_both(fault_camera: StartCamera) -> None:
    with Watched([fault_camera("resize", after=1.5).url], LIMITS) as watched:
        larger = (432, 720)
        watched.wait_for("new size", lambda: [s for s in watched.seen if s.size == larger][20:], START_S)
        seen = list(watched.seen)
    assert {one.size for one in seen} == {(288, 480), larger}
    assert all(one.whole for one in seen)
    sizes = [one.size for one in seen]
    assert sizes == sorted(sizes)
    assert watched.source.size == larger
    assert [event.kind for event in watched.events] == ["connected"]


@pytest.mark.parametrize("seed", range(4))
def test_damaged_pictures_are_counted_and_never_shown(fault_camera: StartCamera, seed: int) -> None:
    with Watched([fault_camera("corrupt", seed=seed).url], LIMITS) as watched:
        watched.wait_for("damage", lambda: watched.source.skipped > 60, START_S)
        seen = list(watched.seen)
    worst = max((one.marks.error if one.marks else 255.0) for one in seen)
    print(f"seed {seed}: {len(seen)} shown, {watched.source.skipped} damaged, largest error {worst:.1f}")
    assert all(one.whole for one in seen)
    assert len(seen) > 10


def test_a_camera_that_pads_its_slices_is_shown_from_its_second_key_frame(fault_camera: StartCamera) -> None:
    with Watched([fault_camera("padded").url], LIMITS) as watched:
        seen = watched.frames(20, START_S)
    assert all(one.whole for one in seen)
    assert seen[0].marks is not None
    assert seen[0].marks.number == 12
    assert [event.kind for event in watched.events] == ["connected"]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_pictures_that_refer_to_a_missing_one_are_not_shown(fault_camera: StartCamera, codec: str) -> None:
    with Watched([fault_camera("holes", codec=codec).url], LIMITS) as watched:
        watched.wait_for("damage", lambda: watched.source.skipped > 40, START_S)
        seen = list(watched.seen)
    assert all(one.whole for one in seen)
    assert len(seen) > 10
    assert [event.kind for event in watched.events] == ["connected"]


def test_pictures_that_were_held_back_are_counted_stale_and_not_shown(fault_camera: StartCamera) -> None:
    with Watched([fault_camera("hiccup", after=1.5).url], LIMITS) as watched:
        watched.wait_for("stale pictures", lambda: watched.source.counts.stale > 10, START_S)
        after_s = time.monotonic()
        fresh = watched.frame(START_S, after_s=after_s)
        seen = list(watched.seen)
    oldest_s = max(one.age_s for one in seen)
    print(f"hiccup of 2 s: {watched.source.counts.stale} stale, oldest picture shown {oldest_s:.2f} s")
    assert oldest_s < STALE_S + SLACK_S
    assert fresh.age_s < SLACK_S
    assert largest_misjudgement_s(seen) < SLACK_S
    assert [event.kind for event in watched.events] == ["connected"]


@pytest.mark.slow
def test_a_slow_reader_gets_fresh_pictures_and_the_others_are_counted(fault_camera: StartCamera) -> None:
    with Watched([fault_camera("ok").url], LIMITS, work_s=0.2) as watched:
        watched.frames(60, START_S)
        seen = watched.seen[5:]
        dropped = watched.source.counts.dropped
    times, ages = np.array([one.came_s for one in seen]), np.array([one.age_s for one in seen])
    slope = float(np.polyfit(times - times[0], ages, 1)[0])
    print(
        f"reader of 200 ms at 25 a second: age p50 {np.percentile(ages, 50) * 1e3:.0f} ms, "
        f"max {ages.max() * 1e3:.0f} ms, slope {slope * 1e3:+.2f} ms a second, {dropped} dropped"
    )
    assert np.percentile(ages, 50) < 0.3
    assert abs(slope) < 0.02
    shown = seen[-1].marks.number - seen[0].marks.number if seen[-1].marks and seen[0].marks else 0
    assert dropped > 0.6 * shown > 100


def largest_misjudgement_s(seen: list[Seen]) -> float:
    """How far the time that a frame carries is from when it was drawn."""
    return max(abs(one.frame.time_s - one.marks.made_s) for one in seen if one.marks)


def test_every_picture_of_a_sound_h265_camera_is_shown(fault_camera: StartCamera) -> None:
    with Watched([fault_camera("ok", codec="h265").url], LIMITS) as watched:
        seen = watched.frames(60, START_S)
    assert all(one.whole for one in seen)
    assert watched.source.skipped == 0
