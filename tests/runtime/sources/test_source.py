from __future__ import annotations

import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from edgeseg.errors import SourceError
from edgeseg.image import read_image
from edgeseg.runtime.frames.frame import Frame
from edgeseg.runtime.frames.source_protocol import Source
from edgeseg.runtime.sources.source import open_source


def read(text: str | Path) -> tuple[list[Frame], Source, list[str]]:
    said: list[str] = []
    with open_source(str(text), said.append) as source:
        return list(source), source, said


def write_images(folder: Path, count: int = 3, ending: str = "png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"shot{number}.{ending}"), np.full((20, 30, 3), number * 40, np.uint8))
    return folder


def test_a_video_gives_every_frame_in_order(clip: Path) -> None:
    frames, source, said = read(clip)
    assert [frame.index for frame in frames] == list(range(40))
    brightness = [int(frame.image.mean()) for frame in frames]
    assert brightness == sorted(brightness)
    assert brightness[-1] > brightness[0] + 200
    assert [round(frame.media_s or 0, 3) for frame in frames[:3]] == [0, 0.05, 0.1]
    assert (source.fps, source.total, source.size, source.live, said) == (20.0, 40, (48, 64), False, [])
    assert not source.ended_early


def test_video_frames_have_the_colours_of_the_file(clip: Path) -> None:
    frames, _, _ = read(clip)
    with av.open(str(clip)) as container:
        expected = next(container.decode(video=0)).to_ndarray(format="bgr24")
    assert np.array_equal(frames[0].image, expected)


def test_frames_stay_as_they_are_while_more_are_read(clip: Path) -> None:
    with open_source(str(clip)) as source:
        frames = iter(source)
        first = next(frames)
        before = first.image.copy()
        list(frames)
    assert np.array_equal(first.image, before)


def test_a_phone_video_is_turned_upright(tmp_path: Path) -> None:
    path = tmp_path / "turned.mov"
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32] = 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4 + 40  # version and flags, times, ids, duration, layer, group, volume
    quarter_turn = np.array([0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000], ">i4").tobytes()
    path.write_bytes(data[:at] + quarter_turn + data[at + 36 :])
    frames, _, _ = read(path)
    image = frames[0].image
    assert image.shape == (64, 48, 3)
    assert image[:30].mean() > 220  # clockwise: the left side comes to the top
    assert image[34:].mean() < 30


@pytest.mark.parametrize("name", ["intel_asl_walk.mkv", "udacity_solidWhiteRight.mp4", "opencv_vtest.avi"])
def test_real_clips_are_read_whole(data_dir: Path, name: str) -> None:
    frames, source, said = read(data_dir / "clips" / name)
    assert len(frames) == source.total
    assert (source.skipped, source.ended_early, said) == (0, False, [])


def test_a_truncated_video_is_read_to_where_it_goes(sample_data: Path) -> None:
    frames, source, said = read(sample_data / "malformed" / "video" / "truncated_60pct.mkv")
    assert 30 < len(frames) < 80
    assert source.ended_early
    assert len(said) == 1
    assert f"ended early: {len(frames)} of 89 frames" in said[0]


