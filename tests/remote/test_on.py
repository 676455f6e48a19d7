"""``--on user@box``: a check, a benchmark and a comparison on another machine, from the keys to what comes back."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest
from linear_model import ArtifactMaker
from loopback_box import Box

from edgeseg.artifact import Artifact
from edgeseg.ci.history import read_rows
from edgeseg.cli import main
from edgeseg.runtime.engines.precision import read_proofs

Capture = pytest.CaptureFixture[str]
BENCH = ("--seconds", "0.2")


def test_bench_there_prints_what_it_prints_here(box: Box, tiny_artifact: ArtifactMaker, capsys: Capture) -> None:
    assert main(["bench", str(tiny_artifact("onnx").path), *BENCH, "--json", *box.words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["artifact"] == "tiny-fp32-onnx"
    assert found["latency"]["runs"] > 0


@pytest.mark.long
def test_a_check_there_leaves_here_all_that_was_asked_for(
    box: Box, proven: tuple[Path, Path], tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact, data = proven
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    files = {name: tmp_path / f"my {name}" for name in ("junit", "markdown", "history", "plot")}
    files["plot"] = tmp_path / "plot.svg"
    flags = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    words = ["check", str(artifact), "--data", str(data), "--github", "--commit", "abc", *flags, *box.words]
    assert main(words) == 0, capsys.readouterr().err
    said = capsys.readouterr()
    assert "passed  mIoU drop in points" in said.out
    assert str(box.temporary) not in said.out + said.err
    suite = ElementTree.parse(files["junit"]).getroot()
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    assert "check tiny-fp32-onnx: passed" in files["markdown"].read_text(encoding="utf-8")
    assert "check tiny-fp32-onnx: passed" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    (row,) = read_rows(files["history"])
    assert (row.commit_id, row.verdict, row.artifact) == ("abc", "passed", "tiny-fp32-onnx")
    assert files["plot"].is_file()


@pytest.mark.long
@pytest.mark.alone
def test_a_baseline_keeps_what_several_checks_there_saved(
    box: Box, proven: tuple[Path, Path], tmp_path: Path, capsys: Capture
) -> None:
    artifact, saved = proven[0], tmp_path / "my baseline.json"
    for _ in range(2):
        assert main(["check", str(artifact), "--save-baseline", str(saved), *box.words]) == 0
    assert str(saved) in capsys.readouterr().err
    devices = json.loads(saved.read_text(encoding="utf-8"))["devices"]
    assert [list(one["models"]) for one in devices] == [["tiny fp32 onnx"]]
    held = ["--baseline", str(saved), "--max-slowdown", "50"]
    assert main(["check", str(artifact), *held, *box.words]) == 0


def test_a_table_of_a_check_there_is_written_here(box: Box, proven: tuple[Path, Path], tmp_path: Path) -> None:
    artifact, data = proven
    assert main(["check", str(artifact), "--data", str(data), "--markdown", str(tmp_path / "c.md"), *box.words]) == 0
    assert "| mIoU drop in points | passed | 0 |" in (tmp_path / "c.md").read_text(encoding="utf-8")


def test_a_gate_that_fails_there_fails_here(box: Box, proven: tuple[Path, Path], capsys: Capture) -> None:
    assert main(["check", str(proven[0]), "--max-latency-ms", "1e-9", *box.words]) == 1
    said = capsys.readouterr()
    assert "FAILED  median latency in ms" in said.out
    assert "edgeseg check: 1 of 1 gates failed." in said.err


def test_what_verify_proves_there_is_written_here(
    box: Box, proven: tuple[Path, Path], tmp_path: Path, capsys: Capture
) -> None:
    artifact = shutil.copytree(proven[0], tmp_path / proven[0].name)
    words = ["verify", str(proven[0]), str(artifact), "--data", str(proven[1]), "--device", "CPU", *box.words]
    assert main(words) == 0, capsys.readouterr().err
    assert f"proven  {artifact}: f32 on CPU" in capsys.readouterr().err
    (proof,) = read_proofs(Artifact.open(artifact))
    assert proof["device"] == "CPU"


def test_only_the_pictures_of_the_proof_travel(box: Box, proven: tuple[Path, Path], tmp_path: Path) -> None:
    data = shutil.copytree(proven[1], tmp_path / "data")
    (data / "images" / "train").mkdir()
    with (data / "images" / "train" / "large.png").open("wb") as file:
        file.truncate(1 << 40)
    start = time.monotonic()
    assert main(["check", str(proven[0]), "--data", str(data), *box.words]) == 0
    assert time.monotonic() - start < 60


class TestNoWay:
    """Exit code 3, one sentence, and never a question."""

    @pytest.fixture(autouse=True)
    def _artifact(self, tiny_artifact: ArtifactMaker) -> None:
        self.artifact = str(tiny_artifact("onnx").path)

    def say(self, capsys: Capture, *words: str) -> str:
        start = time.monotonic()
        assert main(["bench", self.artifact, *words]) == 3
        assert time.monotonic() - start < 30
        said = capsys.readouterr()
        assert not said.out
        return said.err

    def test_no_client(self, box: Box, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        monkeypatch.setenv("EDGESEG_SSH_COMMAND", "no-such-ssh")
        assert "no OpenSSH client here (no-such-ssh" in self.say(capsys, *box.words)

    def test_nothing_listens(self, box: Box, capsys: Capture) -> None:
        assert "was refused by 127.0.0.1" in self.say(capsys, "--on", "127.0.0.1:1")

    def test_no_such_host(self, box: Box, capsys: Capture) -> None:
        assert "does not find nowhere.invalid" in self.say(capsys, "--on", "nowhere.invalid")

    def test_no_route(self, box: Box, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        """What a router says cannot be had on loopback; ssh's own words for it are given by a stand-in."""
        program = box.root / "no-route"
        program.write_text("#!/bin/sh\necho 'ssh: connect to host x port 22: No route to host' >&2; exit 255\n")
        program.chmod(0o700)
        monkeypatch.setenv("EDGESEG_SSH_COMMAND", shlex.quote(str(program)))
        assert "has no way to 10.9.9.9: no route leads there" in self.say(capsys, "--on", "10.9.9.9")

    def test_another_key(self, box: Box, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        monkeypatch.setenv("EDGESEG_SSH_COMMAND", box.configure("wrong", IdentityFile=f'"{box.root / "other"}"'))
        said = self.say(capsys, *box.words)
        assert "none of the keys here is accepted there. edgeseg never asks for a password." in said
        assert f"ssh-copy-id -p {box.port}" in said

    def test_an_unknown_host_key(self, box: Box, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        unknown = box.root / "unknown"
        monkeypatch.setenv("EDGESEG_SSH_COMMAND", box.configure("first", UserKnownHostsFile=f'"{unknown}"'))
        assert "ssh does not know the key of 127.0.0.1" in self.say(capsys, *box.words)
        assert not unknown.exists()

    def test_a_changed_host_key(self, box: Box, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        changed = box.root / "changed"
        key = " ".join((box.root / "other.pub").read_text(encoding="utf-8").split()[:2])
        changed.write_text(f"[127.0.0.1]:{box.port} {key}\n", encoding="utf-8")
        monkeypatch.setenv("EDGESEG_SSH_COMMAND", box.configure("second", UserKnownHostsFile=f'"{changed}"'))
        said = self.say(capsys, *box.words)
        assert "The key of 127.0.0.1 is another one than before" in said
        assert f"ssh-keygen -R '[127.0.0.1]:{box.port}'" in said

    def test_no_python_of_that_name(self, box: Box, capsys: Capture) -> None:
        said = self.say(capsys, "--on", box.address, "--on-python", "/nowhere/python")
        assert "/nowhere/python on" in said
        assert "does not start as a Python does" in said

    def test_a_python_without_the_engine_gets_the_line_that_installs_it(self, box: Box, capsys: Capture) -> None:
        bare = box.root / "bare"
        if not bare.exists():
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
        python = box.write_python("bare-python", inside=f'exec {shlex.quote(str(bare / "bin" / "python"))} "$@"\n')
        said = self.say(capsys, "--on", box.address, "--on-python", str(python))
        assert "has no numpy, cv2, onnxruntime" in said
        line = said.strip().splitlines()[-1].strip()
        pack, _, rest = line.partition(" | ")
        assert shlex.split(rest)[-2] == box.address.partition(":")[0]
        assert '~/edgeseg-venv/bin/pip install "$d/edgeseg-' in shlex.split(rest)[-1]
        packed = subprocess.run(shlex.split(pack), capture_output=True, check=True).stdout
        assert packed.startswith(b"PK")

    def test_a_full_disk(self, box: Box, capsys: Capture) -> None:
        if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
            pytest.skip("no user namespaces here, so no small disk can be made")
        small = f'mount -t tmpfs -o size=200k none /mnt && TMPDIR=/mnt exec {shlex.quote(sys.executable)} "$@"'
        python = box.write_python("small", inside=f'exec unshare -rm sh -c {shlex.quote(small)} sh "$@"\n')
        assert "The disk of" in (said := self.say(capsys, "--on", box.address, "--on-python", str(python)))
        assert "is full" in said


class TestEnds:
    """A command that would run for a minute over there, ended before."""

    @staticmethod
    def begin(box: Box, artifact: Path) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "edgeseg", "bench", str(artifact), "--seconds", "60", *box.words]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 60
        while not list_there(box) and time.monotonic() < end:
            time.sleep(0.05)
        assert list_there(box)
        return process

    @staticmethod
    def expect_nothing(box: Box) -> None:
        end = time.monotonic() + 20
        while list_there(box) and time.monotonic() < end:
            time.sleep(0.05)
        assert not list_there(box)

    def test_ctrl_c_ends_it_there(self, box: Box, tiny_artifact: ArtifactMaker) -> None:
        process = self.begin(box, tiny_artifact("onnx").path)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        assert said.endswith("edgeseg bench: interrupted.\n")
        assert not [*box.temporary.iterdir()]
        self.expect_nothing(box)

    def test_a_lost_connection_is_said_here_and_ends_it_there(self, box: Box, tiny_artifact: ArtifactMaker) -> None:
        process = self.begin(box, tiny_artifact("onnx").path)
        (client,) = (one for one in psutil.Process(process.pid).children() if one.name() == "ssh")
        client.kill()
        _, said = process.communicate(timeout=30)
        assert process.returncode == 3
        assert "was lost before the command there had ended" in said
        self.expect_nothing(box)


def list_there(box: Box) -> list[int]:
    """Processes that run from a folder of this machine's temporary files."""
    found = []
    for one in psutil.process_iter():
        try:
            if Path(one.cwd()).is_relative_to(box.temporary) and os.getpid() != one.pid:
                found.append(one.pid)
        except (psutil.Error, OSError):
            continue
    return found
