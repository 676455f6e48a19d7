"""A camera, ``edgeseg run`` and its files together, while the world around them misbehaves."""

from __future__ import annotations

import datetime
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import av
import psutil
import pytest
from fault_camera import StartCamera
from linear_model import ArtifactMaker
from run_process import EDGESEG, RunProcess

FAULTY = str(Path(__file__).with_name("faulty_engine.py"))
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


@pytest.fixture(scope="module")
def artifact(tiny_artifact: ArtifactMaker) -> Path:
    return tiny_artifact("openvino").path


def lines_of(path: Path) -> list[dict[str, object]]:
    """Whole lines only: the last one may be in the middle of being written."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def wait_for_lines(path: Path, count: int, timeout_s: float = 30) -> None:
    due_s = time.monotonic() + timeout_s
    while len(lines_of(path)) < count:
        assert time.monotonic() < due_s, f"{path} has {len(lines_of(path))} lines of {count}"
        time.sleep(0.05)


def seconds_of(path: Path) -> float:
    """From the first to the last picture that can be decoded."""
    with av.open(str(path)) as container:
        times = [float(frame.time) for frame in container.decode(video=0) if frame.time is not None]
    return times[-1] - times[0]


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_at_most_a_second_of_a_recording_is_lost_to_sigkill(
    fault_camera: StartCamera, artifact: Path, tmp_path: Path, ending: str
) -> None:
    """All of it: supervisor, worker and camera process killed at once, as by a power cut."""
    camera, lines = fault_camera("ok", size="480x288", fps=25), tmp_path / "o.jsonl"
    with RunProcess(
        "run", artifact, "--source", camera.url, "--save", tmp_path / f"o.{ending}", "--jsonl", lines
    ) as run:
        wait_for_lines(lines, 130)
        for process in [*run.family(), run]:
            process.kill()
    written = lines_of(lines)
    first, last = (datetime.datetime.fromisoformat(str(written[at]["time"])) for at in (0, -1))
    lost_s = (last - first).total_seconds() - seconds_of(tmp_path / f"o.partial.{ending}")
    print(f"{ending}: {lost_s:.2f} s lost of {(last - first).total_seconds():.1f} s")
    assert lost_s <= 1.0


def test_what_a_killed_run_recorded_is_kept_by_the_next(artifact: Path, tmp_path: Path) -> None:
    source = "test://cells?fps=25&size=320x240"
    with RunProcess("run", artifact, "--source", source, "--save", tmp_path / "o.mkv") as run:
        run.wait_for("running")
        time.sleep(3)
        run.worker().kill()
        run.wait_for("recording-salvaged")
        time.sleep(2)
        assert run.stop()[0] == 0
    found = sorted(tmp_path.iterdir())
    assert len(found) == 2
    assert all(seconds_of(path) > 1 for path in found)
    assert not [path for path in found if "partial" in path.name]


def test_segments_are_closed_and_the_oldest_go(artifact: Path, tmp_path: Path) -> None:
    source = "test://cells?fps=25&size=320x240"
    flags = ("--save", tmp_path / "o.mkv", "--save-every", "1s", "--keep", "300KB")
    with RunProcess("run", artifact, "--source", source, *flags) as run:
        run.wait_for("deleted", 60)
        run.wait_for("deleted", 60)
        assert run.stop()[0] == 0
    found = sorted(tmp_path.iterdir())
    assert 1 <= sum(path.stat().st_size for path in found) <= 300_000
    assert all(seconds_of(path) > 0 for path in found[:-1])
    assert "000001" not in found[0].name


def test_a_disk_that_fills_stops_the_recording_and_never_the_inference(artifact: Path, tmp_path: Path) -> None:
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("no user namespaces here, so no small disk can be made")
    lines = tmp_path / "o.jsonl"
    script = f'mount -t tmpfs -o size=200k none /mnt && "$@"; code=$?; cp -r /mnt/. {tmp_path}; exit $code'
    program = ("unshare", "-rm", "sh", "-c", script, "sh", *EDGESEG)
    source = "test://cells?fps=25&size=320x240&frames=400"
    flags = ("--save", "/mnt/o.mkv", "--jsonl", lines)
    with RunProcess("run", artifact, "--source", source, *flags, program=program) as run:
        stopped = run.wait_for("recording-stopped", 60)
        assert stopped["reason"] == "disk-full"
        before = len(lines_of(lines))
        assert run.wait(60) == 0
    assert len(lines_of(lines)) > before + 25
    assert "worker-lost" not in run.kinds()
    assert seconds_of(next(tmp_path.glob("o*.mkv"))) > 0.5


@pytest.mark.alone
def test_a_slow_engine_gets_fresh_pictures_and_the_others_are_counted(
    fault_camera: StartCamera, artifact: Path, tmp_path: Path
) -> None:
    """Of 25 a second it takes 3. None waits for it longer than it needs for one."""
    camera, lines = fault_camera("ok", fps=25), tmp_path / "o.jsonl"
    program = (sys.executable, FAULTY, "slow", "0", "1", str(tmp_path / "ledger"))
    words = ("run", artifact, "--source", camera.url, "--jsonl", lines, "--slots", "1", "--json")
    with RunProcess(*words, program=program) as run:
        wait_for_lines(lines, 30, 60)
        assert run.stop()[0] == 0
    summary = json.loads(run.stdout)
    ages = [float(str(line["latency_ms"])) for line in lines_of(lines)]
    first, last = (statistics.median(part) for part in (ages[2:12], ages[-10:]))
    print(f"slow engine: age {first:.0f} ms, then {last:.0f} ms; {summary['dropped']} of {summary['received']} dropped")
    assert max(ages[1:]) < 1000
    assert last < first + 100
    assert summary["dropped"] + summary["stale"] + summary["frames"] == pytest.approx(summary["received"], abs=3)
    assert summary["dropped"] > summary["frames"]


def test_sigterm_during_a_stall_leaves_a_file_that_plays(
    fault_camera: StartCamera, artifact: Path, tmp_path: Path
) -> None:
    camera = fault_camera("ok")
    with RunProcess("run", artifact, "--source", camera.url, "--save", tmp_path / "o.mp4") as run:
        run.wait_for("running")
        time.sleep(2)
        camera.freeze()
        time.sleep(1)
        code, seconds = run.stop()
        camera.thaw()
    assert (code, seconds < 3) == (0, True), run.stderr
    assert seconds_of(tmp_path / "o.mp4") > 1


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed (Debian: apt install libfaketime)")
@pytest.mark.parametrize("hours", [1, -1])
def test_a_wall_clock_that_jumps_changes_nothing_but_the_time_that_is_written(
    fault_camera: StartCamera, artifact: Path, tmp_path: Path, hours: int
) -> None:
    clock, lines = tmp_path / "clock", tmp_path / "o.jsonl"
    clock.write_text("+0")
    environment = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    camera = fault_camera("ok", size="480x288", fps=10)
    flags = ("--save", tmp_path / "o.mkv", "--save-every", "1h", "--jsonl", lines, "--timeout", "3")
    with RunProcess("run", artifact, "--source", camera.url, *flags, environment=environment) as run:
        wait_for_lines(lines, 30)
        clock.write_text(f"{hours:+d}h")
        at = len(lines_of(lines))
        wait_for_lines(lines, at + 40, 20)
        code, seconds = run.stop()
    assert (code, seconds < 3) == (0, True)
    assert set(run.kinds()) <= {"connected", "running", "recording", "recorded", "status"}
    times = [datetime.datetime.fromisoformat(str(line["time"])) for line in lines_of(lines)]
    steps = [(b - a).total_seconds() for a, b in itertools.pairwise(times)]
    jumps = [step for step in steps if abs(step) > 600]
    assert len(jumps) == 1
    assert jumps[0] == pytest.approx(hours * 3600, abs=30)
    assert max(float(str(line["latency_ms"])) for line in lines_of(lines)) < 2000
    assert len(list(tmp_path.glob("o-*.mkv"))) == 1


def test_two_cameras_are_recorded_apart_and_one_bad_does_not_stop_the_other(
    fault_camera: StartCamera, artifact: Path, tmp_path: Path
) -> None:
    good, bad = fault_camera("ok", fps=10), fault_camera("ok", fps=10)
    streams, lines = tmp_path / "two.streams", tmp_path / "o.jsonl"
    streams.write_text(f"door {good.url}\nyard {bad.url}\n")
    flags = ("--save", tmp_path / "o.mkv", "--jsonl", lines, "--timeout", "1")
    with RunProcess("run", artifact, "--source", streams, *flags) as run:
        run.wait_for("recording", source="yard")
        wait_for_lines(lines, 30)
        bad.kill()
        run.wait_for("lost", source="yard")
        at = len(lines_of(lines))
        wait_for_lines(lines, at + 40)
        assert run.stop()[0] == 0
    after = [line["source"] for line in lines_of(lines)[at + 1 :]]
    assert set(after) == {"door"}
    assert {path.name for path in tmp_path.glob("o-*.mkv")} == {"o-door.mkv", "o-yard.mkv"}
    assert all(seconds_of(path) > 0.3 for path in tmp_path.glob("o-*.mkv"))


@pytest.mark.parametrize("names", [("small", "large"), ("large", "small")])
def test_a_camera_whose_pictures_are_smaller_than_the_region_ends_no_other(
    artifact: Path, tmp_path: Path, names: tuple[str, str]
) -> None:
    streams, lines = tmp_path / "two.streams", tmp_path / "o.jsonl"
    sizes = {"small": "64x48", "large": "320x240"}
    streams.write_text("".join(f"{name} test://cells?fps=25&size={sizes[name]}\n" for name in names))
    words = ("run", artifact, "--source", streams, "--roi", "0,0,200,200", "--jsonl", lines, "--json")
    with RunProcess(*words) as run:
        refused = run.wait_for("refused", source="small")
        wait_for_lines(lines, 50)
        assert run.stop()[0] == 0
    assert refused["reason"] == "region"
    assert "small gives 64x48 pixels" in refused["message"]
    assert {line["source"] for line in lines_of(lines)} == {"large"}
    assert run.kinds().count("refused") == 1
    assert json.loads(run.stdout)["skipped"] > 10


def test_a_limit_on_address_space_is_kept_and_one_that_is_too_low_is_a_sentence(artifact: Path) -> None:
    """As ``LimitAS=`` sets it: soft and hard."""
    words = f"run {artifact} --source 'test://cells?fps=25&size=320x240&frames=10'"
    for kilobytes, code in ((3_500_000, 0), (1_500_000, 3), (500_000, 3)):
        command = f"ulimit -v {kilobytes}; exec {sys.executable} -m edgeseg {words}"
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        if code:
            assert f"may address {kilobytes * 1024 / 1e9:.1f} GB of memory" in done.stderr
            assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc here")
@pytest.mark.parametrize(
    "source",
    [
        pytest.param(
            "gst://videotestsrc name=hunter22 is-live=true ! video/x-raw,width=64,height=48",
            marks=pytest.mark.skipif(not shutil.which("gst-launch-1.0"), reason="no GStreamer here"),
            id="gst",
        ),
        pytest.param("rtsp://user:hunter22@127.0.0.1:{port}/live", id="rtsp"),
    ],
)
def test_no_process_shows_a_password_to_others(
    source: str, artifact: Path, fault_camera: StartCamera, tmp_path: Path
) -> None:
    """Neither in its command line nor in its environment."""
    port = fault_camera("ok").port if "{port}" in source else 0
    config = tmp_path / "camera.toml"
    config.write_text(f'artifact = "{artifact}"\nsource = "{source.replace("{port}", str(port))}"\n')
    with RunProcess("run", "--config", config) as run:
        run.wait_for("running", 60)
        family = [Path(f"/proc/{process.pid}") for process in (psutil.Process(run.pid), *run.family())]
        assert len(family) >= (4 if source.startswith("gst") else 3)
        for process in family:
            assert b"hunter22" not in (process / "cmdline").read_bytes()
            assert b"hunter22" not in (process / "environ").read_bytes()
