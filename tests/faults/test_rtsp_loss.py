"""A camera that goes away: when this is noticed, what is said, and when pictures come again."""

from __future__ import annotations

import os
import signal
import time
from itertools import pairwise

import psutil
import pytest
from fault_camera import StartCamera
from watched import Seen, Watched

from edgeseg.runtime.cameras.capture_process import Limits

TIMEOUT_S = 2.0
LIMITS = Limits(timeout_s=TIMEOUT_S, open_timeout_s=8)
NOTICED_S = TIMEOUT_S + 1
"""A lost stream is said within a second of the timeout."""
BACK_S = 2.0
"""Pictures come within two seconds of the camera's return."""
START_S = 60
"""For processes to start on a busy machine; nothing is promised about it."""


def last_picture_s(watched: Watched) -> float:
    return max(seen.came_s for seen in watched.seen)


def test_a_killed_camera_is_said_and_its_pictures_come_back(fault_camera: StartCamera) -> None:
    camera = fault_camera("ok")
    with Watched([camera.url], LIMITS) as watched:
        watched.frames(10, START_S)
        killed_s = time.monotonic()
        camera.kill()
        lost = watched.event("lost", START_S)
        time.sleep(3)
        back_s = camera.start_again()
        fresh = watched.frame(START_S, after_s=back_s)
        recovered = watched.event("recovered", START_S)
    print(
        f"killed: said after {lost.time_s - killed_s:.3f} s (promised {NOTICED_S} s), "
        f"back after {fresh.came_s - back_s:.3f} s (promised {BACK_S} s)"
    )
    assert lost.time_s - killed_s < NOTICED_S
    assert lost.reason == "closed"
    assert fresh.came_s - back_s < BACK_S
    assert recovered.facts["outage_s"] == pytest.approx(fresh.came_s - killed_s, abs=1.0)
    assert [event.kind for event in watched.events][:3] == ["connected", "lost", "reconnecting"]


def test_a_camera_that_reboots_for_longer_comes_back_as_soon(fault_camera: StartCamera) -> None:
    """By then the wait between two attempts has grown beyond what is promised."""
    camera = fault_camera("ok")
    with Watched([camera.url], LIMITS) as watched:
        watched.frames(5, START_S)
        camera.kill()
        watched.wait_for("long wait", lambda: any(e.facts.get("wait_s", 0) > 3 for e in watched.events), 90)
        time.sleep(0.3)
        back_s = camera.start_again()
        fresh = watched.frame(START_S, after_s=back_s)
    print(f"long outage: back after {fresh.came_s - back_s:.3f} s (promised {BACK_S} s)")
    assert fresh.came_s - back_s < BACK_S


def test_a_silent_stall_is_said_and_what_was_held_back_is_not_shown(fault_camera: StartCamera) -> None:
    camera = fault_camera("ok")
    with Watched([camera.url], LIMITS) as watched:
        watched.frames(10, START_S)
        camera.freeze()
        lost = watched.event("lost", START_S)
        silent_s = last_picture_s(watched)
        time.sleep(1)
        camera.thaw()
        thawed_s = time.monotonic()
        fresh = watched.frame(START_S, after_s=thawed_s)
    print(
        f"stall: said after {lost.time_s - silent_s:.3f} s (promised {NOTICED_S} s), "
        f"back after {fresh.came_s - thawed_s:.3f} s"
    )
    assert TIMEOUT_S - 0.1 < lost.time_s - silent_s < NOTICED_S
    assert lost.reason == "timeout"
    assert f"nothing was received for {TIMEOUT_S:g} s" in lost.message
    assert all(seen.age_s < 1.5 for seen in watched.seen)
    assert fresh.came_s - thawed_s < BACK_S


@pytest.mark.slow
def test_a_long_stall_ends_as_soon_as_the_camera_answers(fault_camera: StartCamera) -> None:
    """Its port is open all the while, and the wait between two attempts has grown beyond what is promised."""
    camera = fault_camera("ok")
    with Watched([camera.url], Limits(timeout_s=1, open_timeout_s=2)) as watched:
        watched.frames(5, START_S)
        camera.freeze()
        watched.wait_for("long wait", lambda: any(e.facts.get("wait_s", 0) > 3 for e in watched.events), 90)
        time.sleep(0.6)
        camera.thaw()
        thawed_s = time.monotonic()
        fresh = watched.frame(START_S, after_s=thawed_s)
    print(f"long stall: back after {fresh.came_s - thawed_s:.3f} s (promised {BACK_S} s)")
    assert fresh.came_s - thawed_s < BACK_S


def test_a_short_stall_loses_no_connection_and_ends_with_fresh_pictures(fault_camera: StartCamera) -> None:
    camera = fault_camera("ok")
    with Watched([camera.url], Limits(timeout_s=6)) as watched:
        watched.frames(10, START_S)
        camera.freeze()
        time.sleep(2)
        camera.thaw()
        thawed_s = time.monotonic()
        fresh = watched.frame(START_S, after_s=thawed_s)
    assert [event.kind for event in watched.events] == ["connected"]
    assert fresh.age_s < 1.5


