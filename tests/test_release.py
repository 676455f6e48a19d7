"""The workflow that publishes does what docs/releasing.md says, with the files that are built here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import edgeseg

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github/workflows/release.yml"


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    return dict(yaml.safe_load(WORKFLOW.read_text())["jobs"])


def test_only_a_tag_publishes() -> None:
    # YAML 1.1 reads the key "on" as true.
    assert yaml.safe_load(WORKFLOW.read_text())[True] == {"push": {"tags": ["v*"]}}


def test_only_the_job_that_publishes_has_the_identity_and_it_builds_nothing(jobs: dict[str, Any]) -> None:
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["environment"] == "pypi"
    assert not any("run" in step for step in jobs["publish"]["steps"])
    assert "permissions" not in jobs["build"]
    assert yaml.safe_load(WORKFLOW.read_text())["permissions"] == {"contents": "read"}


def test_no_secret_is_asked_for() -> None:
    assert "secrets." not in WORKFLOW.read_text()


@pytest.mark.parametrize(("tag", "code"), [(f"v{edgeseg.__version__}", 0), ("v99.0.0", 1)])
def test_a_tag_that_is_not_the_version_stops_it(jobs: dict[str, Any], tmp_path: Path, tag: str, code: int) -> None:
    (step,) = (step for step in jobs["build"]["steps"] if step.get("name") == "The tag is the version")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / f"edgeseg-{edgeseg.__version__}-py3-none-any.whl").touch()
    environment = {**os.environ, "GITHUB_REF_NAME": tag}
    assert subprocess.run(["bash", "-ec", step["run"]], cwd=tmp_path, env=environment, check=False).returncode == code
