"""What ``--source`` may name, and the sentences for what it may not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgeseg.errors import EnvironmentFault, SourceError, UserError
from edgeseg.runtime.cameras import address as stream_address
from edgeseg.runtime.cameras.address import Address, csi_pipeline, is_live, list_addresses, parse_address
from edgeseg.runtime.cameras.live_source import StreamSource
from edgeseg.runtime.sources.source import open_source

linux = pytest.mark.skipif(sys.platform != "linux", reason="devices have these names on Linux only")


@pytest.fixture
def gstreamer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_address.shutil, "which", lambda _name: "/usr/bin/gst-launch-1.0")


@pytest.mark.parametrize(
    ("text", "kind", "target", "name"),
    [
        ("rtsp://10.0.0.2/1", "rtsp", "rtsp://10.0.0.2/1", "rtsp://10.0.0.2/1"),
        ("rtsps://u:p@10.0.0.2/1", "rtsp", "rtsps://u:p@10.0.0.2/1", "rtsps://***@10.0.0.2/1"),
        ("RTSP://u:p/@10.0.0.2/1", "rtsp", "rtsp://u:p%2F@10.0.0.2/1", "rtsp://***@10.0.0.2/1"),
        ("http://10.0.0.2/v.mjpg?pwd=abc", "http", "http://10.0.0.2/v.mjpg?pwd=abc", "http://10.0.0.2/v.mjpg?pwd=***"),
        ("https://example.org/live.m3u8", "http", "https://example.org/live.m3u8", "https://example.org/live.m3u8"),
        (
            "rtsp://u:secret@10.0.0.2/x.streams",
            "rtsp",
            "rtsp://u:secret@10.0.0.2/x.streams",
            "rtsp://***@10.0.0.2/x.streams",
        ),
    ],
)
def test_an_address_is_opened_as_meant_and_shown_without_its_password(
    text: str, kind: str, target: str, name: str
) -> None:
    assert list_addresses(text) == [Address(name, kind, target)]
    assert is_live(text)


def test_test_pictures_have_a_size_a_rate_a_seed_and_an_end() -> None:
    found = parse_address("test://cells?fps=12.5&size=640x480")
    assert (found.kind, found.options) == ("cells", {"fps": "12.5", "size": "640x480", "seed": "1", "frames": "0"})


@linux
def test_the_screen_is_the_one_named_or_that_of_the_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":7")
    assert parse_address("screen://:3?fps=5") == Address("screen://:3?fps=5", "screen", ":3", {"fps": "5"})
    assert parse_address("screen://?fps=5").target == ":7"
    assert parse_address("screen://").target == ":7"


def test_without_a_screen_this_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(EnvironmentFault, match="DISPLAY is not set"):
        parse_address("screen://?fps=5")


@pytest.mark.usefixtures("gstreamer")
def test_a_pipeline_is_taken_as_it_is() -> None:
    text = "gst://videotestsrc pattern=ball ! video/x-raw,width=320,height=240"
    assert parse_address(text).target == text.removeprefix("gst://")


@pytest.mark.usefixtures("gstreamer")
def test_a_csi_camera_is_a_pipeline() -> None:
    assert "width=1280,height=720,framerate=30/1" in parse_address("csi://0").target
    assert "width=640,height=480,framerate=15/1" in parse_address("csi://0?size=640x480&fps=15").target


def test_a_second_csi_camera_outside_of_jetson_is_asked_by_name() -> None:
    with pytest.raises(SourceError, match="camera-name=NAME"):
        csi_pipeline(1, 640, 480, 30)


def test_without_gstreamer_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_address.shutil, "which", lambda _name: None)
    for text in ("gst://videotestsrc", "csi://0"):
        with pytest.raises(EnvironmentFault, match=r"sudo apt install gstreamer1\.0-tools"):
            parse_address(text)


@linux
@pytest.mark.parametrize(("text", "path"), [("0", "/dev/video0"), ("/dev/v4l/by-id/usb-cam", "/dev/v4l/by-id/usb-cam")])
def test_a_device_is_read_through_v4l2(monkeypatch: pytest.MonkeyPatch, text: str, path: str) -> None:
    monkeypatch.setattr(Path, "exists", lambda self: str(self) == path)
    assert parse_address(text) == Address(text, "v4l2", path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "rtmp://u:secret@cam/1",
            r"rtmp://\*\*\*@cam/1 is not a stream edgeseg reads; found rtmp://, known are rtsp://",
        ),
        ("file:///etc/passwd", "found file://"),
        ("concat://a|b", "found concat://"),
        ("://u:secret@cam", "is not a stream edgeseg reads"),
        ("rtsp://", "names nothing after rtsp://"),
        ("rtsp://u:secret@", "names nothing after rtsp://"),
        ("gst://", "names nothing after gst://"),
        ("test://dogs", "is not a test picture"),
        ("test://cells?fps=0", "fps is a number above 0, as in 30; found '0'"),
        ("test://cells?fps=many", "fps is a number above 0"),
        ("test://cells?size=20x20", "size is WIDTHxHEIGHT"),
        ("test://cells?size=99999x99999", "size is WIDTHxHEIGHT"),
        ("test://cells?seed=-1", "seed is a whole number; found '-1'"),
        ("test://cells?frames=", "frames is a whole number; found ''"),
        ("test://cells?secret=1", "no option 'secret'; known are fps, size, seed, frames"),
        ("screen://:0?fps=x", "fps is a number above 0"),
        ("csi://front", "a CSI camera is a number"),
        ("csi://0?size=1", "size is WIDTHxHEIGHT"),
    ],
)
def test_what_cannot_be_right_is_a_sentence_without_the_password(text: str, sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence) as raised:
        list_addresses(text)
    assert "u:" not in str(raised.value)
    assert "secret@" not in str(raised.value)
    assert isinstance(raised.value, UserError)


def listing(folder: Path, text: str) -> str:
    path = folder / "site.streams"
    path.write_text(text)
    return str(path)


def test_a_list_names_cameras_and_leaves_out_comments(tmp_path: Path) -> None:
    text = "# the yard\n\nrtsp://u:p@10.0.0.2/1\n  gate   rtsp://u:q@10.0.0.3/1 \nhall\ttest://cells?fps=5\n"
    found = list_addresses(listing(tmp_path, text))
    assert [(one.name, one.kind) for one in found] == [
        ("rtsp://***@10.0.0.2/1", "rtsp"),
        ("gate", "rtsp"),
        ("hall", "cells"),
    ]
    assert found[1].target == "rtsp://u:q@10.0.0.3/1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# nothing\n", "lists no camera"),
        ("", "lists no camera"),
        ("a rtsp://h/1\na rtsp://h/2\n", "lists a twice"),
        ("rtsp://u:secret@h/1\nrtsp://u:other@h/1\n", "lists rtsp://...@h/1 twice. Give each camera a name"),
        ("clip.mp4\n", "line 1 is not a live camera: 'clip.mp4'"),
        ("test://cells\nyard clip.mp4\n", "line 2 is not a live camera: 'yard clip.mp4'"),
        ("yard rtmp://u:secret@h/1\n", "yard is not a stream edgeseg reads"),
    ],
)
def test_a_list_that_cannot_be_right_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence) as raised:
        list_addresses(listing(tmp_path, text))
    assert "secret" not in str(raised.value)


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.streams").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match=r"a\.streams is text in UTF-16"):
        open_source(str(tmp_path / "a.streams"))


def test_a_list_that_is_not_there_is_no_source() -> None:
    with pytest.raises(SourceError, match=r"There is no source 'nowhere.streams'"):
        open_source("nowhere.streams")


def test_opening_a_list_gives_all_its_cameras(tmp_path: Path) -> None:
    source = open_source(listing(tmp_path, "a test://cells\nb test://cells?seed=2\n"))
    assert isinstance(source, StreamSource)
    assert len(source.cameras) == 2
    assert (source.live, source.size, source.total) == (True, None, None)
