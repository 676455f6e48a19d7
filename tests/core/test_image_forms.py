"""Every form that an image file can have, written by other libraries, is read as they read it or refused by name."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from edgeseg.errors import DataError
from edgeseg.image import UInt8, read_image, read_images, read_mask

HEIGHT, WIDTH = 40, 56
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
COLOUR = np.stack([COLUMNS * 4, ROWS * 6, (ROWS + COLUMNS) * 2], -1).astype(np.uint8)
COLOUR[3:9, 5:20] = (200, 30, 10)
GREY = COLOUR[..., 0]
ALPHA = (ROWS * 6).astype(np.uint8)
DEEP = COLOUR.astype(np.uint16) * 257


def pillow_says(path: Path) -> UInt8:
    """What Pillow shows of a file: upright, RGB."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def difference(path: Path, wanted: np.ndarray) -> int:
    """Largest difference between what edgeseg reads and an RGB or grey picture."""
    if wanted.ndim == 2:
        wanted = np.repeat(wanted[..., None], 3, 2)
    image = read_image(path)[..., ::-1]
    assert image.shape == wanted.shape
    return int(np.abs(image.astype(int) - wanted.astype(int)).max())


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
    def test_a_picture_is_upright_in_every_container(self, tmp_path: Path, ending: str, orientation: int) -> None:
        path = tmp_path / f"turned{ending}"
        Image.fromarray(COLOUR).save(
            path, exif=exif_of(orientation), **({"lossless": True} if ending == ".webp" else {})
        )
        assert difference(path, pillow_says(path)) == 0

    @pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
    def test_webp_keeps_its_exif_with_or_without_the_prefix_of_jpeg(self, tmp_path: Path, prefix: bytes) -> None:
        path = tmp_path / "turned.webp"
        Image.fromarray(COLOUR).save(path, lossless=True, exif=exif_of(6))
        data = path.read_bytes()
        block = prefix + exif_of(6).removeprefix(b"Exif\0\0")
        body = data[12 : data.index(b"EXIF")] + b"EXIF" + struct.pack("<I", len(block)) + block
        path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)
        assert difference(path, np.rot90(COLOUR, -1)) == 0

    @pytest.mark.parametrize("value", [0, 9, 65535])
    def test_an_orientation_that_does_not_exist_turns_nothing(self, tmp_path: Path, value: int) -> None:
        path = tmp_path / "odd.png"
        Image.fromarray(COLOUR).save(path, exif=exif_of(value))
        assert difference(path, COLOUR) == 0

    @pytest.mark.parametrize("block", [b"", b"MM", b"II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
    def test_damaged_exif_turns_nothing(self, tmp_path: Path, block: bytes) -> None:
        path = tmp_path / "damaged.png"
        Image.fromarray(COLOUR).save(path, exif=block or None)
        assert difference(path, COLOUR) == 0

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("ending", [".png", ".tif"])
    def test_a_mask_is_upright_too_and_keeps_its_indices(self, tmp_path: Path, ending: str, orientation: int) -> None:
        path = tmp_path / f"mask{ending}"
        # Compressed, because Pillow maps plain grey TIFF files into memory with their sides exchanged.
        options = {"compression": "tiff_lzw"} if ending == ".tif" else {}
        Image.fromarray(GREY % 3).save(path, exif=exif_of(orientation), **options)
        assert np.array_equal(read_mask(path), pillow_says(path)[..., 0])


class TestJpeg:
    @pytest.mark.parametrize(
        ("mode", "options"),
        [
            ("RGB", {"progressive": True}),
            ("RGB", {"subsampling": "4:4:4"}),
            ("RGB", {"subsampling": "4:2:0", "restart_marker_rows": 1}),
            ("RGB", {"keep_rgb": True}),
            ("L", {}),
            ("CMYK", {}),
        ],
    )
    def test_it_is_read_as_pillow_reads_it(self, tmp_path: Path, mode: str, options: dict[str, Any]) -> None:
        path = tmp_path / "photo.jpg"
        Image.fromarray(COLOUR).convert(mode).save(path, quality=95, **options)
        assert difference(path, pillow_says(path)) <= (2 if mode == "CMYK" else 0)

    def test_the_first_picture_of_a_multi_picture_file_is_the_photograph(self, tmp_path: Path) -> None:
        photo = Image.fromarray(COLOUR)
        photo.save(tmp_path / "phone.mpo", save_all=True, append_images=[photo.rotate(180)])
        path = (tmp_path / "phone.mpo").rename(tmp_path / "phone.jpg")
        assert difference(path, pillow_says(path)) == 0

    def test_twelve_bits_are_refused_by_name(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        Image.fromarray(COLOUR).save(buffer, "jpeg")
        data = bytearray(buffer.getvalue())
        data[data.index(b"\xff\xc0") + 4] = 12
        (tmp_path / "medical.jpg").write_bytes(bytes(data))
        with pytest.raises(DataError, match=r"medical\.jpg is a JPEG of 12 bits"):
            read_image(tmp_path / "medical.jpg")


KINDS = {"grey": (0, GREY), "rgb": (2, COLOUR), "palette": (3, GREY), "grey+alpha": (4, np.dstack([GREY, ALPHA]))}
KINDS["rgba"] = (6, np.dstack([COLOUR, ALPHA]))
DEPTHS = {"grey": (1, 2, 4, 8, 16), "rgb": (8, 16), "palette": (1, 2, 4, 8), "grey+alpha": (8, 16), "rgba": (8, 16)}
CHUNKS = {
    "plain": [],
    "gamma": [(b"gAMA", struct.pack(">I", 100000)), (b"cHRM", struct.pack(">8I", *[31270, 32900] * 4))],
    "profile": [(b"iCCP", b"x\0\0" + zlib.compress(b"no profile at all"))],
    "transparent": [(b"tRNS", b"")],
}


def packed_rows(values: np.ndarray, bits: int) -> bytes:
    rows = (row.reshape(-1) for row in values)
    if bits == 16:
        return b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows)
    spread = ((row[:, None] >> np.arange(bits)[::-1]) & 1 for row in rows)
    return b"".join(b"\0" + np.packbits(row.astype(np.uint8).reshape(-1)).tobytes() for row in spread)


def interlaced(values: np.ndarray, bits: int) -> bytes:
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    return b"".join(packed_rows(values[y::dy, x::dx], bits) for y, x, dy, dx in passes)


def png(values: np.ndarray, kind: int, bits: int, is_interlaced: bool, chunks: list[tuple[bytes, bytes]]) -> bytes:
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, kind, 0, 0, is_interlaced)
    pixels = zlib.compress(interlaced(values, bits) if is_interlaced else packed_rows(values, bits))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )


