"""What each view shows, pixel by pixel, of a frame whose right half is class 1."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.draw import color_table, colorize, overlay
from edgeseg.errors import DataError, UserError
from edgeseg.image import UInt8, resize_mask
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.painter import Painter
from edgeseg.runtime.sinks.settings import OutputSettings
from edgeseg.runtime.sinks.views.settings import ViewSettings
from edgeseg.runtime.sinks.views.view import View
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("background", "person", "dog"), 48, 64)
HEIGHT, WIDTH = 240, 320


def noisy_frame(source: str = "test") -> Frame:
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return Frame(image, 0, 0.0, source)


def halves(label: int = 1, spec: ModelSpec = SPEC) -> Prediction:
    labels = np.zeros((spec.height, spec.width), np.uint8)
    labels[:, spec.width // 2 :] = label
    return Prediction(labels)


def draw(view: str, *classes: str, **more: object) -> tuple[UInt8, UInt8]:
    frame = noisy_frame()
    return frame.image, View(ViewSettings(view, classes, **more), SPEC).draw(frame, halves())  # type: ignore[arg-type]


def test_an_overlay_is_what_plain_arithmetic_gives() -> None:
    labels = np.random.default_rng(1).integers(0, 3, (33, 57), dtype=np.uint8)
    image, table = noisy_frame().image, color_table(SPEC, hide=0)
    full = resize_mask(labels, HEIGHT, WIDTH)
    color = colorize(full, table)
    expected = np.where(full[..., None] == 0, image, cv2.addWeighted(image, 0.7, color, 0.3, 0))
    assert np.array_equal(overlay(image, labels, table, 0.3), expected)
    assert np.array_equal(overlay(image, full, table, 0.3), expected)


def test_a_picture_that_is_held_is_never_drawn_over() -> None:
    painter, frame = Painter(SPEC), noisy_frame()
    held = painter.paint(frame, halves(1))
    part, before = held[10:20], held[10:20].copy()
    del held
    for label in (2, 1, 2, 2, 1):
        painter.paint(frame, halves(label))
    assert np.array_equal(part, before)


def test_mask_side_by_side_and_opacity() -> None:
    image, mask = draw("mask")
    assert not mask[:, :158].any()
    assert (mask[:, 162:] == SPEC.palette[1][::-1]).all()
    _, both = draw("side-by-side", opacity=1.0)
    assert both.shape == (HEIGHT, 2 * WIDTH, 3)
    assert np.array_equal(both[:, :WIDTH], image)
    assert (both[:, WIDTH + 162 :] == SPEC.palette[1][::-1]).all()


def test_an_outline_is_only_at_the_border() -> None:
    image, drawn = draw("outline")
    columns = np.flatnonzero((image != drawn).any((0, 2)))
    assert 158 <= columns.min() <= columns.max() <= 164
    assert (drawn[:, columns[0]] == SPEC.palette[1][::-1]).all()


def test_blur_and_replace_keep_the_class_as_it_is(tmp_path: Path) -> None:
    image, blurred = draw("blur", "person")
    assert np.array_equal(image[:, 164:], blurred[:, 164:])
    assert blurred[:, :150].std() < image[:, :150].std() / 5
    _, replaced = draw("replace", background="#0000ff")
    assert (replaced[:, :156] == (255, 0, 0)).all()
    assert np.array_equal(image[:, 164:], replaced[:, 164:])
    picture = tmp_path / "wall.png"
    cv2.imwrite(str(picture), np.full((10, 10, 3), 77, np.uint8))
    assert (draw("replace", background=str(picture))[1][:, :156] == 77).all()


def test_privacy_hides_the_class_and_a_margin() -> None:
    image, drawn = draw("privacy", "person")
    assert np.array_equal(image[:, :140], drawn[:, :140])
    hidden = drawn[:, 160:]
    squares = hidden.reshape(12, HEIGHT // 12, 8, -1, 3)
    assert (squares == squares[:, :1, :, :1]).all()
    assert not np.array_equal(image[:, 157], drawn[:, 157])


def test_privacy_of_a_class_that_is_not_there_changes_nothing() -> None:
    image, drawn = draw("privacy", "dog")
    assert np.array_equal(image, drawn)


def test_heat_remembers_each_camera_apart() -> None:
    view = View(ViewSettings("heat", ("person",), opacity=1.0), SPEC)
    view.draw(noisy_frame("a"), halves(1))
    frame = noisy_frame("a")
    for _ in range(3):
        drawn = view.draw(frame, halves(2))
    assert np.array_equal(drawn[:, :150], frame.image[:, :150])
    assert not np.array_equal(drawn[:, 170:], frame.image[:, 170:])
    other = noisy_frame("b")
    assert np.array_equal(view.draw(other, halves(2)), other.image)


def test_a_letterbox_is_cut_off_and_several_classes_a_pixel_are_known() -> None:
    spec = ModelSpec("multilabel", ("person", "hat"), 64, 64, resize="letterbox")
    labels = np.full((64, 64), 3, np.uint8)
    labels[8:56] = 0
    frame = noisy_frame()
    for view in ("overlay", "privacy", "heat", "outline"):
        assert np.array_equal(View(ViewSettings(view), spec).draw(frame, Prediction(labels)), frame.image)


def test_only_colours_have_a_legend() -> None:
    frame = noisy_frame()
    large = Frame(cv2.resize(frame.image, (960, 720)), 0, 0.0, "test")
    for view, has in (("overlay", True), ("mask", True), ("privacy", False), ("heat", False)):
        settings = ViewSettings(view)
        plain = Painter(SPEC, False, view=settings).paint(large, halves())
        assert np.array_equal(plain, Painter(SPEC, True, view=settings).paint(large, halves())) != has


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"view": "outlines"}, "Did you mean outline"),
        ({"view": "outline", "view_classes": ("person",)}, "`view_classes` belongs to `view` blur or"),
        ({"view": "blur", "background": "#00ff00"}, "`background` belongs to `view` replace"),
        ({"view": "privacy", "opacity": 0.1}, "`opacity` belongs to"),
        ({"view": "replace", "background": "no.png"}, "a colour as #00b140, or a picture; found 'no.png'"),
        ({"opacity": 2}, "opacity"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        ViewSettings(**given)  # type: ignore[arg-type]


def test_classes_and_backgrounds_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Did you mean person"):
        View(ViewSettings("blur", ("persons",)), SPEC)
    with pytest.raises(UserError, match="no background, so `view` blur needs `view_classes`"):
        View(ViewSettings("blur"), ModelSpec("multiclass", ("sky", "road"), 64, 64))
    (tmp_path / "wall.png").write_text("no picture")
    with pytest.raises(DataError):
        View(ViewSettings("replace", background=str(tmp_path / "wall.png")), SPEC)


def test_a_view_needs_something_that_is_drawn_and_privacy_keeps_no_frames(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`view` needs something to apply to"):
        OutputSettings(view=ViewSettings("mask")).check_meant(records=False)
    both = OutputSettings(
        save=tmp_path / "a.mp4", save_masks=tmp_path, save_frames=tmp_path, view=ViewSettings("privacy")
    )
    with pytest.raises(UserError, match="keeps frames as they are"):
        both.check_meant(records=True)
