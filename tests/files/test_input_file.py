"""What a user names is opened only when it is a regular file; text may carry a byte order mark."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeseg.artifact import Artifact
from edgeseg.dataset import Dataset
from edgeseg.errors import DataError, SourceError, UserError
from edgeseg.files.data_layout import read_classes
from edgeseg.files.input_file import open_regular, read_bytes, read_text
from edgeseg.image import read_image, read_mask
from edgeseg.runtime.cameras.address import list_addresses
from edgeseg.runtime.sources.source import open_source
from edgeseg.verbs.flags.config_file import read_arguments

READERS: dict[str, Callable[[Path], object]] = {
    "image": read_image,
    "mask": read_mask,
    "classes": read_classes,
    "bytes": lambda path: read_bytes(path, 100),
    "text": read_text,
    "config": lambda path: read_arguments(["--config", str(path)]),
    "streams": lambda path: list_addresses(str(path)),
    "yaml": lambda path: Dataset.open(path) if path.is_file() else read_text(path),
    "source": lambda path: open_source(str(path)),
}


def irregular(folder: Path, kind: str, name: str) -> Path:
    path = folder / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        with contextlib.chdir(folder) if hasattr(contextlib, "chdir") else contextlib.nullcontext():
            bound = socket.socket(socket.AF_UNIX)
            bound.bind(name if hasattr(contextlib, "chdir") else str(path))
            bound.close()
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path.symlink_to(folder / "gone")
    return path


FOUND = {
    "pipe": "is a pipe",
    "folder": "is a folder|in it|No images",
    "device": "is a device",
    "socket": "is a socket",
    "loop": "symbolic links",
    "dangling": "is a link to",
}


@pytest.mark.timeout(20)
class TestOnlyRegularFiles:
    @pytest.mark.parametrize("kind", FOUND)
    @pytest.mark.parametrize("reader", READERS)
    def test_anything_else_is_refused_at_once_and_by_name(self, tmp_path: Path, reader: str, kind: str) -> None:
        name = {"streams": "x.streams", "yaml": "data.yaml", "config": "x.toml"}.get(reader, "x.png")
        path = irregular(tmp_path, kind, name)
        with pytest.raises(UserError, match=FOUND[kind]) as caught:
            READERS[reader](path)
        assert name in str(caught.value)

    def test_a_file_without_permission_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "closed.png"
        path.write_bytes(b"x")
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(DataError, match=r"closed\.png: Permission denied"):
            read_bytes(path, 10)

    def test_a_file_that_grows_is_read_up_to_its_bound(self, tmp_path: Path) -> None:
        path = tmp_path / "long.txt"
        path.write_bytes(b"x" * 101)
        with pytest.raises(DataError, match="larger than 100 bytes"):
            read_bytes(path, 100)

    def test_an_opened_file_is_read_though_its_name_is_gone(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_bytes(b"whole")
        with open_regular(path) as stream:
            path.unlink()
            assert stream.read() == b"whole"

    @pytest.mark.parametrize("name", ["a" * 300, "a\0b"])
    def test_names_that_no_file_can_have_are_refused(self, name: str) -> None:
        with pytest.raises(DataError, match="Cannot read"):
            read_bytes(Path(name), 10)


class TestText:
    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    def test_a_mark_and_the_line_ends_of_windows_are_no_text(self, tmp_path: Path, mark: bytes, end: bytes) -> None:
        path = tmp_path / "classes.txt"
        path.write_bytes(mark + "Straße".encode() + end + b"sky" + end)
        assert read_text(path) == "Straße\nsky\n"
        assert read_classes(path) == ("Straße", "sky")

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
    def test_utf_16_is_refused_by_its_name(self, tmp_path: Path, encoding: str) -> None:
        path = tmp_path / "classes.txt"
        path.write_text("road\nsky\n", encoding=encoding)
        with pytest.raises(DataError, match=r"classes\.txt is .*UTF-(16|32).* Save it as UTF-8"):
            read_classes(path)

    def test_other_encodings_are_refused_with_the_byte(self, tmp_path: Path) -> None:
        path = tmp_path / "classes.txt"
        path.write_text("Straße\nsky\n", encoding="latin-1")
        with pytest.raises(DataError, match=r"not text in UTF-8 \(byte 4 is 0xdf\)"):
            read_classes(path)

    def test_a_configuration_with_a_mark_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "camera.toml"
        path.write_bytes(b"\xef\xbb\xbfsource = '0'\nslots = 3\n")
        assert read_arguments(["--config", str(path)]).slots == 3

    def test_a_list_of_cameras_with_a_mark_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "all.streams"
        path.write_bytes(b"\xef\xbb\xbfdoor rtsp://camera/1\r\nyard rtsp://camera/2\r\n")
        assert [address.name for address in list_addresses(str(path))] == ["door", "yard"]

    def test_data_of_windows_is_read_whole(self, data_dir: Path) -> None:
        pytest.importorskip("yaml")
        data = Dataset.open(data_dir / "field" / "18-bom")
        assert data.classes[0] == "background"
        assert len(data.pairs("train")) == 4
        assert read_classes(data_dir / "field" / "18-bom" / "classes.txt") == data.classes

    def test_a_spec_with_a_mark_is_read(self, data_dir: Path) -> None:
        pytest.importorskip("onnx")
        from edgeseg.export.specs.foreign_spec import SpecFlags
        from edgeseg.export.specs.spec_file import merge_flags

        path = data_dir / "field" / "18-bom" / "spec.json"
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")
        assert merge_flags(SpecFlags(), path).classes == tuple(
            json.loads(path.read_text(encoding="utf-8-sig"))["classes"]
        )


def test_a_manifest_that_is_a_pipe_is_no_artifact(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "edgeseg.json")
    with pytest.raises(UserError, match=r"edgeseg\.json"):
        Artifact.open(tmp_path)


def test_a_folder_of_pipes_devices_and_pictures_gives_the_pictures(tmp_path: Path, picture: object) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "good.png"), picture)  # type: ignore[call-overload]
    for kind in ("pipe", "folder", "device", "dangling", "loop", "socket"):
        irregular(tmp_path, kind, f"{kind}.png")
    said: list[str] = []
    with open_source(str(tmp_path), said.append) as source:
        assert [frame.name for frame in source] == ["good.png"]
        assert source.skipped == 6
    assert len(said) == 6
    with open_source(str(tmp_path / "*.png"), said.append) as source:
        assert [frame.name for frame in source] == ["good.png"]
        assert source.skipped == 6


def test_a_pipe_is_no_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "video.mp4")
    with pytest.raises(SourceError, match=r"video\.mp4 is a pipe"):
        open_source(str(tmp_path / "video.mp4"))
