"""The printed pip line works where it is printed, however edgeseg came there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from installed_fixtures import ROOT, borrow_all, copy_house, install, link, make_environment, run

from edgeseg.console import installation
from edgeseg.console.installation import install_line, pip_line, quote, reinstall_line, requirements

SAY = "from edgeseg.console.extras import require; require('no_such_engine', 'openvino')"
"""``openvino`` is borrowed from this environment: pip finds it without an index, when it asks for it at all."""


def said(environment: Path, folder: Path) -> str:
    """The command at the end of a missing extra's sentence, as printed in an environment."""
    command = [environment / "bin" / "python", "-c", SAY]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    (line,) = re.findall(
        r"'no_such_engine' is needed for this but is not installed. Install it with: (.+)", told.stderr
    )
    return str(line)


def obey(line: str, folder: Path) -> str:
    """Run a printed line in a shell, without the network, and give what pip says."""
    flags = "--dry-run --no-index --no-build-isolation --disable-pip-version-check"
    return run(["bash", "-c", f"{line} {flags}"], cwd=folder)


def environment_from(folder: Path, *words: str | Path) -> Path:
    environment = make_environment(folder / "an environment")
    link(environment, {"setuptools"})  # builds the wheel
    install(environment, *words, cwd=folder)
    borrow_all(environment)
    return environment


def repository(folder: Path) -> str:
    """Make a repository of this tree, ready to be cloned through a plain file server, and return its commit."""
    copy_house(folder)
    git = ["git", "-C", folder, "-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
    run(["git", "init", "--quiet", folder])
    run([*git, "add", "-A", "-f"])
    run([*git, "commit", "--quiet", "-m", "edgeseg"])
    run([*git, "update-server-info"])
    return run([*git, "rev-parse", "HEAD"]).strip()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class TestPrinted:
    def test_a_wheel_file_in_a_folder_with_a_space(self, wheel: Path, tmp_path: Path) -> None:
        kept = tmp_path / "my wheels" / wheel.name
        kept.parent.mkdir()
        shutil.copy(wheel, kept)
        line = said(environment := environment_from(tmp_path, kept), tmp_path)
        assert line == f'"{environment}/bin/python" -m pip install "{kept}[openvino]"'
        assert re.search(r"Requirement already satisfied: openvino>=\S+ .*from edgeseg", obey(line, tmp_path))

    def test_a_wheel_file_that_is_gone(self, wheel: Path, tmp_path: Path) -> None:
        kept = Path(shutil.copy(wheel, tmp_path))
        environment = environment_from(tmp_path, kept)
        kept.unlink()
        line = said(environment, tmp_path)
        assert line.endswith('pip install "openvino>=2025.0"')
        assert "Requirement already satisfied: openvino>=" in obey(line, tmp_path)

    @pytest.mark.long
    @pytest.mark.parametrize("name", ["semi;colon", "[brackets]", "a$HOME", "quote'd", "per%20cent", "größe"])
    def test_a_wheel_file_in_an_odd_folder(self, name: str, wheel: Path, tmp_path: Path) -> None:
        (tmp_path / name).mkdir()
        kept = Path(shutil.copy(wheel, tmp_path / name))
        told = obey(said(environment_from(tmp_path, f"edgeseg @ {kept.as_uri()}"), tmp_path), tmp_path)
        assert re.search(r"Requirement already satisfied: openvino>=\S+ .*from edgeseg", told)

    @pytest.mark.long
    @pytest.mark.parametrize("flags", [(), ("-e",)], ids=["folder", "editable"])
    def test_a_checkout(self, flags: tuple[str, ...], tmp_path: Path) -> None:
        house = copy_house(tmp_path / "a checkout")
        line = said(environment_from(tmp_path, *flags, house), tmp_path)
        assert line.endswith(" ".join(["pip install", *flags, f'"{house}[openvino]"']))
        assert re.search(r"Requirement already satisfied: openvino>=\S+ .*from edgeseg", obey(line, tmp_path))

    @pytest.mark.long
    def test_a_repository_at_the_commit_that_is_installed(self, tmp_path: Path) -> None:
        commit = repository(tmp_path / "repository")
        with served(tmp_path) as address:
            origin = f"git+{address}/repository/.git"
            line = said(environment_from(tmp_path, origin), tmp_path)
            assert line.endswith(f'pip install "edgeseg[openvino] @ {origin}@{commit}"')
            assert re.search(r"Requirement already satisfied: openvino>=\S+ .*from edgeseg", obey(line, tmp_path))

    @pytest.mark.long
    def test_a_repository_on_this_machine(self, tmp_path: Path) -> None:
        repository(tmp_path / "repository")
        line = said(environment_from(tmp_path, f"git+{(tmp_path / 'repository').as_uri()}"), tmp_path)
        assert line.endswith('pip install "openvino>=2025.0"')
        assert "Requirement already satisfied: openvino>=" in obey(line, tmp_path)

    @pytest.mark.long
    def test_an_index(self, wheel: Path, tmp_path: Path) -> None:
        line = said(environment_from(tmp_path, "--find-links", wheel.parent, "edgeseg"), tmp_path)
        assert line.endswith('pip install "edgeseg[openvino]"')
        assert re.search(r"Requirement already satisfied: openvino>=\S+ .*from edgeseg", obey(line, tmp_path))

    def test_nothing_installed_but_a_checkout_to_start_in(self, tmp_path: Path) -> None:
        environment = make_environment(tmp_path / "bare")
        line = said(environment, ROOT)
        assert line.endswith(f"-e {quote(f'{ROOT}[openvino]')}")


class TestInstaller:
    """Which words come before the requirements."""

    def test_pip_alone_where_it_is_this_environments(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        assert pip_line("x") == "pip install x"

    def test_the_interpreter_where_pip_is_somebody_elses(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "pip").write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "pip").chmod(0o755)
        (tmp_path / "python3").symlink_to(Path(sys.executable).resolve())
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        assert pip_line("x") == f"{quote(sys.executable)} -m pip install x"

    def test_an_environment_without_pip_is_given_it_first(self, wheel: Path, tmp_path: Path) -> None:
        environment = make_environment(tmp_path / "bare")
        line = printed_in(environment, "x", PATH=str(tmp_path))
        python = environment / "bin" / "python"
        assert line == f"{python} -m ensurepip && {python} -m pip install x"
        done = run(["bash", "-c", f"{line.removesuffix('x')}{wheel} --no-index --no-deps --dry-run"])
        assert "Successfully installed pip" in done
        assert "Would install edgeseg" in done

    def test_uv_where_it_made_the_environment(self, tmp_path: Path) -> None:
        environment = make_environment(tmp_path / "bare")
        with (environment / "pyvenv.cfg").open("a") as config:
            config.write("uv = 0.9.9\n")
        expected = f"uv pip install --python {environment / 'bin' / 'python'} x"
        assert printed_in(environment, "x", PATH=str(tmp_path)) == expected

    def test_pipx_adds_the_requirements_themselves(self, wheel: Path, tmp_path: Path) -> None:
        environment = make_environment(tmp_path / "edgeseg")
        install(environment, wheel)
        (environment / "pipx_metadata.json").write_text("{}")
        code = "from edgeseg.console.installation import install_line; print(install_line('onnxruntime', 'x'))"
        line = run([environment / "bin" / "python", "-c", code], cwd=tmp_path)
        assert line == 'pipx inject edgeseg x "onnxruntime>=1.20"\n'

    def test_a_distributions_python_gets_the_flag_that_it_asks_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "EXTERNALLY-MANAGED").touch()
        monkeypatch.setattr(installation.sysconfig, "get_path", lambda name: str(tmp_path))
        assert "--break" not in pip_line("x")
        monkeypatch.setattr(sys, "prefix", sys.base_prefix)
        assert pip_line("x").endswith(" -m pip install --break-system-packages x")

    def test_an_environment_of_roots_takes_sudo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(installation.os, "access", lambda path, mode: False)
        assert pip_line("x") == f"sudo {quote(sys.executable)} -m pip install x"


