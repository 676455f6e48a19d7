"""Code comes from the installation only: hostile modules in the working directory, and real runs there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from linear_model import ArtifactMaker

from edgeseg.runtime.system import child_python
from edgeseg.runtime.system.child_python import child_environment, code_command, module_command

EDGESEG = Path(sys.executable).with_name("edgeseg")
# What edgeseg, its libraries and the standard library import while a camera runs; sitecustomize is Python's own.
HOSTILE = (
    *("queue", "random", "json", "tempfile", "secrets", "select", "runpy", "pkgutil", "subprocess", "socket", "typing"),
    *("cv2", "av", "numpy", "openvino", "tqdm", "sitecustomize", "usercustomize", "edgeseg", "runtime", "export"),
)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A working directory in which any import leaves its name in a file ``executed`` and fails."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in HOSTILE:
        code = f"open({str(tmp_path / 'executed')!r}, 'a').write('{name} ')\nraise SystemExit('{name} was executed')\n"
        (folder / f"{name}.py").write_text(code)
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(code)
    return folder


def run_in(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """The end of a process; an assertion tells what of the folder it executed."""
    done = subprocess.run(
        list(map(str, words)), cwd=folder, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    executed = folder.parent / "executed"
    assert not executed.exists(), f"executed: {executed.read_text()}; {done.stderr}"
    return done


def live(artifact: ArtifactMaker) -> tuple[object, ...]:
    source = "test://cells?fps=30&size=64x64"
    return ("run", artifact("openvino").path, "--source", source, "--max-frames", 3, "--json")


def test_a_live_run_executes_nothing_of_the_working_directory(hostile: Path, tiny_artifact: ArtifactMaker) -> None:
    done = run_in(hostile, EDGESEG, *live(tiny_artifact))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 3


def test_an_empty_entry_of_the_search_path_names_no_folder(hostile: Path, tiny_artifact: ArtifactMaker) -> None:
    """The parent's own path is Python's business: it has looked for sitecustomize before edgeseg begins."""
    code = "import edgeseg.cli, sys; sys.exit(edgeseg.cli.main(sys.argv[1:]))"
    program = (sys.executable, "-c", f"import os, sys; sys.path.pop(0); os.environ['PYTHONPATH'] = ':'; {code}")
    done = run_in(hostile, *program, *live(tiny_artifact))
    assert done.returncode == 0, done.stderr


def test_the_module_leaves_the_working_directory_before_it_imports(hostile: Path, tiny_artifact: ArtifactMaker) -> None:
    for name in ("edgeseg", "runpy", "pkgutil", "typing"):  # Python itself takes these, before edgeseg begins
        (hostile / f"{name}.py").unlink()
        (hostile / name / "__init__.py").unlink()
        (hostile / name).rmdir()
    done = run_in(hostile, sys.executable, "-m", "edgeseg", *live(tiny_artifact))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 3


def test_a_run_works_in_the_root_of_the_project(tiny_artifact: ArtifactMaker) -> None:
    """Where folders named runtime and export lie."""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [EDGESEG, *map(str, live(tiny_artifact))], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_search_path_that_was_meant_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meant.py").write_text("print('imported')")
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}{tmp_path}{os.pathsep}")
    for command in (code_command("import meant"), module_command("meant")):
        said = subprocess.check_output(command, env=child_environment(), text=True, timeout=60)
        assert said == "imported\n"


@pytest.mark.parametrize("version", [(3, 10, 0), sys.version_info])
def test_every_version_of_python_leaves_it_out(
    hostile: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]
) -> None:
    """Python 3.10 has neither the flag nor the variable: what takes their place works in newer ones too."""
    monkeypatch.setattr(child_python.sys, "version_info", version)
    code, module = code_command("import json, queue, sys; print(sys.path)"), module_command("json.tool", "--help")
    monkeypatch.undo()
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    for command in (code, module):
        assert run_in(hostile, *command).returncode == 0


def test_children_of_children_leave_it_out_too(hostile: Path) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 knows no variable for it")
    grandchild = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import queue'], check=True)"
    done = subprocess.run(code_command(grandchild), cwd=hostile, env=child_environment(), timeout=60, check=False)
    assert done.returncode == 0
    assert not (hostile.parent / "executed").exists()


def test_the_plain_way_would_have_executed_it(hostile: Path) -> None:
    """These tests can fail."""
    if os.environ.get("PYTHONSAFEPATH"):
        pytest.skip("this environment leaves the working directory out by itself")
    with pytest.raises(AssertionError, match="executed: queue"):
        run_in(hostile, sys.executable, "-c", "import queue")
