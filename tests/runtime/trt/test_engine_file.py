"""The files for devices say what the code says: no tool to run them is needed for that."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeseg.cli import build_parser
from edgeseg.errors import SourceError
from edgeseg.runtime.trt import install as tensorrt_install
from edgeseg.verbs.flags.config_file import read_arguments

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "packaging" / "edgeseg.service"
JETSON = ROOT / "docs" / "jetson.md"
DOCKERFILES = sorted((ROOT / "docker").glob("Dockerfile*"))


def test_the_unit_runs_a_command_that_exists() -> None:
    (command,) = re.findall(r"^ExecStart=(.+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    words = command.split()
    args = build_parser("run").parse_args(words[1:])
    assert words[0].endswith("/edgeseg")
    assert args.config == Path("/etc/edgeseg/camera.toml")


def test_the_configuration_beside_the_unit_names_what_exists() -> None:
    text = (ROOT / "packaging" / "camera.toml").read_text(encoding="utf-8")
    args = read_arguments(["--config", str(ROOT / "packaging" / "camera.toml")])
    assert (args.artifact, args.source) == (Path("/srv/edgeseg/model"), "/dev/video0")
    for key in re.findall(r"^# ([a-z-]+) = ", text, re.MULTILINE):
        assert hasattr(args, key.replace("-", "_"))


def test_the_unit_runs_what_the_page_installs() -> None:
    page, unit = JETSON.read_text(encoding="utf-8"), UNIT.read_text(encoding="utf-8")
    (program,) = re.findall(r"^ExecStart=(\S+)", unit, re.MULTILINE)
    assert f"venv --system-site-packages {Path(program).parents[1]}\n" in page
    assert f"{program} doctor" in page
    assert "ProtectHome=yes" in unit


def test_the_user_of_the_unit_is_made_on_the_page_and_sees_the_socket_of_argus() -> None:
    page, unit = JETSON.read_text(encoding="utf-8"), UNIT.read_text(encoding="utf-8")
    (user,) = re.findall(r"^User=(\S+)$", unit, re.MULTILINE)
    (groups,) = re.findall(r"^SupplementaryGroups=(.+)$", unit, re.MULTILINE)
    assert re.search(rf"useradd .*--groups {','.join(groups.split())} {user}$", page, re.MULTILINE)
    assert not re.search(r"^(DynamicUser|PrivateTmp)=(yes|true|on|1)", unit, re.MULTILINE)


def test_the_unit_waits_for_a_camera_that_appears_late() -> None:
    unit = UNIT.read_text(encoding="utf-8")
    assert SourceError.exit_code == 2
    assert "Restart=always" in unit
    assert "RestartPreventExitStatus" not in unit
    assert int(re.findall(r"^RestartSec=(\d+)$", unit, re.MULTILINE)[0]) >= 10


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (tmp_path / UNIT.name).write_text(text)
    command = ["systemd-analyze", "verify", str(tmp_path / UNIT.name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_does_not_run_as_root_and_keeps_its_engines(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.search(r"^USER edgeseg$", text, re.MULTILINE)
    (cache,) = re.findall(r"^ENV XDG_CACHE_HOME=(\S+)$", text, re.MULTILINE)
    assert f"VOLUME {cache}" in text
    assert f"install -d -m 700 -o edgeseg -g edgeseg {cache}" in text


@pytest.mark.parametrize("path", [JETSON, ROOT / "docker" / "Dockerfile.jetson"], ids=lambda p: p.name)
def test_the_bindings_are_those_that_the_doctor_names(path: Path) -> None:
    assert tensorrt_install._BINDINGS[6] in path.read_text(encoding="utf-8")


def test_the_image_for_jetson_is_not_checked_with_what_only_its_runtime_mounts() -> None:
    text = (ROOT / "docker" / "Dockerfile.jetson").read_text(encoding="utf-8")
    assert not re.search(r"^RUN .*import [^\n]*tensorrt", text, re.MULTILINE)
    arguments = set(re.findall(r"^ARG (\w+)=", text, re.MULTILINE))
    page = JETSON.read_text(encoding="utf-8")
    assert arguments == set(re.findall(r"--build-arg \"?(\w+)=", page)) == {"BASE", "CUDA_BINDINGS"}
    assert tensorrt_install._BINDINGS[7] in page
