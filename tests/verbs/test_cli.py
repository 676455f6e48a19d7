"""The command line: words in, exit codes and sentences out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg import __version__, errors
from edgeseg.cli import VERBS, main
from edgeseg.console.extras import require
from edgeseg.console.installation import install_line

BLOCKED = """
import sys
for name in {blocked!r}:
    sys.modules[name] = None
from edgeseg.cli import main
sys.exit(main(sys.argv[1:]))
"""


def edgeseg(*arguments: str, blocked: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-c", BLOCKED.format(blocked=blocked), *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_version_and_help_import_no_room() -> None:
    heavy = ("torch", "onnx", "onnxruntime", "openvino", "nncf", "cv2", "av", "matplotlib")
    assert edgeseg("--version", blocked=heavy).stdout == f"edgeseg {__version__}\n"
    told = edgeseg("--help", blocked=heavy)
    assert told.returncode == 0
    assert all(verb in told.stdout for verb in VERBS)


@pytest.mark.parametrize("arguments", [(), ("fly",), ("--nonsense",)])
def test_an_unknown_verb_is_the_users_mistake(arguments: tuple[str, ...]) -> None:
    told = edgeseg(*arguments)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
    assert "usage: edgeseg" in told.stderr


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_explains_itself(verb: str) -> None:
    told = edgeseg(verb, "--help")
    assert told.returncode == 0, told.stderr
    assert VERBS[verb][1:] in " ".join(told.stdout.split())


@pytest.mark.parametrize("verb", ["bench", "check", "inspect", "evaluate", "run"])
def test_a_missing_artifact_is_one_sentence(verb: str, tmp_path: Path) -> None:
    extra = {"evaluate": ("--data", str(tmp_path)), "run": ("--source", str(tmp_path))}.get(verb, ())
    told = edgeseg(verb, str(tmp_path / "gone"), *extra)
    assert told.returncode == 2
    assert told.stderr.startswith(f"edgeseg {verb}: There is no ")
    assert told.stderr.count("\n") == 1


class TestExtras:
    def test_what_is_not_installed_is_named_with_its_pip_line(self) -> None:
        with pytest.raises(
            errors.MissingExtra, match=rf"'no_such_engine'.*: {re.escape(install_line('tensorrt'))}$"
        ) as caught:
            require("no_such_engine", "tensorrt")
        assert caught.value.exit_code == 3

    def test_what_a_package_lacks_is_named_itself(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "half_installed.py").write_text("import its_missing_half\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        with pytest.raises(errors.MissingExtra, match="'its_missing_half'"):
            require("half_installed", "openvino")

    def test_a_package_that_does_not_load_says_why(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "broken_build.py").write_text("raise ImportError('libgomp.so.1: cannot open shared object file')\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        with pytest.raises(errors.EnvironmentFault, match=r"does not load: libgomp\.so\.1.*--force-reinstall"):
            require("broken_build", "openvino")

    def test_yaml_needs_the_train_extra_and_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "data.yaml").write_text("train: images/train\n")
        code = "import sys; sys.modules['yaml'] = None; from edgeseg.dataset import Dataset; Dataset.open(sys.argv[1])"
        command = (sys.executable, "-c", code, str(tmp_path))
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert install_line("train") in told.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = (sys.executable, "-m", "edgeseg", "doctor")
    read, write = os.pipe()
    os.close(read)
    told = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=120, check=False)
    os.close(write)
    assert told.returncode == 0
    assert b"Traceback" not in told.stderr


def test_main_returns_the_errors_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(tmp_path / "gone.pt")]) == 2
    assert capsys.readouterr().err.startswith("edgeseg inspect: ")


@pytest.mark.parametrize("verb", ["train", "export", "evaluate", "demo"])
def test_an_output_that_cannot_be_is_said_before_the_work(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    given = {"train": ["--data", "nowhere"], "export": ["none.onnx"], "evaluate": ["none", "--data", "nowhere"]}
    assert main([verb, *given.get(verb, []), "--out", str(tmp_path / "file" / "out")]) == 2
    assert "file is a file, but a folder is needed there" in capsys.readouterr().err