def png_forms() -> Iterator[Any]:
    for name, depths in DEPTHS.items():
        for bits, is_interlaced, extra in itertools.product(depths, (False, True), CHUNKS):
            if not (extra == "transparent" and "a" in name.removeprefix("palette").removeprefix("gr")):
                yield pytest.param(name, bits, is_interlaced, extra, id=f"{name}-{bits}-{is_interlaced}-{extra}")


class TestPng:
    @pytest.mark.parametrize(("name", "bits", "is_interlaced", "extra"), list(png_forms()))
    def test_pixels_are_the_stored_numbers_whatever_else_is_in_it(
        self, tmp_path: Path, name: str, bits: int, is_interlaced: bool, extra: str
    ) -> None:
        kind, eight = KINDS[name]
        values = eight.astype(int) * 257 if bits == 16 else eight.astype(int) >> (8 - bits)
        values = values.reshape(HEIGHT, WIDTH, -1)
        chunks = list(CHUNKS[extra])
        palette = np.random.default_rng(0).integers(0, 256, (2**bits if kind == 3 else 1, 3)).astype(np.uint8)
        if extra == "transparent":
            one = values[0, 0].astype(">u2").tobytes()
            chunks = [(b"tRNS", bytes(range(0, min(200, 2**bits))) if kind == 3 else one)]
        if kind == 3:
            chunks.insert(0, (b"PLTE", palette.tobytes()))
        path = tmp_path / "form.png"
        path.write_bytes(png(values, kind, bits, is_interlaced, chunks))
        shown = values if bits == 8 else (values + 128) // 257 if bits == 16 else values * 255 // (2**bits - 1)
        wanted = palette[values[..., 0]] if kind == 3 else shown[..., :3] if kind in (2, 6) else shown[..., 0]
        assert difference(path, wanted) == 0
        if kind in (0, 3) and bits <= 8:
            assert np.array_equal(read_mask(path), values[..., 0])

    def test_eight_bits_are_what_pillow_shows(self, tmp_path: Path) -> None:
        path = tmp_path / "plain.png"
        Image.fromarray(COLOUR).save(path)
        assert difference(path, pillow_says(path)) == 0


