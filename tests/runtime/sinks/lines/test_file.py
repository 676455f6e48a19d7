"""JSON lines whatever rotates, moves or cuts their file, and into what is no file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeseg.errors import OutputError, UserError
from edgeseg.runtime.sinks.lines.file import LineFile
from edgeseg.runtime.sinks.lines.pieces import Pieces, Rotation
from edgeseg.runtime.sinks.lines.stream import LineStream, is_stream

posix = pytest.mark.skipif(os.name != "posix", reason="moves and locks open files")
WRITER = """
import sys
from pathlib import Path
from edgeseg.runtime.sinks.lines.file import LineFile
from edgeseg.runtime.sinks.lines.pieces import Pieces, Rotation
path, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
every = int(sys.argv[4]) or None
out = LineFile(path, Pieces(path, Rotation(every_bytes=every), True, lambda *_, **__: None))
for number in range(count):
    out.write(b'{"source": "%s", "index": %d, "media_s": null, "fill": "%s"}\\n' % (who.encode(), number, b"x" * 150))
"""


def line(index: int, media_s: float | None = None, source: str = "door") -> bytes:
    return json.dumps({"source": source, "index": index, "media_s": media_s}).encode() + b"\n"


def line_file(path: Path, anew: bool = False, live: bool = True, **rotation: int | float | None) -> LineFile:
    return LineFile(path, Pieces(path, Rotation(**rotation), live, lambda *_, **__: None), anew)  # type: ignore[arg-type]


def indices(*paths: Path) -> list[int]:
    return [json.loads(text)["index"] for path in paths for text in path.read_bytes().splitlines()]


@posix
def test_two_writers_and_a_rotation_leave_every_line_whole(tmp_path: Path) -> None:
    path, count = tmp_path / "x.jsonl", 3000
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), who, str(count), "40000"]) for who in ("a", "b")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    pieces = sorted(tmp_path.glob("*.jsonl"))
    found = [json.loads(text) for piece in pieces for text in piece.read_bytes().splitlines()]
    for who in ("a", "b"):
        assert sorted(each["index"] for each in found if each["source"] == who) == list(range(count))
    assert len(pieces) > 20
    assert max(piece.stat().st_size for piece in pieces) <= 40000


@posix
def test_lines_go_on_in_a_new_file_when_theirs_was_moved(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    out = line_file(path)
    out.write(line(0))
    path.rename(tmp_path / "x.jsonl.1")
    out.write(line(1))
    path.unlink()
    out.write(line(2))
    assert (indices(tmp_path / "x.jsonl.1"), indices(path)) == ([0], [2])


@posix
def test_the_file_that_logrotate_creates_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    out = line_file(path, anew=True)
    out.write(line(0))
    path.rename(tmp_path / "x.jsonl.1")
    path.write_bytes(line(7))
    out.write(line(1))
    assert indices(path) == [7, 1]


def test_a_file_that_was_copied_and_cut_short_goes_on_without_holes(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    out = line_file(path)
    for number in range(3):
        out.write(line(number))
    shutil.copy(path, tmp_path / "x.jsonl.1")
    os.truncate(path, 0)
    out.write(line(3))
    assert path.read_bytes() == line(3)
    os.truncate(path, 5)
    out.write(line(4))
    assert path.read_bytes() == line(3)[:5] + b"\n" + line(4)


@posix
def test_a_file_is_begun_anew_by_one_run_only(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    camera, other = line_file(path), line_file(path)
    camera.write(line(0))
    other.write(line(1))
    with pytest.raises(OutputError, match="is being written by another run"):
        line_file(path, anew=True).write(line(2))
    assert indices(path) == [0, 1]
    camera.close()
    other.close()
    sole = line_file(path, anew=True)
    sole.write(line(3))
    with pytest.raises(OutputError, match="is being written by another run"):
        line_file(path).write(line(4))
    assert indices(path) == [3]


def test_a_line_for_which_the_disk_has_no_room_is_not_there_in_part(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from edgeseg.errors import OutputError\n"
        "from edgeseg.runtime.sinks.lines.file import LineFile\n"
        "from edgeseg.runtime.sinks.lines.pieces import Pieces, Rotation\n"
        "path = Path(sys.argv[1])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "out = LineFile(path, Pieces(path, Rotation(), True, print))\n"
        "out.write(b'{\"index\": 0}\\n')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))\n"
        "try:\n"
        "    out.write(b'{\"index\": 1}\\n')\n"
        "except OutputError:\n"
        "    print('refused')\n"
    )
    assert resource
    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "x.jsonl")], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "refused\n"
    assert indices(tmp_path / "x.jsonl") == [0]


def test_the_oldest_full_files_go_and_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    foreign = [tmp_path / name for name in ("x-000001-20200101T000000Z.jsonl", "x-notes.jsonl", "x.jsonl.1", "y.jsonl")]
    for each in foreign:
        each.write_text("mine\n")
    batch = tmp_path / "x-000002-20200101T000000Z.jsonl"
    batch.write_bytes(line(0, media_s=0.1))
    out = line_file(path, keep_bytes=4000)
    for number in range(500):
        out.write(line(number))
    assert [each.read_text() for each in foreign] == ["mine\n"] * 4
    assert indices(batch) == [0]
    pieces = sorted(set(tmp_path.glob("x-0*.jsonl")) - {foreign[0], batch})
    assert sum(each.stat().st_size for each in [*pieces, path]) <= 4000
    assert indices(*pieces, path) == list(range(500))[-len(indices(*pieces, path)) :]
    assert len(indices(*pieces, path)) > 50


def test_a_file_is_full_after_its_time_also_across_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"source": "a", "index": 0, "time": "2020-01-01T00:00:00.000+00:00", "media_s": null}\n')
    now_s = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    out = line_file(path, every_s=60)
    out.write(line(1))
    now_s = 1059.0
    out.write(line(2))
    now_s = 1061.0
    out.write(line(3))
    assert [indices(each) for each in sorted(tmp_path.iterdir())] == [[0], [1, 2], [3]]


def test_a_rotation_that_could_keep_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="at least twice `jsonl_every`; found 150 MB and 100 MB"):
        Rotation(every_bytes=100_000_000, keep_bytes=150_000_000).check()


@posix
def test_a_pipe_gets_the_lines(tmp_path: Path) -> None:
    path, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    out = LineStream(path, 5.0)
    for number in range(3):
        out.write(line(number))
    out.close()
    reader.join(10)
    assert is_stream(path)
    assert got == [line(0) + line(1) + line(2)]


@posix
def test_a_pipe_without_a_reader_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="Nobody reads"):
        LineStream(tmp_path / "pipe").write(line(0))


@posix
def test_a_reader_that_goes_away_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    out = LineStream(tmp_path / "pipe")
    out.write(line(0))
    os.close(reader)
    with pytest.raises(OutputError, match="Nobody reads"):
        out.write(line(1))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="The disk is full: /dev/full"):
        LineStream(Path("/dev/full")).write(line(0))


@posix
@pytest.mark.parametrize("redirect", ["> {}", ">> {}", "| cat > {}"])
def test_standard_output_takes_lines_after_what_it_holds(tmp_path: Path, redirect: str) -> None:
    script = (
        "import os\n"
        "from pathlib import Path\n"
        "from edgeseg.runtime.sinks.lines.stream import LineStream\n"
        "os.write(1, b'before\\n')\n"
        "out = LineStream(Path('/dev/stdout'))\n"
        "out.write(b'{}\\n')\n"
        "out.close()\n"
        "os.write(1, b'after\\n')\n"
    )
    path = tmp_path / "out"
    words = f"'{sys.executable}' -c \"$SCRIPT\" {redirect.format(path)}"
    subprocess.run(words, shell=True, check=True, env={**os.environ, "SCRIPT": script})
    assert path.read_text() == "before\n{}\nafter\n"


def test_writing_a_line_is_cheap(tmp_path: Path) -> None:
    def best_ms(write: Callable[[bytes], object]) -> float:
        times = []
        for number in range(500):
            began_s = time.perf_counter()
            write(line(number))
            times.append(time.perf_counter() - began_s)
        return sorted(times)[len(times) // 2] * 1e3

    assert best_ms(line_file(tmp_path / "x.jsonl", keep_bytes=10**9, every_s=3600).write) < 1
