"""The bounded place between threads: order, newest wins, lanes, freshness."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from edgeseg.runtime.frames.handoff import Handoff, HandoffCounts

WAIT_S = 30


@contextmanager
def in_a_thread(work: Callable[[], object]) -> Iterator[threading.Thread]:
    """Run beside the block; it must have ended soon after."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield thread
    thread.join(WAIT_S)
    assert not thread.is_alive()


def rest(place: Handoff[str]) -> list[str]:
    place.close()
    found = []
    while (taken := place.take()) is not None:
        found.append(taken[1])
    return found


def test_items_come_out_in_order_and_numbered() -> None:
    place: Handoff[str] = Handoff(3)
    for item in "abc":
        assert place.put(item)
    assert [place.take(), place.take(), place.take()] == [(0, "a"), (1, "b"), (2, "c")]


def test_a_giver_waits_for_room() -> None:
    place: Handoff[str] = Handoff(1)
    place.put("a")
    with in_a_thread(lambda: place.put("b")) as giver:
        giver.join(0.2)
        assert giver.is_alive()
        assert place.take() == (0, "a")
    assert place.take() == (1, "b")
    assert place.dropped == 0


def test_the_newest_wins_and_what_it_replaces_is_counted() -> None:
    place: Handoff[str] = Handoff(1, newest_wins=True)
    for item in "abcd":
        assert place.put(item)
    assert (rest(place), place.dropped) == (["d"], 3)


def test_of_a_larger_place_the_oldest_goes_and_order_is_kept() -> None:
    place: Handoff[str] = Handoff(3, newest_wins=True)
    for item in "abcdef":
        place.put(item)
    assert (rest(place), place.dropped) == (["d", "e", "f"], 3)


def test_a_fast_camera_does_not_push_out_a_slow_one() -> None:
    place: Handoff[str] = Handoff(1, newest_wins=True, lane=lambda item: item[0])
    for item in ("a1", "b1", "a2", "a3", "a4"):
        place.put(item)
    assert (rest(place), place.dropped) == (["a4", "b1"], 3)


def test_cameras_are_served_in_turn() -> None:
    place: Handoff[str] = Handoff(1, newest_wins=True, lane=lambda item: item[0])
    served = []
    for at in range(4):
        for camera in "abc":
            place.put(f"{camera}{at}")
        taken = place.take()
        assert taken is not None
        served.append(taken[1][0])
    assert served == ["a", "b", "c", "a"]


def test_what_is_no_longer_fresh_is_not_given_out() -> None:
    old: set[str] = set()
    place: Handoff[str] = Handoff(2, newest_wins=True, fresh=lambda item: item not in old)
    place.put("a")
    place.put("b")
    old.add("a")
    assert place.take() == (0, "b")
    assert (place.stale, place.dropped) == (1, 0)


def test_one_who_waits_is_not_given_a_stale_item() -> None:
    place: Handoff[str] = Handoff(1, newest_wins=True, fresh=lambda item: item != "old")
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(place.take)
        place.put("old")
        place.put("new")
        assert taken.result(WAIT_S) == (0, "new")
    assert place.stale + place.dropped == 1


def test_the_limit_ends_it_for_both_sides() -> None:
    place: Handoff[str] = Handoff(5, limit=2)
    for item in "abcd":
        place.put(item)
    assert [place.take(), place.take(), place.take()] == [(0, "a"), (1, "b"), None]
    assert not place.put("e")


def test_closing_gives_out_what_is_inside_and_takes_no_more() -> None:
    place: Handoff[str] = Handoff(2)
    place.put("a")
    place.close()
    assert not place.put("b")
    assert (place.take(), place.take()) == ((0, "a"), None)


def test_aborting_lets_everybody_go() -> None:
    full, empty = Handoff[str](1), Handoff[str](1)
    full.put("a")
    with ThreadPoolExecutor(2) as pool:
        giving, taking = pool.submit(full.put, "b"), pool.submit(empty.take)
        full.abort()
        empty.abort()
        assert (giving.result(WAIT_S), taking.result(WAIT_S)) == (False, None)
    assert full.take() is None


def test_nothing_is_lost_or_doubled_between_many_threads() -> None:
    place: Handoff[int] = Handoff(4)
    with ThreadPoolExecutor(8) as pool:
        takers = [pool.submit(lambda: [taken[1] for taken in iter(place.take, None)]) for _ in range(4)]
        givers = [
            pool.submit(lambda start=start: [place.put(start + at) for at in range(250)]) for start in (0, 250, 500)
        ]
        for giver in givers:
            assert all(giver.result(WAIT_S))
        place.close()
        got = [item for taker in takers for item in taker.result(WAIT_S)]
    assert sorted(got) == list(range(750))


def test_what_was_lost_on_the_way_counts_once() -> None:
    place: Handoff[str] = Handoff(1, newest_wins=True)
    place.lose(dropped=2, stale=1)
    place.put("a")
    place.put("b")
    assert place.counts == HandoffCounts(received=5, dropped=3, stale=1)
    assert place.take() == (0, "b")
    place.close()
    place.lose(dropped=9)
    assert place.counts == HandoffCounts(received=5, dropped=3, stale=1)


def test_what_waits_at_the_end_is_dropped_where_the_newest_wins() -> None:
    live, file = Handoff[str](2, newest_wins=True), Handoff[str](2)
    for place in (live, file):
        place.put("a")
        place.put("b")
        place.abort()
    assert live.counts == HandoffCounts(received=2, dropped=2)
    assert file.counts == HandoffCounts(received=2)
