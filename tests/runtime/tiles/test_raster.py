"""TIFF pictures of every kind by rows, and masks with coordinates."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tiles_nets import MakeNet, make_scene

import edgeseg
from edgeseg.cli import main
from edgeseg.errors import DataError, OutputError
from edgeseg.image import UInt8, read_image
from edgeseg.runtime.tiles.raster import RasterPicture

rasterio = pytest.importorskip("rasterio", reason="the extra `geo` is not installed")
from rasterio import Affine  # noqa: E402
from rasterio.crs import CRS  # noqa: E402
from rasterio.enums import ColorInterp  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
TILE = (96, 128)
PLACE = {"crs": CRS.from_epsg(25832), "transform": Affine(0.2, 0, 500000, 0, -0.2, 5800000)}


def write(path: Path, planes: Any, **profile: Any) -> Path:
    """Write (channels, height, width) with rasterio."""
    colours = profile.pop("colorinterp", None)
    colormap = profile.pop("colormap", None)
    count, height, width = planes.shape
    shape = {"count": count, "height": height, "width": width, "dtype": planes.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", **shape, **profile) as out:
        if colours:
            out.colorinterp = colours
        if colormap:
            out.write_colormap(1, colormap)
        out.write(planes)
    return path


def planes_of(image: UInt8) -> UInt8:
    """RGB planes of a BGR picture."""
    return np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))


def read_all(path: Path) -> UInt8:
    with closing(RasterPicture(path)) as picture:
        return np.concatenate([picture.read(top, min(top + 70, 300)).image for top in range(0, 300, 70)])


KINDS: dict[str, dict[str, Any]] = {
    "striped": {},
    "tiled": {"tiled": True, "blockxsize": 64, "blockysize": 64},
    "lzw": {"compress": "lzw", "predictor": 2},
    "deflate": {"compress": "deflate", "tiled": True, "blockxsize": 128, "blockysize": 128},
    "bigtiff": {"BIGTIFF": "YES"},
    "planar": {"interleave": "band"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_that_reading_it_whole_gives(kind: str, scene: UInt8, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", planes_of(scene), photometric="rgb", **KINDS[kind])
    np.testing.assert_array_equal(read_all(path), scene)
    np.testing.assert_array_equal(read_all(path), read_image(path))


def test_grey_16_bit_alpha_palette_and_jpeg_are_read_as_whole_pictures_are(scene: UInt8, tmp_path: Path) -> None:
    rgb = planes_of(scene)
    deep = rgb.astype(np.uint16) * 251 + 7
    alpha = np.concatenate([rgb, np.full((1, 300, 380), 255, np.uint8)])
    kinds = [*(ColorInterp.red, ColorInterp.green, ColorInterp.blue), ColorInterp.alpha]
    colormap = {index: (index, 255 - index, index // 2, 255) for index in range(256)}
    jpeg = {"compress": "jpeg", "photometric": "ycbcr", "tiled": True, "blockxsize": 64, "blockysize": 64}
    made = [
        write(tmp_path / "grey.tif", rgb[:1]),
        write(tmp_path / "deep.tif", deep, photometric="rgb"),
        write(tmp_path / "deep-grey.tif", deep[:1]),
        write(tmp_path / "alpha.tif", alpha, photometric="rgb", colorinterp=kinds),
        write(tmp_path / "palette.tif", rgb[:1], photometric="palette", colormap=colormap),
        write(tmp_path / "white-is-zero.tif", rgb[:1], photometric="miniswhite"),
        write(tmp_path / "bits.tif", rgb[:1] // 128, nbits=1),
    ]
    for path in made:
        np.testing.assert_array_equal(read_all(path), read_image(path), err_msg=path.name)
    lossy = write(tmp_path / "jpeg.tif", rgb, **jpeg)
    # Decoders differ in how they enlarge the colour planes.
    lost, lost_whole = (
        float(np.abs(found.astype(int) - scene).mean()) for found in (read_all(lossy), read_image(lossy))
    )
    assert abs(lost - lost_whole) < 1


def run_masks(artifact: Path, source: Path, *words: str) -> Path:
    masks = source.parent / "masks"
    assert main(["run", str(artifact), "--source", str(source), "--tile", "--save-masks", str(masks), *words]) == 0
    return masks


def test_masks_keep_coordinates_and_equal_one_inference_of_the_whole(
    make_net: MakeNet, scene: UInt8, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "ortho.tif", planes_of(scene), photometric="rgb", **KINDS["deflate"], **PLACE)
    masks = run_masks(make_net(*TILE).path, source, "--save", str(tmp_path / "drawn"))
    with edgeseg.load(make_net(300, 380)) as model:
        expected = model(scene).labels
    with rasterio.open(masks / "ortho.tif") as file:
        np.testing.assert_array_equal(file.read(1), expected)
        assert (file.crs, file.transform) == (PLACE["crs"], PLACE["transform"])
        assert (file.profile["tiled"], file.nodata, file.compression.name) == (True, 255, "deflate")
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.colormap(1)[255][:3] == (224, 224, 192)
    with rasterio.open(tmp_path / "drawn" / "ortho-overlay.tif") as file:
        assert (file.crs, file.count, file.shape) == (PLACE["crs"], 3, (300, 380))
    assert "ortho" in str(sorted(masks.iterdir()))
    assert "written: " in capsys.readouterr().out


def test_a_picture_without_coordinates_has_a_mask_without(make_net: MakeNet, scene: UInt8, tmp_path: Path) -> None:
    source = write(tmp_path / "plain.tif", planes_of(scene), photometric="rgb")
    with rasterio.open(run_masks(make_net(*TILE).path, source) / "plain.tif") as file:
        assert file.crs is None
        assert file.transform.is_identity


def test_a_coordinate_system_that_nobody_knows_is_kept_as_it_is(
    make_net: MakeNet, scene: UInt8, tmp_path: Path
) -> None:
    local = CRS.from_wkt('LOCAL_CS["site grid",UNIT["metre",1]]')
    source = write(tmp_path / "a.tif", planes_of(scene), photometric="rgb", crs=local, transform=PLACE["transform"])
    with rasterio.open(run_masks(make_net(*TILE).path, source) / "a.tif") as file, rasterio.open(source) as given:
        assert (file.crs, file.transform) == (given.crs, PLACE["transform"])


@pytest.mark.parametrize("how", ["nodata", "alpha"])
def test_areas_without_data_are_void_and_their_tiles_are_not_inferred(
    make_net: MakeNet, scene: UInt8, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    planes = np.maximum(planes_of(scene), 1)
    empty = np.zeros((300, 380), bool)
    empty[:, 200:] = empty[:50] = True
    if how == "nodata":
        planes[:, empty] = 0
        source = write(tmp_path / "a.tif", planes, photometric="rgb", nodata=0)
    else:
        alpha = np.where(empty, 0, 255).astype(np.uint8)[np.newaxis]
        kinds = [*(ColorInterp.red, ColorInterp.green, ColorInterp.blue), ColorInterp.alpha]
        source = write(tmp_path / "a.tif", np.concatenate([planes, alpha]), photometric="rgb", colorinterp=kinds)
    masks = run_masks(make_net(*TILE).path, source, "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["empty_tiles"] > 0
    assert said["no_data"] == pytest.approx(empty.mean(), abs=1e-4)
    with rasterio.open(masks / "a.tif") as file:
        np.testing.assert_array_equal(file.read(1) == 255, empty)


def test_a_mask_of_another_source_is_not_replaced(make_net: MakeNet, scene: UInt8, tmp_path: Path) -> None:
    source = write(tmp_path / "a.tif", planes_of(scene), photometric="rgb")
    masks = run_masks(make_net(*TILE).path, source)
    run_masks(make_net(*TILE).path, source)
    write(masks / "a.tif", planes_of(scene))
    words = ["run", str(make_net(*TILE).path), "--source", str(source), "--tile", "--save-masks", str(masks)]
    assert main(words) == 2
    assert main([*words[:-1], str(tmp_path)]) == 2


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({"planes": np.zeros((5, 64, 64), np.uint8)}, "has 5 channels; .*gdal_translate -b 1"),
        ({"planes": np.zeros((2, 64, 64), np.uint8), "photometric": "minisblack"}, "has 2 channels"),
        ({"planes": np.zeros((1, 64, 64), np.float32)}, "holds float32 pixels"),
        ({"planes": np.zeros((1, 64, 64), np.int16)}, "holds int16 pixels"),
        ({"planes": np.zeros((4, 64, 64), np.uint8), "photometric": "cmyk"}, "is a CMYK picture"),
        ({"planes": np.zeros((1, 64, 64), np.uint16), "nbits": 12}, "holds 12 bits a channel"),
    ],
)
def test_pixels_that_are_not_read_are_refused(tmp_path: Path, profile: dict[str, Any], message: str) -> None:
    given = dict(profile)
    with pytest.raises(DataError, match=message):
        RasterPicture(write(tmp_path / "a.tif", given.pop("planes"), **given))


def test_pages_turned_pictures_huge_strips_and_other_files_are_refused(tmp_path: Path) -> None:
    pages = tmp_path / "pages.tif"
    with tifffile.TiffWriter(pages) as out:
        for _ in range(2):
            out.write(np.zeros((40, 40), np.uint8))
    turned = tmp_path / "turned.tif"
    tifffile.imwrite(turned, np.zeros((40, 60), np.uint8), extratags=[(274, "H", 1, 6, True)])
    strip = tmp_path / "strip.tif"
    tifffile.imwrite(strip, np.zeros((20000, 14000), np.uint8), tile=(20000, 14000), compression="zlib")
    (tmp_path / "text.tif").write_text("no picture at all")
    (tmp_path / "empty.tif").write_bytes(b"")
    for name, message in (
        ("pages", "holds 2 pictures"),
        ("turned", "orientation tag .6."),
        ("strip", "blocks of 20000x14000 pixels.*TILED=YES"),
        ("text", "damaged or truncated|is no TIFF"),
        ("empty", "damaged or truncated|is no TIFF"),
        ("none", "none.tif"),
    ):
        with pytest.raises(DataError, match=message):
            RasterPicture(tmp_path / f"{name}.tif")


@pytest.mark.parametrize("kind", ["striped", "deflate"])
def test_a_truncated_picture_is_said_and_leaves_no_mask(
    make_net: MakeNet, scene: UInt8, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # With its table at the front, as streaming writers leave it: only the pixels are missing.
    write(tmp_path / "whole.tif", planes_of(scene), photometric="rgb", **KINDS[kind])
    whole = (tmp_path / "whole.tif").read_bytes()
    source = tmp_path / "cut.tif"
    source.write_bytes(whole[: len(whole) * 2 // 3])
    masks = tmp_path / "masks"
    words = ["run", str(make_net(*TILE).path), "--source", str(source), "--tile", "--save-masks", str(masks)]
    assert main(words) == 2
    assert "damaged or truncated TIFF" in capsys.readouterr().err
    assert not masks.exists() or not list(masks.iterdir())


def test_an_overlay_of_a_tiff_is_a_tiff(make_net: MakeNet, scene: UInt8, tmp_path: Path) -> None:
    source = write(tmp_path / "a.tif", planes_of(scene), photometric="rgb")
    words = ["run", str(make_net(*TILE).path), "--source", str(source), "--tile", "--save"]
    assert main([*words, str(tmp_path / "o.png")]) == 2
    assert main([*words, str(tmp_path / "o.tif")]) == 0
    assert read_image(tmp_path / "o.tif").shape == scene.shape


def test_a_killed_run_leaves_no_half_mask(make_net: MakeNet, tmp_path: Path) -> None:
    source = write(tmp_path / "a.tif", planes_of(make_scene(4000, 3000)), photometric="rgb")
    masks = tmp_path / "masks"
    words = ["run", str(make_net(*TILE).path), "--source", str(source), "--tile", "--save-masks", str(masks)]
    with subprocess.Popen([sys.executable, "-m", "edgeseg", *words]) as process:
        for _ in range(3000):
            if masks.is_dir() and os.listdir(masks):
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    assert not (masks / "a.tif").exists()


def test_what_is_not_installed_is_named(scene: UInt8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", planes_of(scene), photometric="rgb")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(edgeseg.errors.MissingExtra, match=r"'rasterio' is needed .*\[geo\]"):
        RasterPicture(path)


def test_an_unwritable_folder_is_said(make_net: MakeNet, scene: UInt8, tmp_path: Path) -> None:
    from edgeseg.runtime.tiles.raster import Georeference
    from edgeseg.runtime.tiles.raster_files import raster_mask_output

    (tmp_path / "file").write_text("")
    spec = make_net(*TILE).spec
    with (
        pytest.raises(OutputError),
        raster_mask_output(tmp_path / "file" / "a.tif", (10, 10), Georeference(), spec, "x"),
    ):
        raise AssertionError