def test_a_camera_that_never_answers_is_given_up_in_time_and_tried_again(fault_camera: StartCamera) -> None:
    camera = fault_camera("deaf")
    with Watched([camera.url], Limits(timeout_s=TIMEOUT_S, open_timeout_s=3)) as watched:
        begun_s = watched.wait_for("go", lambda: watched.source.cameras[0].pid and time.monotonic(), START_S)
        lost = watched.event("lost", START_S)
        camera.kill()
        back_s = camera.start_again("ok")
        fresh = watched.frame(START_S, after_s=back_s)
    print(
        f"deaf: given up after {lost.time_s - begun_s:.3f} s, process start included; "
        f"back after {fresh.came_s - back_s:.3f} s"
    )
    assert lost.reason == "timeout"
    assert lost.message.startswith("not reached: ")
    assert watched.error is None


def test_a_camera_that_is_switched_off_is_waited_for(fault_camera: StartCamera) -> None:
    camera = fault_camera("ok")
    camera.kill()
    with Watched([camera.url], LIMITS) as watched:
        lost = watched.event("lost", START_S)
        back_s = camera.start_again()
        fresh = watched.frame(START_S, after_s=back_s)
    assert (lost.reason, watched.error) == ("refused", None)
    assert fresh.came_s - back_s < BACK_S


def test_a_decoder_that_is_killed_is_replaced_and_the_other_camera_goes_on(fault_camera: StartCamera) -> None:
    cameras = [fault_camera("ok"), fault_camera("ok")]
    with Watched([camera.url for camera in cameras], LIMITS) as watched:
        for source in ("0", "1"):
            watched.frame(START_S, source)
        first = watched.pid(0)
        killed_s = time.monotonic()
        os.kill(first, signal.SIGKILL)
        lost = watched.event("lost", START_S)
        watched.event("recovered", START_S)
        fresh = watched.frame(START_S, after_s=killed_s + 0.5)
        time.sleep(0.5)
    print(f"decoder killed: said after {lost.time_s - killed_s:.3f} s, back after {fresh.came_s - killed_s:.3f} s")
    assert lost.time_s - killed_s < 1
    assert (lost.reason, "SIGKILL" in lost.message) == ("killed", True)
    assert not [event for event in watched.events if event.source == "1" and event.kind != "connected"]
    assert longest_gap_s(watched.seen, "1") < 1
    assert not psutil.pid_exists(first)


def test_a_decoder_that_hangs_is_ended_by_force_and_the_other_camera_goes_on(fault_camera: StartCamera) -> None:
    cameras = [fault_camera("ok"), fault_camera("ok")]
    with Watched([camera.url for camera in cameras], Limits(timeout_s=3)) as watched:
        for source in ("0", "1"):
            watched.frame(START_S, source)
        first = watched.pid(0)
        os.kill(first, signal.SIGSTOP)
        stopped_s = time.monotonic()
        lost = watched.event("lost", START_S)
        watched.event("recovered", START_S)
        time.sleep(0.5)
    print(f"decoder stopped: said after {lost.time_s - stopped_s:.3f} s (promised 4 s)")
    assert lost.time_s - stopped_s < 3 + 1
    assert lost.reason == "hung"
    assert not [event for event in watched.events if event.source == "1" and event.kind != "connected"]
    assert longest_gap_s(watched.seen, "1") < 1
    assert not psutil.pid_exists(first)


@pytest.mark.slow
@pytest.mark.alone
def test_of_two_cameras_the_good_one_keeps_its_rate(fault_camera: StartCamera) -> None:
    good, bad = fault_camera("ok", fps=10), fault_camera("cut", after=0.5)
    watched_s = 12.0
    with Watched([good.url, bad.url], LIMITS, longest_wait_s=0.5) as watched:
        watched.frame(START_S)
        watched.event("lost", START_S, source="1")
        began_s = time.monotonic()
        time.sleep(watched_s)
        numbers = [
            seen.marks.number
            for seen in watched.seen
            if seen.frame.source == "0" and seen.came_s > began_s and seen.marks
        ]
    made = numbers[-1] - numbers[0] + 1
    lost = sum(event.kind == "lost" for event in watched.events)
    print(
        f"two cameras, one bad ({lost} losses): {len(numbers)} of {made} pictures, "
        f"{len(numbers) / watched_s:.2f} a second of 10"
    )
    assert len(numbers) >= 0.95 * made
    assert lost >= 3
    assert not [event for event in watched.events if event.source == "0" and event.kind != "connected"]


def longest_gap_s(seen: list[Seen], source: str) -> float:
    times = [one.came_s for one in seen if one.frame.source == source]
    return max(later - earlier for earlier, later in pairwise(times))
