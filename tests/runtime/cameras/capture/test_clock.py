"""How late a picture is, from the time the stream gives it and the time at which it came."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from edgeseg.runtime.cameras.capture.clock import MAX_LATE_S, CaptureClock

FPS = 25
START_S = 1000.0


def lateness(pictures: Iterable[tuple[float, float | None]], idle: bool = True) -> list[float]:
    """Of (arrival, presentation) pairs; ``idle``: the reader had waited for each of them."""
    clock, last, told = CaptureClock(), None, []
    for arrived_s, presented_s in pictures:
        waited_s = arrived_s - last if last is not None and idle else 0.0
        told.append(clock.lateness_s(arrived_s, presented_s, waited_s))
        last = arrived_s
    return told


def punctual(count: int) -> list[tuple[float, float | None]]:
    return [(START_S + at / FPS, at / FPS) for at in range(count)]


def test_a_punctual_stream_is_never_late() -> None:
    assert max(lateness(punctual(500))) == pytest.approx(0, abs=1e-9)


def test_a_stream_without_times_is_never_late() -> None:
    assert lateness([(START_S, None), (START_S + 9, None)]) == [0, 0]


def test_what_the_network_held_back_is_late_by_as_much() -> None:
    before = punctual(50)
    burst = [(START_S + 4.0, at / FPS) for at in range(50, 101)]  # all come at once, the last in time
    told = lateness([*before, *burst])[50:]
    assert told[0] == pytest.approx(2.0, abs=0.2)
    assert told[-1] == pytest.approx(0.0, abs=0.01)
    assert sum(late > MAX_LATE_S for late in told) == pytest.approx(25, abs=5)


def test_pictures_after_a_hiccup_are_punctual_again() -> None:
    burst = [(START_S + 4.0, at / FPS) for at in range(50, 101)]
    after = [(START_S + at / FPS, at / FPS) for at in range(101, 150)]
    assert max(lateness([*punctual(50), *burst, *after])[101:]) < 0.05


def test_a_growing_backlog_becomes_stale() -> None:
    """A decoder that does 20 of 25 pictures a second and never has to wait for data."""
    told = lateness([(START_S + at / 20, at / FPS) for at in range(500)], idle=False)
    assert told == sorted(told)
    assert told[-1] > MAX_LATE_S


@pytest.mark.parametrize("drift", [-0.03, -0.002, 0.002, 0.03])
def test_a_camera_whose_clock_runs_fast_or_slow_is_not_late(drift: float) -> None:
    told = lateness([(START_S + at / FPS, at / FPS * (1 + drift)) for at in range(FPS * 600)])
    assert max(told) < 0.1


def test_a_camera_that_counts_25_pictures_and_sends_15_is_not_late() -> None:
    assert max(lateness([(START_S + at / 15, at / 25) for at in range(900)])) < 0.1


def test_jitter_of_the_network_is_told_and_forgotten() -> None:
    jitter = itertools.cycle([0.0, 0.03, 0.08, 0.01])
    told = lateness([(START_S + at / FPS + next(jitter), at / FPS) for at in range(1000)])
    assert max(told) < 0.15


@pytest.mark.parametrize("jump_s", [-3600.0, -5.0, 5.0, 3600.0])
def test_a_jump_in_the_streams_time_makes_no_picture_late_for_long(jump_s: float) -> None:
    jumped = [(START_S + at / FPS, at / FPS + jump_s) for at in range(100, 200)]
    assert max(lateness([*punctual(100), *jumped])[100:]) < MAX_LATE_S


def test_the_wrap_of_rtp_time_makes_no_picture_late() -> None:
    period_s = 2**32 / 90_000
    told = lateness([(START_S + at / FPS, (period_s - 2 + at / FPS) % period_s) for at in range(200)])
    assert max(told) < MAX_LATE_S