def printed_in(environment: Path, word: str, **variables: str) -> str:
    code = f"from edgeseg.console.installation import pip_line; print(pip_line({word!r}))"
    return run([environment / "bin" / "python", "-c", code], cwd=ROOT, env={**os.environ, **variables}).strip()


class TestWords:
    @pytest.mark.parametrize("word", ["edgeseg[all]", "cuda-bindings>=13,<14", "a b", 'say "x"', "$HOME", "it's", "!x"])
    def test_a_quoted_word_reaches_the_command_as_it_is(self, word: str) -> None:
        assert run(["bash", "-c", f"printf %s {quote(word)}"]) == word

    def test_the_requirements_of_an_extra_name_no_other_extra(self) -> None:
        assert requirements("onnxruntime") == ["onnxruntime>=1.20"]
        assert requirements("tensorrt") == ['cuda-bindings>=12.6; platform_system != "Darwin"']
        assert {"openvino>=2025.0", "accelerate>=1.2"} < set(requirements("all"))
        assert not any("edgeseg" in line or "extra" in line for line in requirements("all"))
        assert "av>=14" in requirements("")

    def test_the_bound_of_a_repository_in_a_folder_of_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        told = {
            "url": "https://example.org/all.git",
            "subdirectory": "tools/edgeseg",
            "vcs_info": {"vcs": "git", "commit_id": "0123abc"},
        }
        monkeypatch.setattr(installation, "_direct_url", lambda: told)
        expected = '"edgeseg[train] @ git+https://example.org/all.git@0123abc#subdirectory=tools/edgeseg"'
        assert install_line("train").endswith(f"pip install {expected}")

    def test_a_wheel_from_an_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        told = json.loads('{"url": "https://example.org/edgeseg-1-py3-none-any.whl", "archive_info": {}}')
        monkeypatch.setattr(installation, "_direct_url", lambda: told)
        expected = '"edgeseg[train] @ https://example.org/edgeseg-1-py3-none-any.whl"'
        assert install_line("train").endswith(f"pip install {expected}")

    def test_what_does_not_load_is_installed_again_in_its_version(self) -> None:
        import cv2
        import numpy

        line = reinstall_line("numpy.linalg")
        assert line.endswith(f"--force-reinstall --no-deps numpy=={numpy.__version__}")
        assert "opencv-python==" in reinstall_line("cv2")
        assert cv2.__version__ in reinstall_line("cv2")
        assert reinstall_line("nobody_has_this").endswith(" nobody_has_this")


def test_no_text_of_the_code_words_the_command_itself() -> None:
    """Docstrings and code: only one module knows how edgeseg came here."""
    for room in ("edgeseg", "export", "runtime", "calibration"):
        for path in (ROOT / room).rglob("*.py"):
            assert not re.search(r"pip install \S*edgeseg\[", path.read_text(encoding="utf-8")), path