def test_a_cut_mp4_ends_early_and_counts_the_damaged_frame(data_dir: Path, tmp_path: Path) -> None:
    whole = data_dir / "clips" / "intel_one-by-one-person.mp4"
    cut = tmp_path / "cut.mp4"
    with whole.open("rb") as stream:
        cut.write_bytes(stream.read(whole.stat().st_size // 8))
    frames, source, said = read(cut)
    assert frames
    assert (source.ended_early, source.skipped) == (True, 1)
    assert "ended early" in said[-1]


def test_flipped_bytes_never_become_frames(clip: Path, tmp_path: Path) -> None:
    data = bytearray(clip.read_bytes())
    start = data.index(b"mdat") + 4
    for at in range(start + (len(data) - start) // 2, start + (len(data) - start) // 2 + 60):
        data[at] ^= 0xFF
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    frames, source, said = read(broken)
    assert source.skipped == 40 - len(frames) > 0
    assert "damaged frame" in said[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"not a video\n" * 400),
        ("page.mp4", b"<!DOCTYPE html><html></html>"),
        ("pointer.mp4", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"),
    ],
)
def test_what_is_no_video_is_refused_before_work(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=f"{name} .{len(content)} bytes. is not a video"):
        open_source(str(tmp_path / name))


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:{clip}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{clip}'\n",
    ],
)
def test_a_playlist_named_mp4_opens_no_other_file(clip: Path, tmp_path: Path, playlist: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text(playlist.format(clip=clip))
    shutil.copy(clip, tmp_path / "inner.mp4")
    with pytest.raises(SourceError, match="not a video"):
        open_source(str(path))


def test_a_folder_gives_its_images_by_name(tmp_path: Path) -> None:
    frames, source, _ = read(write_images(tmp_path))
    assert [frame.name for frame in frames] == ["shot0.png", "shot1.png", "shot2.png"]
    assert np.array_equal(frames[2].image, read_image(tmp_path / "shot2.png"))
    assert source.total == 3


def test_a_bad_file_in_a_folder_is_said_skipped_and_counted(tmp_path: Path) -> None:
    write_images(tmp_path)
    (tmp_path / "shot1.png").write_bytes((tmp_path / "shot1.png").read_bytes()[:60])
    frames, source, said = read(tmp_path)
    assert [frame.index for frame in frames] == [0, 2]
    assert source.skipped == 1
    assert "shot1.png" in said[0]
    assert "truncated" in said[0]


def test_a_folder_of_only_bad_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(SourceError, match="None of the 1 images"):
        read(tmp_path)


def test_the_collection_of_bad_images_is_survived(data_dir: Path) -> None:
    frames, source, said = read(data_dir / "malformed" / "images")
    assert len(frames) + source.skipped == source.total
    assert "2 pictures of a kind that is not read: decompression_bomb.gif, zero_width.gif" in said[0]
    assert source.skipped == len(said) + 1 > 1
    assert {frame.image.dtype for frame in frames} == {np.dtype(np.uint8)}


def test_pictures_of_other_kinds_are_counted_and_named(tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    for name in ("a.heic", "b.AVIF", "c.gif", "notes.txt", ".hidden.heic"):
        (tmp_path / name).write_bytes(b"x")
    for text in (tmp_path, tmp_path / "*"):
        frames, source, said = read(text)
        assert [frame.name for frame in frames] == ["shot0.png", "shot1.png"]
        assert source.skipped == 3
        assert "3 pictures of a kind that is not read: a.heic, b.AVIF, c.gif." in said[0]
    for path in tmp_path.glob("*.png"):
        path.unlink()
    with pytest.raises(SourceError, match=r"No images .* 3 pictures of a kind that is not read: a\.heic"):
        read(tmp_path)


def test_every_page_and_every_picture_of_an_animation_is_a_frame(tmp_path: Path) -> None:
    pictures = [Image.fromarray(np.full((20, 30, 3), 40 * number, np.uint8)) for number in range(4)]
    for name in ("a.tif", "b.png", "c.webp"):
        options = {"lossless": True} if name == "c.webp" else {}
        pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], **options)
    frames, source, said = read(tmp_path)
    assert [(frame.name, int(frame.image[0, 0, 0])) for frame in frames] == [
        (name, 40 * number) for name in ("a.tif", "b.png", "c.webp") for number in range(4)
    ]
    assert [frame.index for frame in frames] == list(range(12))
    assert (source.skipped, said) == (0, [])


def test_an_animated_gif_is_a_video(data_dir: Path) -> None:
    frames, source, said = read(data_dir / "field" / "14-video" / "anim.gif")
    with Image.open(data_dir / "field" / "14-video" / "anim.gif") as image:
        wanted = [np.asarray(picture.convert("RGB"))[..., ::-1] for picture in ImageSequence.Iterator(image)]
    assert [np.array_equal(frame.image, picture) for frame, picture in zip(frames, wanted, strict=True)] == [
        True
    ] * len(wanted)
    assert (source.ended_early, said) == (False, [])


def test_a_glob_gives_what_it_matches(tmp_path: Path) -> None:
    write_images(tmp_path / "a")
    write_images(tmp_path / "b", 1, "jpg")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    assert [frame.name for frame in read(f"{tmp_path}/**/*[01].*")[0]] == ["shot0.png", "shot1.png", "shot0.jpg"]


def test_one_image_is_a_source(tmp_path: Path) -> None:
    write_images(tmp_path)
    assert [frame.name for frame in read(tmp_path / "shot1.png")[0]] == ["shot1.png"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nowhere.mp4", "There is no source 'nowhere.mp4'"),
        ("nothing/*.jpg", "matches 0 files and no image"),
        ("rtmp://user:secret@camera/1", r"rtmp://\*\*\*@camera/1 is not a stream edgeseg reads"),
        ("rtsp://", "names nothing after rtsp://"),
        ("test://dogs", "is not a test picture"),
        ("test://cells?size=huge", "size is WIDTHxHEIGHT"),
        ("test://cells?colour=red", "no option 'colour'"),
        ("/dev/videos", "A camera is an index"),
    ],
)
def test_a_source_that_is_not_there_is_named(text: str, sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence) as raised:
        open_source(text)
    assert "secret" not in str(raised.value)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No images in"):
        open_source(str(tmp_path))


@pytest.mark.skipif(Path("/dev/video77").exists(), reason="this machine has 78 cameras")
@pytest.mark.parametrize("text", ["77", "/dev/video77"])
def test_without_the_camera_the_ones_found_are_named(text: str) -> None:
    with pytest.raises(SourceError, match=f"no camera {text}; cameras found in /dev/video.: "):
        open_source(text)