def tiff_forms() -> Iterator[Any]:
    for bits, planes, order, tile, squeeze in itertools.product(
        (8, 16), ("contig", "separate"), "<>", (None, (64, 64)), (None, "deflate")
    ):
        for predictor in (False, True) if squeeze else (False,):
            options = {"planarconfig": planes, "byteorder": order, "tile": tile, "compression": squeeze}
            yield pytest.param(
                bits, {**options, "predictor": predictor}, id=f"{bits}-{planes}-{order}-{tile}-{squeeze}-{predictor}"
            )


def tiff(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, pixels, **options)
    return path


class TestTiff:
    @pytest.mark.parametrize(("bits", "options"), list(tiff_forms()))
    @pytest.mark.parametrize("alpha", [False, True])
    @pytest.mark.parametrize("big", [False, True])
    def test_colour_is_read_however_it_is_laid_out(
        self, tmp_path: Path, bits: int, options: dict[str, Any], alpha: bool, big: bool
    ) -> None:
        pixels = np.dstack([COLOUR, ALPHA]) if alpha else COLOUR
        pixels = pixels.astype(np.uint16) * 257 if bits == 16 else pixels
        if options["planarconfig"] == "separate":
            pixels = np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
        extra = {"extrasamples": ["unassalpha"]} if alpha else {}
        path = tiff(tmp_path / "form.tif", pixels, photometric="rgb", bigtiff=big, **extra, **options)
        assert difference(path, COLOUR) == 0

    def test_small_tiles_without_compression_are_refused_by_name(self, tmp_path: Path) -> None:
        path = tiff(tmp_path / "tiles.tif", COLOUR, photometric="rgb", tile=(16, 16))
        with pytest.raises(DataError, match=r"tiles\.tif is not a readable image"):
            read_image(path)

    @pytest.mark.parametrize("bits", [8, 16])
    @pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
    @pytest.mark.parametrize("alpha", [False, True])
    @pytest.mark.parametrize("order", "<>")
    def test_grey_is_as_bright_as_it_is_meant(
        self, tmp_path: Path, bits: int, photometric: str, alpha: bool, order: str
    ) -> None:
        pixels = 255 - GREY if photometric == "miniswhite" else GREY
        pixels = np.dstack([pixels, ALPHA]) if alpha else pixels
        pixels = pixels.astype(np.uint16) * 257 if bits == 16 else pixels
        extra = {"extrasamples": ["unassalpha"], "planarconfig": "contig"} if alpha else {}
        path = tiff(tmp_path / "grey.tif", pixels, photometric=photometric, byteorder=order, **extra)
        assert difference(path, GREY) == 0

    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "LA"])
    @pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
    def test_it_is_read_as_pillow_reads_it(self, tmp_path: Path, mode: str, compression: str | None) -> None:
        path = tmp_path / "form.tif"
        Image.fromarray(COLOUR).convert(mode).save(path, compression=compression)
        assert difference(path, pillow_says(path)) <= (1 if mode == "CMYK" else 0)

    @pytest.mark.parametrize(
        ("mode", "compression"), [("1", "group3"), ("1", "group4"), ("L", "jpeg"), ("RGB", "jpeg")]
    )
    def test_fax_and_jpeg_are_read_as_pillow_reads_them(self, tmp_path: Path, mode: str, compression: str) -> None:
        path = tmp_path / "form.tif"
        Image.fromarray(COLOUR).convert(mode).save(path, compression=compression)
        assert difference(path, pillow_says(path)) == 0

    @pytest.mark.parametrize(
        ("pixels", "found"),
        [
            (GREY.astype(np.float32), "float"),
            (GREY.astype(np.float16), "float"),
            (COLOUR.astype(np.float64), "float"),
            (GREY.astype(np.int8), "signed"),
            (GREY.astype(np.int16), "signed"),
            (GREY.astype(np.complex64), "complex"),
            (GREY.astype(np.uint32), "32 bits"),
        ],
    )
    def test_numbers_that_are_no_brightness_are_refused_by_name(
        self, tmp_path: Path, pixels: np.ndarray, found: str
    ) -> None:
        path = tiff(tmp_path / "depth.tif", pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
        with pytest.raises(DataError, match=rf"depth\.tif holds {found}"):
            read_image(path)

    @pytest.mark.parametrize(
        ("pixels", "options", "found"),
        [
            (np.dstack([COLOUR, ALPHA, ALPHA]), {"photometric": "rgb"}, "5 channels"),
            (np.dstack([DEEP, DEEP[..., 0]]), {"photometric": "separated"}, "16 bits"),
            (COLOUR, {"photometric": "cielab"}, "kind 8"),
            (COLOUR, {"photometric": "rgb", "compression": "lzma"}, "LZMA compression"),
            (np.stack([COLOUR] * 3), {"photometric": "rgb"}, "3 pictures"),
        ],
    )
    def test_other_forms_are_refused_by_name(
        self, tmp_path: Path, pixels: np.ndarray, options: dict[str, Any], found: str
    ) -> None:
        path = tiff(tmp_path / "odd.tif", pixels, **options)
        with pytest.raises(DataError, match=rf"odd\.tif .*{found}"):
            read_image(path)

    @pytest.mark.parametrize("is_first", [False, True])
    def test_a_thumbnail_beside_the_picture_does_no_harm(self, tmp_path: Path, is_first: bool) -> None:
        path = tmp_path / "camera.tif"
        pages = [(COLOUR, 0), (COLOUR[::4, ::4], 1)]
        with tifffile.TiffWriter(path) as writer:
            for pixels, kind in reversed(pages) if is_first else pages:
                writer.write(pixels, photometric="rgb", subfiletype=kind)
        assert difference(path, COLOUR) == 0

    @pytest.mark.parametrize("planes", ["contig", "separate"])
    @pytest.mark.parametrize("order", "<>")
    @pytest.mark.parametrize("big", [False, True])
    def test_every_page_can_be_had(self, tmp_path: Path, planes: str, order: str, big: bool) -> None:
        pages = [np.roll(DEEP, 7 * number, 1) for number in range(4)]
        path = tmp_path / "stack.tif"
        with tifffile.TiffWriter(path, byteorder=order, bigtiff=big) as writer:
            for page in pages:
                layout = page if planes == "contig" else np.ascontiguousarray(np.moveaxis(page, -1, 0))
                writer.write(layout, photometric="rgb", planarconfig=planes)
        found = list(read_images(path))
        assert len(found) == 4
        for image, page in zip(found, pages, strict=True):
            assert np.array_equal(image[..., ::-1], page // 257)

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
    @pytest.mark.parametrize("planes", ["contig", "separate"])
    def test_missing_bytes_are_refused(self, tmp_path: Path, share: float, planes: str) -> None:
        pixels = DEEP if planes == "contig" else np.ascontiguousarray(np.moveaxis(DEEP, -1, 0))
        path = tiff(tmp_path / "cut.tif", pixels, photometric="rgb", planarconfig=planes)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(DataError, match=r"cut\.tif is a damaged or truncated TIFF"):
            read_image(path)

    @pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "palette"])
    def test_masks_are_the_stored_numbers(self, tmp_path: Path, photometric: str) -> None:
        colours = np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)
        extra = {"colormap": colours} if photometric == "palette" else {}
        path = tiff(tmp_path / "mask.tif", GREY % 5, photometric=photometric, **extra)
        assert np.array_equal(read_mask(path), GREY % 5)

    def test_bilevel_masks_hold_zero_and_one(self, tmp_path: Path) -> None:
        path = tmp_path / "mask.tif"
        Image.fromarray(GREY > 100).save(path, compression="group4")
        with tifffile.TiffFile(path) as file:
            flipped = file.pages[0].photometric == tifffile.PHOTOMETRIC.MINISWHITE
        assert np.array_equal(read_mask(path), (GREY > 100) ^ flipped)


