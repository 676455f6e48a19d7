"""Every kind of image file is either read by the written rules or refused by its name."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.errors import DataError
from edgeseg.image import LETTERBOX_VALUE, UInt8, fit, fit_mask, placement, read_image, read_mask, unfit
from edgeseg.spec import ModelSpec

ORIENTATIONS = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image.swapaxes(0, 1)[::-1, ::-1],
    8: lambda image: np.rot90(image, 1),
}


def spec_of(height: int, width: int, resize: str = "stretch", color: str = "bgr") -> ModelSpec:
    channels = 1 if color == "gray" else 3
    return ModelSpec("multiclass", ("a", "b", "c"), height, width, color, (0.5,) * channels, (0.5,) * channels, resize)


def outcome(read: Callable[[Path], UInt8], path: Path) -> tuple[UInt8 | None, str]:
    try:
        return read(path), ""
    except DataError as error:
        return None, str(error)


def saved(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


def jpeg_with_orientation(image: UInt8, orientation: int) -> bytes:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


class TestImages:
    def test_grey_is_repeated_to_three_channels(self, tmp_path: Path, picture: UInt8) -> None:
        image = read_image(saved(tmp_path / "grey.png", picture[..., 0]))
        assert np.array_equal(image, np.repeat(picture[..., :1], 3, 2))

    def test_sixteen_bits_are_scaled_from_their_full_range(self, tmp_path: Path) -> None:
        values = np.array([[0, 128, 129, 257, 32896, 65535]], np.uint16)
        image = read_image(saved(tmp_path / "deep.png", values))
        assert image[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]
        assert np.array_equal(image, read_image(saved(tmp_path / "deep.tiff", values)))

    def test_alpha_is_dropped_not_blended(self, tmp_path: Path, picture: UInt8) -> None:
        alpha = np.zeros((*picture.shape[:2], 1), np.uint8)
        assert np.array_equal(read_image(saved(tmp_path / "a.png", np.dstack([picture, alpha]))), picture)

    @pytest.mark.parametrize("orientation", ORIENTATIONS)
    def test_exif_orientation_is_applied(self, tmp_path: Path, picture: UInt8, orientation: int) -> None:
        path = tmp_path / "turned.jpg"
        path.write_bytes(jpeg_with_orientation(picture, 1))
        upright = read_image(path)
        path.write_bytes(jpeg_with_orientation(picture, orientation))
        assert np.array_equal(read_image(path), ORIENTATIONS[orientation](upright))

    def test_cmyk_is_converted(self, data_dir: Path) -> None:
        image = read_image(data_dir / "malformed/images/pil_sample_cmyk.jpg")
        assert image.shape == (100, 100, 3)
        assert image.mean() == pytest.approx(14.7, abs=1)  # Pillow's conversion differs by up to 2 levels

    def test_palette_pngs_give_their_colours(self, tmp_path: Path, png_bytes: Callable[..., bytes]) -> None:
        path = tmp_path / "palette.png"
        path.write_bytes(png_bytes(np.array([[0, 1]], np.uint8), "palette", palette=bytes([10, 20, 30, 40, 50, 60])))
        assert read_image(path).tolist() == [[[30, 20, 10], [60, 50, 40]]]

    def test_float_images_are_refused(self, tmp_path: Path, picture: UInt8) -> None:
        with pytest.raises(DataError, match=r"depth\.tiff holds float"):
            read_image(saved(tmp_path / "depth.tiff", picture.astype(np.float32)))

    @pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".tiff", ".webp"])
    @pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.99])
    def test_a_truncated_file_is_refused_by_name(
        self, tmp_path: Path, picture: UInt8, ending: str, kept: float
    ) -> None:
        data = cv2.imencode(ending, picture)[1].tobytes()
        path = tmp_path / f"cut{ending}"
        path.write_bytes(data[: int(len(data) * kept)])
        with pytest.raises(DataError, match=f"cut{ending}"):
            read_image(path)

    def test_a_truncated_jpeg_with_a_whole_thumbnail_is_refused(self, tmp_path: Path, picture: UInt8) -> None:
        thumbnail = cv2.imencode(".jpg", picture[::8, ::8])[1].tobytes()
        data = cv2.imencode(".jpg", picture)[1].tobytes()
        path = tmp_path / "thumb.jpg"
        path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + data[2:-400])
        with pytest.raises(DataError, match="truncated JPEG"):
            read_image(path)

    def test_bytes_after_a_whole_jpeg_do_no_harm(self, tmp_path: Path, picture: UInt8) -> None:
        data = cv2.imencode(".jpg", picture)[1].tobytes()
        path = tmp_path / "motion.jpg"
        path.write_bytes(data + b"\0" * 1000)
        assert read_image(path).shape == picture.shape

    def test_a_flipped_byte_in_a_png_is_refused(self, tmp_path: Path, picture: UInt8) -> None:
        data = bytearray(cv2.imencode(".png", picture)[1].tobytes())
        data[len(data) // 2] ^= 0x40
        path = tmp_path / "flipped.png"
        path.write_bytes(bytes(data))
        with pytest.raises(DataError, match=r"flipped\.png is a damaged PNG"):
            read_image(path)

    def test_a_decompression_bomb_is_refused_before_it_is_decoded(self, tmp_path: Path) -> None:
        header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
        chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
        data = b"".join(struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks)
        path = tmp_path / "bomb.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
        with pytest.raises(DataError, match=r"bomb\.png"):
            read_image(path)

    @pytest.mark.parametrize("content", [b"<html>404</html>", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\x89PNG\r\n\x1a\n"])
    def test_what_is_no_image_is_refused(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "page.jpg"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"page\.jpg"):
            read_image(path)

    def test_a_missing_file_and_a_folder_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"no file .*gone\.png"):
            read_image(tmp_path / "gone.png")
        with pytest.raises(DataError, match="is a folder"):
            read_image(tmp_path)

    def test_every_malformed_file_is_read_or_refused_by_name(self, data_dir: Path) -> None:
        for path in sorted(p for p in (data_dir / "malformed").rglob("*") if p.is_file()):
            for read in (read_image, read_mask):
                array, refusal = outcome(read, path)
                assert path.name in refusal if array is None else array.dtype == np.uint8 and array.size

    @pytest.mark.parametrize(
        "name", ["truncated_image.png", "truncated_jpeg.jpg", "broken_data_stream.png", "broken.png"]
    )
    def test_files_whose_pixels_are_missing_are_never_read(self, data_dir: Path, name: str) -> None:
        with pytest.raises(DataError, match=f"{name} is a truncated"):
            read_image(data_dir / "malformed/images" / name)


class TestMasks:
    INDICES = np.array([[0, 1, 2, 3], [3, 2, 1, 0]], np.uint8)

    def test_grey_masks_are_their_indices(self, tmp_path: Path) -> None:
        assert np.array_equal(read_mask(saved(tmp_path / "m.png", self.INDICES)), self.INDICES)

    def test_three_equal_channels_count_as_one(self, tmp_path: Path) -> None:
        assert np.array_equal(read_mask(saved(tmp_path / "m.png", np.dstack([self.INDICES] * 3))), self.INDICES)

    @pytest.mark.parametrize("entries", [4, 256])
    def test_palette_masks_give_indices_even_where_colours_repeat(
        self, tmp_path: Path, png_bytes: Callable[..., bytes], entries: int
    ) -> None:
        palette = bytes([0, 0, 0, 128, 0, 0, 0, 128, 0]).ljust(3 * entries, b"\0")
        path = tmp_path / "palette.png"
        path.write_bytes(png_bytes(self.INDICES, "palette", palette=palette, transparency=b"\0"))
        assert np.array_equal(read_mask(path), self.INDICES)

    @pytest.mark.parametrize("kind", ["grey", "palette"])
    @pytest.mark.parametrize(("depth", "packed"), [(1, [0b01101001]), (2, [0b00011011, 0b11100100]), (4, [0x01, 0x2F])])
    def test_low_bit_masks_hold_the_stored_numbers(
        self, tmp_path: Path, png_bytes: Callable[..., bytes], kind: str, depth: int, packed: list[int]
    ) -> None:
        path = tmp_path / "packed.png"
        palette = bytes(range(48))[: 3 * 2**depth] if kind == "palette" else b""
        path.write_bytes(png_bytes(np.array([packed], np.uint8), kind, depth, palette))
        bits = np.unpackbits(np.array(packed, np.uint8)).reshape(-1, depth)
        assert read_mask(path)[0].tolist() == (bits @ (1 << np.arange(depth)[::-1])).tolist()

    def test_a_sixteen_bit_mask_is_read_when_its_values_fit(self, tmp_path: Path) -> None:
        assert np.array_equal(read_mask(saved(tmp_path / "m.png", self.INDICES.astype(np.uint16))), self.INDICES)
        with pytest.raises(DataError, match="up to 300"):
            read_mask(saved(tmp_path / "deep.png", np.full((2, 2), 300, np.uint16)))

    def test_a_colour_picture_is_refused(self, tmp_path: Path, picture: UInt8) -> None:
        with pytest.raises(DataError, match=r"colours\.png is a colour picture"):
            read_mask(saved(tmp_path / "colours.png", picture))


class TestFit:
    def test_letterbox_keeps_the_aspect_and_centres(self) -> None:
        at = placement((100, 200), spec_of(96, 128, "letterbox"))
        assert (at.top, at.left, at.height, at.width) == (16, 0, 64, 128)
        at = placement((200, 50), spec_of(96, 128, "letterbox"))
        assert (at.top, at.left, at.height, at.width) == (0, 52, 96, 24)

    def test_the_padding_is_grey_and_the_rest_is_the_resized_image(self, picture: UInt8) -> None:
        spec = spec_of(64, 64, "letterbox")
        fitted = fit(picture, spec)
        at = placement((60, 80), spec)
        inner = fitted[at.top : at.top + at.height, at.left : at.left + at.width]
        assert np.array_equal(inner, fit(picture, spec_of(at.height, at.width)))
        outside = np.ones((64, 64), bool)
        outside[at.top : at.top + at.height, at.left : at.left + at.width] = False
        assert (fitted[outside] == LETTERBOX_VALUE).all()

    @pytest.mark.parametrize("resize", ["stretch", "letterbox"])
    @pytest.mark.parametrize("size", [(1, 1), (1, 1000), (1000, 1), (60, 80), (81, 59), (480, 640)])
    def test_a_map_comes_back_at_the_size_of_its_image(self, resize: str, size: tuple[int, int]) -> None:
        spec = spec_of(64, 96, resize)
        image = np.full((*size, 3), 7, np.uint8)
        assert fit(image, spec).shape == (64, 96, 3)
        labels = unfit(np.ones((64, 96), np.uint8), spec, size)
        assert labels.shape == size
        assert (labels == 1).all()

    @pytest.mark.parametrize("resize", ["stretch", "letterbox"])
    def test_a_mask_survives_the_round_trip(self, resize: str) -> None:
        mask = np.kron(np.array([[0, 1, 2], [2, 0, 1]], np.uint8), np.ones((16, 16), np.uint8))
        spec = spec_of(64, 96, resize)
        assert np.array_equal(unfit(fit_mask(mask, spec, 255), spec, (32, 48)), mask)

    def test_mask_and_image_land_on_the_same_pixels(self) -> None:
        mask = np.zeros((90, 60), np.uint8)
        mask[30:70, 10:40] = 1
        spec = spec_of(128, 128, "letterbox")
        picture = np.repeat(mask[..., None] * 255, 3, 2)
        seen = (fit(picture, spec)[..., 0] > 190).astype(np.uint8)
        fitted = fit_mask(mask, spec, 255)
        assert np.count_nonzero(seen[fitted == 1] == 0) <= 4 * 58  # at most the one-pixel rim
        assert not seen[fitted == 0].any()

    def test_an_image_of_the_network_size_is_taken_as_it_is(self, picture: UInt8) -> None:
        assert np.array_equal(fit(picture, spec_of(60, 80)), picture)

    def test_grey_input_has_one_channel(self, picture: UInt8) -> None:
        fitted = fit(picture, spec_of(60, 80, color="gray"))
        assert fitted.shape == (60, 80, 1)
        assert np.array_equal(fitted[..., 0], cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))

    @pytest.mark.parametrize("color", ["bgr", "gray"])
    @pytest.mark.parametrize("resize", ["stretch", "letterbox"])
    def test_a_given_array_is_filled_in_place(self, picture: UInt8, resize: str, color: str) -> None:
        spec = spec_of(64, 96, resize, color)
        out = np.full((64, 96, spec.channels), 99, np.uint8)
        assert fit(picture, spec, out=out) is out
        assert np.array_equal(out, fit(picture, spec))

    def test_a_view_with_odd_strides_gives_the_same_as_its_copy(self, picture: UInt8) -> None:
        view = picture[::-1, 3:-5, ::-1]
        assert np.array_equal(fit(view, spec_of(64, 96)), fit(view.copy(), spec_of(64, 96)))

    @pytest.mark.parametrize(
        ("image", "found"),
        [
            (np.zeros((4, 4), np.uint8), r"\(4, 4\)"),
            (np.zeros((4, 4, 4), np.uint8), r"\(4, 4, 4\)"),
            (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
            (np.zeros((4, 4, 3), np.float32), "float32"),
            ("cells.png", "str"),
        ],
    )
    def test_what_is_no_bgr_image_is_refused(self, image: UInt8, found: str) -> None:
        with pytest.raises(DataError, match=found):
            fit(image, spec_of(64, 96))

    def test_an_out_array_of_another_shape_is_refused(self, picture: UInt8) -> None:
        with pytest.raises(DataError, match=r"out must be uint8 \(64, 96, 3\)"):
            fit(picture, spec_of(64, 96), out=np.zeros((96, 64, 3), np.uint8))
