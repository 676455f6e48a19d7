"""A command that a message prints runs in the shell that the message is read in."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from edgeseg import __version__

TELL = "import sys; from edgeseg.console.command import edgeseg_command; print(edgeseg_command('--version'))"
SCRIPTS = Path(sysconfig.get_path("scripts"))


def told(cwd: Path, path: str, python: Path | str = sys.executable, begun: str = "-c") -> str:
    """The command as a process in ``cwd`` with this PATH words it; run by ``begun``."""
    code = f"import sys; sys.argv[0] = {begun!r}; {TELL}"
    return _output([str(python), "-c", code], cwd, path)


def run_in_shell(command: str, cwd: Path, path: str) -> str:
    return _output(["/bin/sh", "-c", command], cwd, path)


def _output(command: list[str], cwd: Path, path: str) -> str:
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def works(command: str, cwd: Path, path: str) -> bool:
    return run_in_shell(command, cwd, path) == f"edgeseg {__version__}"


class TestACommandWorks:
    def test_where_edgeseg_is_on_the_path(self, tmp_path: Path) -> None:
        path = f"{SCRIPTS}:/usr/bin:/bin"
        command = told(tmp_path, path)
        assert command == "edgeseg --version"
        assert works(command, tmp_path, path)

    def test_where_nothing_activated_the_environment(self) -> None:
        """As after ``make demo``: the script lies under the working directory."""
        root = SCRIPTS.parent.parent
        command = told(root, "/usr/bin:/bin")
        assert command == f"{SCRIPTS.relative_to(root)}/edgeseg --version"
        assert works(command, root, "/usr/bin:/bin")

    def test_in_the_folder_of_the_script(self) -> None:
        command = told(SCRIPTS, "/usr/bin:/bin")
        assert command == "./edgeseg --version"
        assert works(command, SCRIPTS, "/usr/bin:/bin")

    def test_where_another_edgeseg_comes_first_on_the_path(self, tmp_path: Path) -> None:
        other = tmp_path / "edgeseg"
        other.write_text("#!/bin/sh\necho another\n")
        other.chmod(0o755)
        path = f"{tmp_path}:{SCRIPTS}:/usr/bin:/bin"
        command = told(tmp_path, path)
        assert command == f"{SCRIPTS}/edgeseg --version"
        assert works(command, tmp_path, path)

    def test_through_a_link_on_the_path(self, tmp_path: Path) -> None:
        """As pipx does it."""
        (tmp_path / "edgeseg").symlink_to(SCRIPTS / "edgeseg")
        path = f"{tmp_path}:/usr/bin:/bin"
        command = told(tmp_path, path, begun=str(tmp_path / "edgeseg"))
        assert command == "edgeseg --version"
        assert works(command, tmp_path, path)

    def test_where_there_is_no_script_at_all(self, tmp_path: Path) -> None:
        folder = tmp_path / "an environment"
        venv.create(folder, with_pip=False, symlinks=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        found = [p for p in sys.path if p.endswith("site-packages")]
        (packages / "all.pth").write_text("".join(f"import site; site.addsitedir({p!r})\n" for p in found))
        command = told(tmp_path, "/usr/bin:/bin", folder / "bin" / "python", begun="-m")
        assert command.endswith("-m edgeseg --version")
        assert command.startswith("'an environment/bin/python")
        assert works(command, tmp_path, "/usr/bin:/bin")


def test_what_a_shell_would_change_is_quoted(tmp_path: Path) -> None:
    from edgeseg.console.command import edgeseg_command

    command = edgeseg_command("run", tmp_path / "a b", "--source", "$(reboot)*.jpg")
    assert command.endswith(f"run '{tmp_path}/a b' --source '$(reboot)*.jpg'")


@pytest.mark.parametrize("name", ["none.onnx", "weights of mine.onnx"])
def test_an_error_names_a_command_with_the_users_own_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgeseg.cli import main

    (tmp_path / name).touch()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert main(["bench", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    command = said.split("Make one with: ")[1].strip()
    assert run_in_shell(f"{command.split(' export ')[0]} --version", Path.cwd(), "/usr/bin:/bin")
    quoted = f"'{tmp_path / name}'" if " " in name else str(tmp_path / name)
    assert command.endswith(f" export {quoted}")