class TestBmp:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
    def test_it_is_read_as_pillow_reads_it(self, tmp_path: Path, mode: str) -> None:
        path = tmp_path / "form.bmp"
        Image.fromarray(COLOUR).convert(mode).save(path)
        assert difference(path, pillow_says(path)) == 0

    def test_a_grey_mask_is_read_and_one_with_a_palette_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "mask.bmp"
        Image.fromarray(GREY % 3).save(path)
        assert np.array_equal(read_mask(path), GREY % 3)
        for mode in ("1", "P"):
            Image.fromarray(COLOUR).convert(mode).save(path)
            with pytest.raises(DataError, match=r"mask\.bmp is a BMP with a palette"):
                read_mask(path)


class TestWebp:
    @pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}])
    @pytest.mark.parametrize("alpha", [False, True])
    def test_it_is_read_as_pillow_reads_it(self, tmp_path: Path, options: dict[str, Any], alpha: bool) -> None:
        path = tmp_path / "form.webp"
        Image.fromarray(np.dstack([COLOUR, ALPHA]) if alpha else COLOUR).save(path, exact=True, **options)
        # Lossy pictures go from YCbCr to RGB in two ways, up to 4 levels apart here.
        assert difference(path, pillow_says(path)) <= (0 if "lossless" in options else 4)


