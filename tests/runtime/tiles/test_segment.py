"""What comes of tiles is what the whole picture in one inference gives, to the pixel."""

from __future__ import annotations

import numpy as np
import pytest
from tiles_nets import MakeNet, make_scene

import edgeseg
from edgeseg.errors import DataError, EngineError, UserError
from edgeseg.image import UInt8
from edgeseg.runtime.engines.engine import EngineOptions, open_engine
from edgeseg.runtime.engines.predictor import open_predictor
from edgeseg.runtime.tiles.grid import make_grid
from edgeseg.runtime.tiles.picture import LoadedPicture, MirroredRows, Rows, mirror
from edgeseg.runtime.tiles.predictor import TiledPredictor, open_tiled_predictor
from edgeseg.runtime.tiles.sight import Sight
from edgeseg.runtime.tiles.tiling import EDGES, Tiling, plan_tiles

TILE = (96, 128)


def whole_labels(make_net: MakeNet, image: UInt8) -> UInt8:
    with open_predictor(make_net(image.shape[0], image.shape[1])) as predict:
        return predict(image)


@pytest.mark.parametrize("size", [(300, 380), (301, 379), (96, 128), (100, 500)])
def test_tiles_equal_one_inference_of_the_whole_picture(make_net: MakeNet, size: tuple[int, int]) -> None:
    image = make_scene(*size)
    expected = whole_labels(make_net, image)
    with open_tiled_predictor(make_net(*TILE), Tiling()) as predict:
        assert predict.plan.is_exact
        found = predict(image)
    assert len(np.unique(expected)) == 3
    is_aligned = all((side - tile) % 4 == 0 for side, tile in zip(size, TILE, strict=True))
    if is_aligned:
        np.testing.assert_array_equal(found, expected)
    inside = np.s_[: size[0] - 24, : size[1] - 24]
    np.testing.assert_array_equal(found[inside], expected[inside])


def test_mirrored_edges_equal_one_inference_of_the_mirrored_picture(make_net: MakeNet, scene: UInt8) -> None:
    margin = 24
    padded = np.pad(scene, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    expected = whole_labels(make_net, padded)[margin:-margin, margin:-margin]
    with open_tiled_predictor(make_net(*TILE), Tiling(2 * margin, "mirror")) as predict:
        np.testing.assert_array_equal(predict(scene), expected)


def test_too_small_an_overlap_shows(make_net: MakeNet, scene: UInt8) -> None:
    expected = whole_labels(make_net, scene)
    with open_tiled_predictor(make_net(*TILE), Tiling(0)) as predict:
        assert (predict(scene) != expected).any()
        assert not predict.plan.is_exact


def test_a_picture_smaller_than_a_tile_is_mirrored(make_net: MakeNet) -> None:
    image = make_scene(40, 60)
    rows, columns = (mirror(np.arange(tile), size) for tile, size in zip(TILE, (40, 60), strict=True))
    expected = whole_labels(make_net, image[rows][:, columns])[:40, :60]
    with open_tiled_predictor(make_net(*TILE), Tiling()) as predict:
        np.testing.assert_array_equal(predict(image), expected)


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("slots", [1, 3])
def test_any_number_of_slots_gives_the_same(make_net: MakeNet, scene: UInt8, edges: str, slots: int) -> None:
    with open_tiled_predictor(make_net(*TILE), Tiling(edges=edges)) as predict:
        expected = predict(scene)
    with open_tiled_predictor(make_net(*TILE), Tiling(edges=edges), options=EngineOptions(slots=slots)) as predict:
        np.testing.assert_array_equal(predict(scene), expected)


def test_the_sight_of_a_local_network_is_measured(make_net: MakeNet) -> None:
    with TiledPredictor(open_engine(make_net(*TILE)), Tiling()) as predict:
        sight = predict.plan.sight
    assert sight.is_measured
    assert sight.stride == 4
    assert sight.reach is not None
    assert 8 <= sight.reach <= 20


def test_a_network_that_sees_everything_is_found_out(make_net: MakeNet, scene: UInt8) -> None:
    artifact = make_net(*TILE, is_global=True, outputs=("labels", "confidence"))
    with open_tiled_predictor(artifact, Tiling()) as predict:
        assert predict.plan.sight.reach is None
        assert not predict.plan.is_exact
        found = predict.examine(scene)
    assert found.confidence is not None
    assert found.labels.shape == found.confidence.shape == scene.shape[:2]


def test_seams_are_counted_where_tiles_meet() -> None:
    from edgeseg.runtime.tiles.seams import SeamCount

    plan = plan_tiles(Tiling(), Sight(0, 1), (10, 10), "net")
    grid = make_grid(20, 10, plan)
    labels = np.zeros((20, 10), np.uint8)
    labels[10:, :5] = 1
    count = SeamCount()
    count.count(labels, grid)
    assert (count.pairs, count.changes, count.other_changes) == (10, 5, 0)
    assert count.rate == 0.5
    assert "50.00 %" in str(count)


def test_rows_are_read_once_and_mirrored_beyond_the_edges() -> None:
    image = make_scene(24, 12)
    reads: list[tuple[int, int]] = []

    class Watched(LoadedPicture):
        def read(self, top: int, bottom: int) -> Rows:
            reads.append((top, bottom))
            return super().read(top, bottom)

    rows = MirroredRows(Watched(image))
    padded = np.pad(image, ((4, 8), (0, 0), (0, 0)), mode="reflect")
    for top in (-4, 4, 12, 20):
        np.testing.assert_array_equal(rows.take(top, 12).image, padded[top + 4 : top + 16])
    assert reads == [(0, 8), (8, 16), (16, 24)]


def test_a_program_cuts_a_picture_with_a_word(make_net: MakeNet, scene: UInt8) -> None:
    expected = whole_labels(make_net, scene)
    with edgeseg.load(make_net(*TILE)) as model:
        assert model.plan_tiles().is_exact
        result = model(scene, tile=True)
        np.testing.assert_array_equal(result.labels, expected)
        assert sum(area.pixels for area in result.areas().values()) == scene.shape[0] * scene.shape[1]
        several = list(model.predict([scene, scene], tile=48))
        assert [each.labels.tolist() == expected.tolist() for each in several] == [True, True]
        np.testing.assert_array_equal(model(scene[..., ::-1], rgb=True, tile=True).labels, expected)
        assert (model(scene).labels != expected).mean() > 0.01
        with pytest.raises(UserError, match="`tile` is True"):
            model(scene, tile="much")  # type: ignore[arg-type]
        with pytest.raises(DataError):
            model(scene[..., 0], tile=True)
    with pytest.raises(EngineError):
        model(scene, tile=True)


def test_confidence_of_tiles_is_at_the_picture_s_size(make_net: MakeNet, scene: UInt8) -> None:
    outputs = ("labels", "confidence")
    with edgeseg.load(make_net(*TILE, outputs=outputs)) as model:
        found = model(scene, tile=True).confidence
    with edgeseg.load(make_net(300, 380, outputs=outputs)) as model:
        expected = model(scene).confidence
    assert found is not None
    assert expected is not None
    assert int(np.abs(found.astype(int) - expected).max()) <= 1
