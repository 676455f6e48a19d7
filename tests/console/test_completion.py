"""Completion in the shells that are here, each asked as it asks itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from edgeseg.cli import VERBS

SCRIPTS = sysconfig.get_path("scripts")
HEAVY = ("torch", "onnx", "openvino", "nncf", "cv2")

BASH = """
eval "$(edgeseg completion bash)"
COMP_LINE={line!r} COMP_POINT=${{#COMP_LINE}} COMP_TYPE=9 COMP_WORDS=({line}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
[[ "$COMP_LINE" == *" " ]] && COMP_CWORD=$((COMP_CWORD + 1))
_python_argcomplete edgeseg
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def shell(name: str, script: str, cwd: Path) -> str:
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed here (apt install {name})")
    environment = {**os.environ, "PATH": f"{SCRIPTS}:{os.environ['PATH']}", "HOME": str(cwd)}
    flags = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[name]
    done = subprocess.run(
        [program, *flags, "-c", script],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


def in_bash(line: str, cwd: Path) -> set[str]:
    return {word.strip() for word in shell("bash", BASH.format(line=line), cwd).split()}


class TestBash:
    def test_verbs(self, tmp_path: Path) -> None:
        assert in_bash("edgeseg ", tmp_path) >= set(VERBS)
        assert in_bash("edgeseg ca", tmp_path) == {"calibrate", "cache"}

    def test_flags_of_the_verb(self, tmp_path: Path) -> None:
        assert in_bash("edgeseg run --save-", tmp_path) == {"--save-every", "--save-frames", "--save-masks"}
        assert "--max-drop" in in_bash("edgeseg export --max", tmp_path)

    def test_choices(self, tmp_path: Path) -> None:
        assert in_bash("edgeseg export --format openv", tmp_path) == {"openvino"}

    def test_files(self, tmp_path: Path) -> None:
        (tmp_path / "street.mp4").touch()
        assert in_bash("edgeseg run model --source str", tmp_path) == {"street.mp4"}

    def test_a_program_that_is_called_by_its_path(self, tmp_path: Path) -> None:
        found = shell(
            "bash",
            BASH.format(line=f"{SCRIPTS}/edgeseg be").replace("complete edgeseg", f"complete {SCRIPTS}/edgeseg"),
            tmp_path,
        )
        assert found.split() == ["bench"]


def test_fish(tmp_path: Path) -> None:
    script = "edgeseg completion fish | source; complete --do-complete 'edgeseg run --save-'"
    found = {line.split("\t")[0].strip() for line in shell("fish", script, tmp_path).splitlines()}
    assert found >= {"--save-every", "--save-frames", "--save-masks"}


def test_zsh_takes_the_script(tmp_path: Path) -> None:
    """Its completion needs a terminal; that the script loads and registers is what can be asked here."""
    script = 'autoload -Uz compinit && compinit -u -D; eval "$(edgeseg completion zsh)"; print ${_comps[edgeseg]}'
    assert shell("zsh", script, tmp_path).split()[-1:] == ["_python_argcomplete"]


def test_a_shell_that_asks_waits_for_no_room(tmp_path: Path) -> None:
    """Only the verb's own module is imported, and nothing heavy."""
    code = f"""
import sys
for name in {HEAVY!r}: sys.modules[name] = None
from edgeseg.cli import main
main([])
"""
    environment = {**os.environ, "_ARGCOMPLETE": "1", "COMP_LINE": "edgeseg run --sour", "COMP_POINT": "18"}
    environment |= {"_ARGCOMPLETE_IFS": " ", "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "out")}
    python = Path(SCRIPTS) / "python"
    subprocess.run([python, "-c", code], env=environment, capture_output=True, timeout=60, check=False)
    assert (tmp_path / "out").read_text().split() == ["--source"]
