"""Where the results of ``edgeseg run`` go: pipes, devices, long names, runs that share a file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes and devices have names")
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
Answer = subprocess.CompletedProcess[str]
RUN = (sys.executable, "-m", "edgeseg", "run")


@pytest.fixture
def artifact(tiny_artifact: ArtifactMaker) -> Path:
    return tiny_artifact("openvino").path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((24, 32, 3), 90, np.uint8))
    return folder


def run(*words: object) -> Answer:
    answer = subprocess.run([*RUN, *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in answer.stderr
    return answer


def test_lines_go_through_a_pipe(artifact: Path, pictures: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        answer = run(artifact, "--source", pictures, "--jsonl", pipe)
        lines = reader.communicate(timeout=20)[0].splitlines()
    assert answer.returncode == 0, answer.stderr
    assert [json.loads(line)["name"] for line in lines] == ["0.png", "1.png", "2.png"]


def test_standard_output_has_the_lines_and_nothing_else(artifact: Path, pictures: Path) -> None:
    answer = run(artifact, "--source", pictures, "--jsonl", "/dev/stdout")
    assert answer.returncode == 0
    assert [json.loads(line)["index"] for line in answer.stdout.splitlines()] == [0, 1, 2]
    assert "3 frames in" in answer.stderr


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_a_camera_writes_into_what_bash_makes_of_a_command(artifact: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = " ".join(f"'{word}'" for word in [*RUN, artifact, "--source", "test://cells?fps=20", "--max-frames=5"])
    script = f"{words} --jsonl >(cat > '{out}'); wait; sleep 0.3"
    subprocess.run(["bash", "-c", script], check=True, timeout=60, capture_output=True)
    assert len(out.read_text().splitlines()) == 5


@needs_full
@pytest.mark.parametrize("words", [["--jsonl", "/dev/full"], ["--jsonl", "{pipe}"]])
def test_a_sink_that_takes_nothing_is_one_sentence(
    artifact: Path, pictures: Path, tmp_path: Path, words: list[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    answer = run(artifact, "--source", pictures, *[word.format(pipe=tmp_path / "pipe") for word in words])
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert any(sentence in answer.stderr for sentence in ("The disk is full: /dev/full", "Nobody reads"))


@needs_full
@pytest.mark.parametrize(
    "words",
    [
        ["run", "{artifact}", "--source", "{pictures}", "--json"],
        ["run", "{artifact}", "--source", "{pictures}"],
        ["check", "{artifact}", "--json"],
        ["inspect", "{artifact}", "--json"],
        ["inspect", "{artifact}"],
        ["bench", "{artifact}", "--seconds", "0.2", "--json"],
        ["doctor", "--json"],
        ["doctor"],
        ["--help"],
        ["run", "--help"],
        ["--version"],
    ],
)
def test_a_full_standard_output_is_one_sentence(artifact: Path, pictures: Path, words: list[str]) -> None:
    command = [word.format(artifact=artifact, pictures=pictures) for word in words]
    with open("/dev/full", "w") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "edgeseg", *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert answer.returncode == 2, answer
    assert "Standard output cannot be written: No space left on device" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "Exception ignored" not in answer.stderr


def test_an_image_with_the_longest_name_has_a_mask(artifact: Path, pictures: Path, tmp_path: Path) -> None:
    for name in ("x" * 251 + ".png", "ä" * 125 + "y.png", "x" * 250 + ".jpeg"):
        (pictures / name).write_bytes((pictures / "0.png").read_bytes())
    out = tmp_path / "out"
    for _ in range(2):
        words = ["--save-masks", out, "--jsonl", tmp_path / "x.jsonl", "--save", tmp_path / "drawn/"]
        answer = run(artifact, "--source", pictures, *words)
        assert answer.returncode == 0, answer.stderr
        assert len(os.listdir(out)) == len(os.listdir(tmp_path / "drawn")) == 6
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 6


def test_two_cameras_runs_share_one_file_of_lines(artifact: Path, tmp_path: Path) -> None:
    path, masks = tmp_path / "x.jsonl", tmp_path / "masks"
    words = [artifact, "--source", "test://cells?fps=50&size=64x48", "--max-frames=40", "--no-supervise"]
    command = [*RUN, *map(str, words), "--jsonl", str(path), "--save-masks", str(masks), "--jsonl-keep=8KB", "--json"]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
    said = [each.communicate(timeout=60)[0] for each in runs]
    assert [each.returncode for each in runs] == [0, 0]
    dropped = sum(json.loads(summary)["sink_dropped"].get("masks", 0) for summary in said)
    pieces = sorted(tmp_path.glob("*.jsonl"))
    assert len(pieces) > 3
    assert sum(piece.stat().st_size for piece in pieces) <= 8000
    assert all(json.loads(line)["classes"] for piece in pieces for line in piece.read_text().splitlines())
    assert len(os.listdir(masks)) == 80 - dropped
    assert dropped < 40


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--jsonl-keep=1GB"], "--jsonl-keep needs something to apply to: give --jsonl FILE too."),
        (["--masks-keep=1GB"], "give --save-masks DIR too"),
        (["--jsonl=x.jsonl", "--jsonl-every=soon"], "as in 10min, 1d, 100MB or 1GB; found 'soon'"),
        (["--jsonl=x.jsonl", "--jsonl-every=1GB", "--jsonl-keep=1GB"], "at least twice --jsonl-every"),
    ],
)
def test_what_cannot_be_meant_is_said(artifact: Path, pictures: Path, words: list[str], sentence: str) -> None:
    answer = run(artifact, "--source", pictures, *words)
    assert answer.returncode == 2
    assert sentence in answer.stderr
