"""What other systems lack: edgeseg is imported and run without the modules and calls that only POSIX has.

That is a test of the branches, and none of Windows or macOS: docs/platforms.md says what was tried where.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
WITHOUT_POSIX = """
import os, signal, sys
for name in ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog"):
    sys.modules[name] = None
import subprocess, tempfile, shutil  # those of the standard library that need some of what goes now
for name in ("getuid", "geteuid", "getgid", "getegid", "fork", "killpg", "setsid", "getpgid", "memfd_create",
             "sched_getaffinity", "getloadavg", "set_blocking", "pathconf", "mkfifo", "O_DIRECTORY", "O_NOFOLLOW",
             "O_NOCTTY", "O_CLOEXEC", "O_NONBLOCK"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGUSR1", "SIGALRM", "SIGQUIT"):
    delattr(signal, name)
"""
SYSTEMS = {
    "Windows, x86-64": ("win_amd64",),
    "macOS, Apple silicon": (
        *(f"macosx_{version}_0_arm64" for version in (11, 12, 13, 14)),
        *("macosx_10_9_universal2", "macosx_11_0_universal2"),
    ),
    "Linux, aarch64": (
        "manylinux2014_aarch64",
        *(f"manylinux_2_{version}_aarch64" for version in (17, 27, 28, 31, 35)),
    ),
}


def without_posix(code: str, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_POSIX + code, *map(str, words)]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in answer.stderr, answer.stderr
    return answer


def test_every_module_of_core_and_runtime_is_imported_without_posix(tmp_path: Path) -> None:
    code = """
import importlib, pkgutil, edgeseg, edgeseg.runtime
from edgeseg.errors import MissingExtra
names = [one.name for one in pkgutil.walk_packages(edgeseg.runtime.__path__, "edgeseg.runtime.")]
for room in ("console", "files", "masks", "metrics", "verbs"):
    package = importlib.import_module(f"edgeseg.{room}")
    names += [one.name for one in pkgutil.walk_packages(package.__path__, f"edgeseg.{room}.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
    answer = without_posix(code, tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) > 150


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        picture = np.random.default_rng(number).integers(0, 255, (60, 80, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


@pytest.mark.parametrize("model_format", ["onnx", "openvino"])
def test_images_become_the_same_masks_without_posix(
    tmp_path: Path, photos: Path, tiny_artifact: ArtifactMaker, model_format: str
) -> None:
    artifact = tiny_artifact(model_format).path
    code = "from edgeseg.cli import main; sys.exit(main(sys.argv[1:]))"
    flags = ["--source", photos, "--save", "drawn", "--jsonl", "lines.jsonl", "--jsonl-every", "1KB", "--json"]
    answer = without_posix(code, tmp_path, "run", artifact, *flags, "--save-masks", "masks")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["frames"] == 3
    usual = [sys.executable, "-m", "edgeseg", "run", str(artifact), "--source", str(photos), "--save-masks", "usual"]
    subprocess.run(usual, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    for number in range(3):
        assert (tmp_path / f"masks/{number}.png").read_bytes() == (tmp_path / f"usual/{number}.png").read_bytes()
        assert (tmp_path / f"drawn/{number}-overlay.png").is_file()
    lines = [line for path in tmp_path.glob("lines*.jsonl") for line in path.read_text().splitlines()]
    assert sorted(json.loads(line)["index"] for line in lines) == [0, 1, 2]


def test_a_clip_is_recorded_without_posix(tmp_path: Path, clip: Path, tiny_artifact: ArtifactMaker) -> None:
    code = "from edgeseg.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["run", tiny_artifact("onnx").path, "--source", clip, "--save", "out.mkv", "--max-frames", "5"]
    answer = without_posix(code, tmp_path, *words)
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "out.mkv").stat().st_size > 1000


@pytest.mark.parametrize("words", [["doctor"], ["cache"], ["cache", "--clear"], ["run"], ["run", "--help"]])
def test_verbs_that_look_about_do_so_without_posix(tmp_path: Path, words: list[str]) -> None:
    code = f"os.environ['XDG_CACHE_HOME'] = {str(tmp_path / 'cache')!r}\n"
    code += "from edgeseg.cli import main; sys.exit(main(sys.argv[1:]))"
    answer = without_posix(code, tmp_path, *words)
    assert answer.returncode == (2 if words == ["run"] else 0), answer.stderr


def test_the_cache_is_cleared_by_names_where_folders_cannot_be_held(tmp_path: Path) -> None:
    entry = tmp_path / "cache/edgeseg/openvino" / ("0a" * 16)
    entry.mkdir(parents=True)
    (entry / "model.blob").write_bytes(b"x" * 10)
    code = f"os.environ['XDG_CACHE_HOME'] = {str(tmp_path / 'cache')!r}\n"
    code += "from edgeseg.cli import main; sys.exit(main(sys.argv[1:]))"
    assert without_posix(code, tmp_path, "cache", "--clear").returncode == 0
    assert not entry.exists()


def test_a_network_camera_on_windows_is_refused_with_a_way(tmp_path: Path) -> None:
    code = """
from edgeseg.runtime.sources.source import open_source
sys.platform = "win32"
from edgeseg.errors import EdgesegError
try:
    with open_source("rtsp://127.0.0.1:9/x", on_event=lambda event: None) as source:
        next(iter(source))
except EdgesegError as error:
    print(error)
"""
    said = without_posix(code, tmp_path).stdout
    assert "not read on Windows" in said
    assert "WSL 2" in said


def test_a_number_is_a_camera_on_every_system(tmp_path: Path) -> None:
    code = """
import edgeseg.runtime.sources.kind as kind
for system in ("linux", "darwin", "win32"):
    sys.platform = system
    print(kind.kind_of_source("0"))
"""
    assert without_posix(code, tmp_path).stdout.split() == ["camera"] * 3


def requirements(*extras: str) -> list[str]:
    """What an extra brings beside the base, without edgeseg itself and what its markers leave to Linux."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    listed = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    return sorted({one for one in listed if ";" not in one and not one.startswith("edgeseg")})


@pytest.fixture(scope="module")
def index() -> None:
    """Skip where pip finds no package index."""
    command = [sys.executable, "-m", "pip", "--retries", "0", "--timeout", "10", "index", "versions", "tqdm"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the package index does not answer")
    if answer.returncode:
        pytest.skip("pip finds no package index here")


@pytest.mark.long
@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("python", ["3.10", "3.13"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_dependency_has_a_wheel_for(system: str, python: str, tmp_path: Path) -> None:
    """What pip itself would choose; nothing is installed, and of most wheels only the description is fetched."""
    tags = [word for tag in SYSTEMS[system] for word in ("--platform", tag)]
    flags = ["--dry-run", "--quiet", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--report", "-"]
    command = [sys.executable, "-m", "pip", "install", *flags, "--target", str(tmp_path), *tags]
    words = [*command, "--python-version", python, *requirements("onnxruntime", "openvino", "export", "train")]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PIP_CONSTRAINT", "PIP_FIND_LINKS")
    }
    answer = subprocess.run(words, capture_output=True, text=True, timeout=500, check=False, env=environment)
    assert answer.returncode == 0, answer.stderr
    chosen = [one["download_info"]["url"].rpartition("/")[2] for one in json.loads(answer.stdout)["install"]]
    assert len(chosen) > 12
    fitting = re.compile(r".*-(any|win_amd64|macosx_\d+_\d+_(arm64|universal2)|manylinux.*_aarch64)\.whl")
    strange = [name for name in chosen if not fitting.fullmatch(name)]
    assert not strange
    own = {"Windows, x86-64": "win", "macOS, Apple silicon": "macosx", "Linux, aarch64": "manylinux"}[system]
    assert any(own in name for name in chosen)


def test_the_page_names_every_verb_and_system() -> None:
    page = (ROOT / "docs/platforms.md").read_text("utf-8")
    verbs = importlib.import_module("edgeseg.cli").VERBS
    rows = re.findall(r"^\| `(\w+)`", page, re.MULTILINE)
    assert set(verbs) <= set(rows)
    for line in page.splitlines():
        if re.match(r"\| `\w+`", line):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 4
            assert all(cell.startswith(("tested", "written for", "untried", "not there")) for cell in cells[1:]), line


@pytest.mark.long
def test_a_network_of_the_zoo_is_made_and_run_without_posix(tmp_path: Path, photos: Path, data_dir: Path) -> None:
    file = data_dir / "models/selfie_segmentation.tflite"
    if not file.is_file():
        pytest.skip(f"{file} is not in the data that is here")
    code = f"os.environ['XDG_CACHE_HOME'] = {str(tmp_path / 'cache')!r}\n"
    code += "from edgeseg.cli import main; sys.exit(main(sys.argv[1:]))"
    segment = ["run", "people", "--source", photos, "--save-masks", "m"]
    for words in (["zoo", "people", "--file", file], ["zoo"], segment):
        answer = without_posix(code, tmp_path, *words)
        assert answer.returncode == 0, answer.stderr
    assert len(list((tmp_path / "m").iterdir())) == 3
    assert "ready" in without_posix(code, tmp_path, "zoo").stdout
