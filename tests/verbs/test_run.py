"""``edgeseg run`` as a user starts it: in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker, reference

from edgeseg.image import fit, read_mask, unfit
from edgeseg.runtime.engines.engine import open_engine
from edgeseg.runtime.sources.source import open_source

Answer = subprocess.CompletedProcess[str]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "edgeseg", "run", *map(str, words)]


def run(*words: object, timeout: float = 60) -> Answer:
    answer = subprocess.run(command(*words), capture_output=True, text=True, timeout=timeout, check=False)
    assert "Traceback" not in answer.stderr
    return answer


def frame_count(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.fixture
def artifact(tiny_artifact: ArtifactMaker) -> Path:
    return tiny_artifact("openvino").path


@pytest.mark.parametrize("model_format", ["onnx", "openvino"])
def test_a_clip_becomes_video_masks_and_lines(
    clip: Path, tiny_artifact: ArtifactMaker, tmp_path: Path, model_format: str
) -> None:
    artifact = tiny_artifact(model_format)
    video, masks, lines = tmp_path / "o.mp4", tmp_path / "masks", tmp_path / "o.jsonl"
    words = ["--save", video, "--no-legend", "--save-masks", masks, "--jsonl", lines]
    answer = run(artifact.path, "--source", clip, *words)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "40 frames in" in answer.stdout
    for stage in ("decode", "resize", "infer", "post", "sink video", "sink masks", "sink jsonl"):
        assert stage in answer.stdout
    assert frame_count(video) == 40
    assert len(lines.read_text().splitlines()) == 40
    slot = open_engine(artifact).open_slot()
    with open_source(str(clip)) as source:
        for frame in source:
            fit(frame.image, artifact.spec, out=slot.input)
            expected = unfit(slot.run().labels, artifact.spec, (48, 64))
            assert np.array_equal(read_mask(masks / f"{frame.index:06d}.png"), expected)


def test_json_says_what_the_table_says(clip: Path, artifact: Path) -> None:
    summary = json.loads(run(artifact, "--source", clip, "--json").stdout)
    assert (summary["frames"], summary["dropped"], summary["skipped"], summary["ended_early"]) == (40, 0, 0, False)
    assert summary["fps"] == pytest.approx(40 / summary["seconds"])
    assert summary["stages"]["infer"]["count"] == 40


def test_conf_takes_the_class_from_unsure_pixels(clip: Path, tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
    artifact = tiny_artifact("openvino")
    run(artifact.path, "--source", clip, "--save-masks", tmp_path, "--conf", "0.95")
    unsure = 0
    with open_source(str(clip)) as source:
        for frame in source:
            confidence = reference(fit(frame.image, artifact.spec), artifact.spec)[1]
            if np.any(np.abs(confidence.astype(int) - 242) <= 1):  # the engine may round the other way
                continue
            mask = read_mask(tmp_path / f"{frame.index:06d}.png")
            assert np.array_equal(mask == 255, unfit(confidence, artifact.spec, (48, 64)) < 242)
            unsure += np.count_nonzero(mask == 255)
    assert unsure > 0


def test_a_bad_file_in_a_folder_is_skipped_and_counted(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "abc":
        cv2.imwrite(str(tmp_path / "in" / f"{name}.png"), np.zeros((30, 40, 3), np.uint8))
    (tmp_path / "in" / "b.png").write_bytes(b"not an image")
    answer = run(artifact, "--source", tmp_path / "in", "--save-masks", tmp_path / "out", "--json")
    assert answer.returncode == 0
    assert (json.loads(answer.stdout)["frames"], json.loads(answer.stdout)["skipped"]) == (2, 1)
    assert "b.png" in answer.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_a_truncated_video_is_run_to_where_it_goes_and_said(sample_data: Path, artifact: Path, tmp_path: Path) -> None:
    source = sample_data / "malformed" / "video" / "truncated_60pct.mkv"
    answer = run(artifact, "--source", source, "--save", tmp_path / "o.mp4")
    assert answer.returncode == 0
    told = re.search(r"ended early: (\d+) of 89 frames", answer.stderr)
    assert told
    assert 30 < int(told[1]) < 80
    assert "the source ended early" in answer.stdout
    assert frame_count(tmp_path / "o.mp4") == int(told[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_files(artifact: Path, long_clip: Path, tmp_path: Path, number: signal.Signals) -> None:
    process = start(artifact, "--source", long_clip, "--save", tmp_path / "o.mp4", "--jsonl", tmp_path / "o.jsonl")
    wait_for_lines(tmp_path / "o.jsonl", 5)
    process.send_signal(number)
    sent = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - sent < 3
    assert (process.returncode, err) == (0, "")
    assert "stopped on request" in out
    lines = (tmp_path / "o.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == list(range(len(lines)))
    assert 5 <= frame_count(tmp_path / "o.mp4") == len(lines) < 3000


def test_recording_survives_sigkill(artifact: Path, long_clip: Path, tmp_path: Path) -> None:
    process = start(artifact, "--source", long_clip, "--save", tmp_path / "o.mp4", "--jsonl", tmp_path / "o.jsonl")
    wait_for_lines(tmp_path / "o.jsonl", 60)
    process.kill()
    process.communicate()
    assert not (tmp_path / "o.mp4").exists()
    assert frame_count(tmp_path / "o.partial.mp4") >= 20


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_lines(path: Path, count: int) -> None:
    deadline = time.monotonic() + 30
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < deadline, f"{path} has not grown"
        time.sleep(0.02)


def test_neither_torch_nor_onnx_nor_nncf_is_needed(clip: Path, tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'nncf'): sys.modules[name] = None\n"
        "from edgeseg.cli import main\n"
        "raise SystemExit(main(sys.argv[1:]))"
    )
    for model_format in ("onnx", "openvino"):
        words = ["run", tiny_artifact(model_format).path, "--source", clip, "--save", tmp_path / "o.mkv", "--no-legend"]
        answer = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, check=False)
        assert (answer.returncode, answer.stderr) == (0, b"")
        assert frame_count(tmp_path / "o.mkv") == 40


def in_a_small_disk(size: str, kept: Path, *words: object) -> Answer:
    """Run with /mnt as a file system of ``size``; what is left in it is copied to ``kept``."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("no user namespaces here, so no small disk can be made")
    script = f'mount -t tmpfs -o size={size} none /mnt && "$@"; code=$?; cp -r /mnt/. {kept}; exit $code'
    whole = ["unshare", "-rm", "sh", "-c", script, "sh", *command(*words)]
    return subprocess.run(whole, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("option", ["--save=o.mp4", "--save=o.mkv", "--jsonl=o.jsonl", "--save-masks=masks"])
def test_a_full_disk_is_one_sentence_and_nothing_looks_finished(
    artifact: Path, long_clip: Path, tmp_path: Path, option: str
) -> None:
    flag, name = option.split("=")
    answer = in_a_small_disk("128k", tmp_path, artifact, "--source", long_clip, f"{flag}=/mnt/{name}")
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "The disk is full" in answer.stderr
    for path in tmp_path.rglob("*"):
        assert path.suffix != ".tmp"
        if path.suffix == ".png":
            assert read_mask(path).shape == (120, 160)
        if path.suffix == ".jsonl":
            assert all(json.loads(line) for line in path.read_text().splitlines())
        if path.suffix in (".mp4", ".mkv"):
            assert path.name in answer.stderr
            with open_source(str(path), lambda _: None) as recorded:
                assert sum(1 for _ in recorded) >= 60


MISTAKES: list[tuple[Callable[[Path], list[object]], str]] = [
    (lambda tmp: ["--source", "nowhere.mp4"], "There is no source 'nowhere.mp4'"),
    (lambda tmp: ["--source", "77"], "There is no camera 77"),
    (lambda tmp: ["--source", "{clip}", "--save", "o.gif"], "--save takes a video (.mp4"),
    (lambda tmp: ["--source", "{clip}", "--save", "/proc/o.mp4"], "/proc"),
    (lambda tmp: ["--source", "{clip}", "--save", "{clip}"], "is read here and would be written over"),
    (lambda tmp: ["--source", "{clip}", "--conf", "50"], "--conf must lie between 0 and 1"),
    (lambda tmp: ["--source", "{clip}", "--device", "TOASTER"], "no device 'TOASTER'"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES)
def test_a_mistake_is_one_sentence_and_nothing_is_written(
    clip: Path, artifact: Path, tmp_path: Path, words: Callable[[Path], list[object]], sentence: str
) -> None:
    options = [str(word).format(clip=clip) for word in words(tmp_path)]
    answer = run(artifact, *options, "--jsonl", tmp_path / "o.jsonl", "--save-masks", tmp_path / "masks")
    assert answer.returncode == 2
    assert sentence in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert answer.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_source_must_be_given(artifact: Path) -> None:
    answer = run(artifact)
    assert answer.returncode == 2
    assert "--source" in answer.stderr


@pytest.mark.skipif("DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ, reason="there is a display")
def test_show_without_a_display_is_said_before_the_work(clip: Path, artifact: Path, tmp_path: Path) -> None:
    answer = run(artifact, "--source", clip, "--show", "--jsonl", tmp_path / "o.jsonl")
    assert answer.returncode == 2
    assert "no window can be opened here" in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_conf_without_a_confidence_output_says_how_to_export(clip: Path, tiny_artifact: ArtifactMaker) -> None:
    answer = run(tiny_artifact("openvino", confidence=False).path, "--source", clip, "--conf", 0.5)
    assert answer.returncode == 2
    assert "Export it again with --conf 0.5" in answer.stderr


def test_a_tampered_artifact_is_not_run(clip: Path, artifact: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(artifact, copy)
    with (copy / "model.bin").open("r+b") as stream:
        stream.write(b"\0\0\0\x40")
    answer = run(copy, "--source", clip)
    assert answer.returncode == 2
    assert "model.bin was changed" in answer.stderr


@pytest.mark.alone
def test_importing_the_runtime_is_quick(tmp_path: Path) -> None:
    """Little more than OpenCV and numpy themselves; benchmarks/pipeline.py has the seconds.

    As installed: compiled once and read from then on, wherever the environment would forbid it. The clock is of the
    importing thread alone, because the threads of numpy's linear algebra spin beside it as long as the import lasts.
    """
    clock = "import time; start = time.thread_time(); import {}; print(time.thread_time() - start)"
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}

    def cpu_s(modules: str) -> float:
        return float(subprocess.check_output([sys.executable, "-c", clock.format(modules)], env=environment))

    cpu_s("edgeseg.runtime.pipeline")
    pairs = [(cpu_s("edgeseg.runtime.pipeline"), cpu_s("cv2, numpy")) for _ in range(5)]
    assert min(ours for ours, _ in pairs) < 2 * min(floor for _, floor in pairs)


def test_importing_the_runtime_imports_no_engine() -> None:
    heavy = ("torch", "onnx", "nncf", "openvino", "onnxruntime", "av", "tqdm", "matplotlib")
    code = f"import sys, edgeseg.runtime.pipeline; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_run_of_a_file_imports_nothing_that_it_does_not_need(tiny_artifact: ArtifactMaker, clip: Path) -> None:
    """What took a tenth to a fifth of the time to the first mask: network, archives, OpenVINO's converter of models."""
    needless = ("ssl", "socket", "http.client", "email.parser", "tarfile", "zipfile", "difflib", "openvino.tools.ovc")
    words = ["run", str(tiny_artifact("openvino").path), "--source", str(clip), "--max-frames", "1"]
    code = f"import sys, edgeseg.cli as cli; cli.main({words}); print([m for m in {needless} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_a_mask_is_kept_while_nothing_changes_and_that_is_counted(artifact: Path, clip: Path, tmp_path: Path) -> None:
    lines = tmp_path / "o.jsonl"
    kept = ("--when-changed", "--change", "100", "--refresh", "1000", "--jsonl", lines)
    answer = run(artifact, "--source", clip, *kept, "--json")
    summary = json.loads(answer.stdout)
    assert (summary["frames"], summary["skipped_unchanged"], summary["stages"]["infer"]["count"]) == (40, 39, 1)
    assert [json.loads(line)["reused"] for line in lines.read_text().splitlines()] == [False] + [True] * 39
    assert "skipped unchanged 39 (98 %)" in run(artifact, "--source", clip, *kept[:5]).stdout
    refused = run(artifact, "--source", clip, "--refresh", "1")
    assert refused.returncode == 2
    assert "--refresh says when --when-changed infers" in refused.stderr
