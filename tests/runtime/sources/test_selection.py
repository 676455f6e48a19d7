"""Which frames are used, and which part of them, by ``--every --max-fps --rotate --roi``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import SourceError, UserError
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.sources.selected import SelectedSource
from edgeseg.runtime.sources.selection import Region, Selection
from edgeseg.runtime.sources.source import open_source


class Given:
    """A source of given frames."""

    skipped = 0
    names: Sequence[str] = ("cam",)
    ended_early = False

    def __init__(
        self, frames: Sequence[Frame], fps: float | None, size: tuple[int, int] | None, total: int | None, live: bool
    ) -> None:
        self.frames, self.fps, self.size, self.total, self.live = frames, fps, size, total, live
        self.entered = self.left = self.stopped = False

    def __enter__(self) -> Given:
        self.entered = True
        return self

    def __exit__(self, *_: object) -> None:
        self.left = True

    def stop(self) -> None:
        self.stopped = True

    def __iter__(self) -> Iterator[Frame]:
        yield from self.frames


def picture(height: int = 20, width: int = 30) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, y + x], 2).astype(np.uint8)


def recording(count: int = 40, fps: float = 20.0) -> Given:
    frames = [Frame(picture(), at, time.monotonic(), "clip", media_s=at / fps) for at in range(count)]
    return Given(frames, fps, (20, 30), count, live=False)


def camera(times_s: Sequence[float], indices: Sequence[int] | None = None) -> Given:
    frames = [Frame(picture(), at, t, "cam") for at, t in zip(indices or range(len(times_s)), times_s, strict=True)]
    return Given(frames, None, None, None, live=True)


def used(source: Given, **wanted: object) -> list[int]:
    selection = Selection(**wanted)  # type: ignore[arg-type]
    selection.check()
    return [frame.index for frame in SelectedSource(source, selection)]


@pytest.mark.parametrize("every", [1, 2, 3, 7, 39, 40, 1000])
def test_every_takes_one_frame_of_so_many_from_the_first(every: int) -> None:
    source = recording()
    taken = used(source, every=every)
    assert taken == list(range(0, 40, every))
    assert SelectedSource(source, Selection(every=every)).total == len(taken)


def test_every_counts_pictures_that_were_dropped_before() -> None:
    """A camera read slowly is not made slower still."""
    source = camera([0.0, 0.3, 0.7, 0.8, 1.2], [0, 3, 7, 8, 12])
    assert used(source, every=4) == [0, 7, 8, 12]


@pytest.mark.parametrize(("max_fps", "count"), [(20, 40), (30, 40), (10, 20), (5, 10), (7, 14), (1, 2), (0.4, 1)])
def test_max_fps_holds_in_the_time_of_the_recording(max_fps: float, count: int) -> None:
    source = recording()
    taken = used(source, max_fps=max_fps)
    assert len(taken) == count
    total = SelectedSource(source, Selection(max_fps=max_fps)).total
    assert total is not None
    assert abs(total - count) <= 1
    gaps_s = np.diff(taken) / 20
    assert not len(gaps_s) or gaps_s.min() >= 1 / max_fps - 1 / 20 - 1e-9


def test_max_fps_holds_over_time_for_a_camera_that_jitters() -> None:
    rng = np.random.default_rng(1)
    times_s = (np.arange(3000) / 30 + rng.uniform(-0.01, 0.01, 3000)).tolist()
    assert len(used(camera(times_s), max_fps=10)) == pytest.approx(1000, rel=0.02)


def test_max_fps_does_not_make_up_for_a_pause() -> None:
    times_s = [0.0, 0.1, *(10 + at / 30 for at in range(30))]
    assert len(used(camera(times_s), max_fps=10)) <= 2 + 11


def test_cameras_are_chosen_from_each_on_its_own() -> None:
    frames = [Frame(picture(), at, at / 10, name) for at in range(10) for name in ("a", "b")]
    source = Given(frames, None, None, None, live=True)
    chosen = [(frame.source, frame.index) for frame in SelectedSource(source, Selection(every=5, max_fps=100))]
    assert chosen == [("a", 0), ("b", 0), ("a", 5), ("b", 5)]


def test_both_limits_hold_together() -> None:
    assert used(recording(), every=4, max_fps=4) == [0, 5, 10, 15, 20, 25, 30, 35]


@pytest.mark.parametrize(("degrees", "turns"), [(0, 0), (90, -1), (180, 2), (270, 1)])
def test_pictures_are_turned_clockwise(degrees: int, turns: int) -> None:
    source = recording(1)
    selected = SelectedSource(source, Selection(rotate=degrees))
    image = next(iter(selected)).image
    assert np.array_equal(image, np.rot90(picture(), turns))
    assert selected.size == image.shape[:2]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_region_is_cut_from_the_turned_picture(degrees: int) -> None:
    selected = SelectedSource(recording(1), Selection(rotate=degrees, region=Region(3, 2, 15, 12)))
    turned = next(iter(SelectedSource(recording(1), Selection(rotate=degrees)))).image
    image = next(iter(selected)).image
    assert np.array_equal(image, turned[2:14, 3:18])
    assert selected.size == (12, 15)


def test_the_whole_picture_is_a_region() -> None:
    image = next(iter(SelectedSource(recording(1), Selection(region=Region(0, 0, 30, 20))))).image
    assert np.array_equal(image, picture())


@pytest.mark.parametrize("region", [Region(20, 0, 11, 5), Region(0, 16, 5, 5), Region(30, 0, 1, 1)])
def test_a_region_beyond_the_picture_is_an_error_that_says_both(region: Region) -> None:
    with pytest.raises(SourceError, match=r"`roi=.*` reaches beyond the picture: clip gives 30x20 pixels"):
        list(SelectedSource(recording(1), Selection(region=region)))


def test_a_region_is_four_numbers() -> None:
    assert Region.parse("100, 0, 640,480") == Region(100, 0, 640, 480)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "-1,0,5,5", "0,0,0,5", "0,0,5,00", "1.5,0,5,5"])
def test_what_is_no_region_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="A region is X,Y,WIDTH,HEIGHT"):
        Region.parse(text)


@pytest.mark.parametrize(
    "wanted",
    [
        {"every": 0},
        {"every": -1},
        {"max_fps": 0.0},
        {"max_fps": -3.0},
        {"max_fps": float("inf")},
        {"max_fps": float("nan")},
    ],
)
def test_a_selection_of_nothing_is_refused(wanted: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"`(every|max_fps)` must be"):
        Selection(**wanted).check()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("selection", "fps"),
    [
        (Selection(), 20),
        (Selection(every=4), 5),
        (Selection(max_fps=8), 8),
        (Selection(max_fps=50), 20),
        (Selection(4, 8), 5),
    ],
)
def test_the_rate_is_what_remains(selection: Selection, fps: float) -> None:
    assert SelectedSource(recording(), selection).fps == fps


def test_of_a_camera_whose_rate_is_unknown_the_limit_is_the_rate() -> None:
    assert SelectedSource(camera([0.0]), Selection(max_fps=5)).fps == 5
    assert SelectedSource(camera([0.0]), Selection(every=2)).fps is None
    assert SelectedSource(camera([0.0]), Selection(every=2)).total is None


def test_times_and_names_stay_and_the_source_is_opened_and_closed() -> None:
    source = recording(4)
    with SelectedSource(source, Selection(every=3)) as selected:
        frames = list(selected)
        selected.stop()
    assert [(frame.index, frame.media_s, frame.source) for frame in frames] == [(0, 0, "clip"), (3, 0.15, "clip")]
    assert (source.entered, source.left, source.stopped) == (True, True, True)


def test_a_real_clip_is_selected_from(clip: Path) -> None:
    with SelectedSource(open_source(str(clip)), Selection(every=10, rotate=90)) as source:
        frames = list(source)
        expected = (source.total, source.size, source.fps)
    assert [frame.index for frame in frames] == [0, 10, 20, 30]
    assert expected == (4, (64, 48), 2.0)
    assert {frame.image.shape for frame in frames} == {(64, 48, 3)}


class TestPicturesSmallerThanTheRegion:
    """They are refused one by one where something else goes on."""

    def write_pictures(self, folder: Path, *sizes: tuple[int, int]) -> Path:
        for number, (height, width) in enumerate(sizes):
            cv2.imwrite(str(folder / f"{number}.png"), picture(height, width))
        return folder

    def select(self, folder: Path, events: list[Event]) -> SelectedSource:
        return SelectedSource(open_source(str(folder)), Selection(region=Region(0, 0, 16, 16)), events.append)

    def test_the_others_of_a_folder_are_used(self, tmp_path: Path) -> None:
        events: list[Event] = []
        source = self.select(self.write_pictures(tmp_path, (16, 16), (1, 1), (16, 15), (40, 40)), events)
        assert [frame.name for frame in source] == ["0.png", "3.png"]
        assert source.skipped == 2
        assert [(event.kind, event.source, event.reason) for event in events] == [
            ("refused", "1.png", "region"),
            ("refused", "2.png", "region"),
        ]

    def test_a_folder_in_which_none_fits_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"2.png gives 15x16 pixels"):
            list(self.select(self.write_pictures(tmp_path, (1, 1), (2, 2), (16, 15)), []))

    def test_the_only_camera_must_fit_at_first_and_may_shrink_later(self) -> None:
        events: list[Event] = []
        small, large = picture(4, 4), picture()
        source = camera([0.0])
        source.frames = [Frame(image, at, 0.0, "cam") for at, image in enumerate((large, small, small, large))]
        selected = SelectedSource(source, Selection(region=Region(0, 0, 16, 16)), events.append)
        assert [frame.index for frame in selected] == [0, 3]
        assert (selected.skipped, len(events)) == (2, 1)
        source.frames = source.frames[1:]
        with pytest.raises(SourceError, match="cam gives 4x4 pixels"):
            list(SelectedSource(source, Selection(region=Region(0, 0, 16, 16)), events.append))