@pytest.mark.parametrize("ending", [".png", ".webp"])
@pytest.mark.parametrize("alpha", [False, True])
def test_every_picture_of_an_animation_can_be_had(tmp_path: Path, ending: str, alpha: bool) -> None:
    pictures = [COLOUR.copy() for _ in range(5)]
    for number, picture in enumerate(pictures):
        picture[5 * number : 5 * number + 8, 8 * number : 8 * number + 9] = (255, 0, 10 * number)
    images = [Image.fromarray(np.dstack([p, np.full_like(GREY, 255)]) if alpha else p) for p in pictures]
    path = tmp_path / f"moves{ending}"
    images[0].save(path, save_all=True, append_images=images[1:], **({"lossless": True} if ending == ".webp" else {}))
    for image, wanted in zip(read_images(path), pictures, strict=True):
        assert np.array_equal(image[..., ::-1], wanted)


def animation(path: Path) -> Path:
    pictures = [Image.fromarray(np.roll(COLOUR, 4 * i, 1)) for i in range(5)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    return path


class TestOtherContainers:
    @pytest.mark.parametrize("ending", [".png", ".webp", ".tif"])
    @pytest.mark.parametrize("read", [read_image, read_mask])
    def test_several_pictures_are_never_the_first_alone(
        self, tmp_path: Path, ending: str, read: Callable[[Path], UInt8]
    ) -> None:
        with pytest.raises(DataError, match=rf"moves\{ending} .*5 pictures"):
            read(animation(tmp_path / f"moves{ending}"))

    @pytest.mark.parametrize(
        ("ending", "kind"),
        [(".gif", "GIF"), (".avif", "AVIF"), (".jp2", "JPEG 2000"), (".heic", "HEIF"), (".jxl", "JPEG XL")],
    )
    @pytest.mark.parametrize("read", [read_image, read_mask])
    def test_what_is_not_read_is_refused_by_its_content(
        self, tmp_path: Path, ending: str, kind: str, read: Callable[[Path], UInt8]
    ) -> None:
        path = tmp_path / f"x{ending}"
        heads = {".heic": b"\0\0\0\x18ftypheic\0\0\0\0", ".jxl": b"\xff\x0a\xff\x07"}
        if ending in heads:
            path.write_bytes(heads[ending] + bytes(100))
        else:
            Image.fromarray(COLOUR).save(path)
        path = path.rename(tmp_path / "photo.png")
        with pytest.raises(DataError, match=rf"photo\.png is an? {kind}"):
            read(path)
