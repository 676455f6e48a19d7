"""What masks mean, on the command line: every command of the page, the exit code, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker

import edgeseg
from edgeseg.runtime.analysis.settings import AnalysisSettings

PAGE = (Path(__file__).parents[2] / "docs" / "analysis.md").read_text(encoding="utf-8")
ZONES = next(block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def artifact(tiny_artifact: ArtifactMaker) -> Path:
    return tiny_artifact("openvino").path


@pytest.fixture
def place(tmp_path: Path, clip: Path) -> Path:
    """A folder with what the page names."""
    (tmp_path / "street.mp4").symlink_to(clip)
    (tmp_path / "zones.toml").write_text(ZONES)
    (tmp_path / "photos").mkdir()
    for number, level in enumerate((0, 255)):
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), np.full((24, 32, 3), level, np.uint8))
    return tmp_path


def run(place: Path, artifact: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeseg", "run", str(artifact), *words]
    answer = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in answer.stderr
    return answer


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_commands_of_the_page(place: Path, artifact: Path) -> None:
    import shlex

    name = edgeseg.Artifact.open(artifact).spec.classes[1]
    commands = [shlex.split(line) for line in PAGE.splitlines() if line.startswith("edgeseg run ARTIFACT")]
    assert len(commands) == 3
    for command in commands:
        words = [word.replace("cell", name) for word in command[3:]]
        answer = run(place, artifact, *words)
        assert answer.returncode in (0, 1), answer.stderr
    found = lines(place / "found.jsonl")
    assert set(found[0]["zones"]) == {"door"}
    assert set(found[0]["lines"]) == {"fence"}
    assert len(found[0]["rules"]) == 1
    assert {line["verdict"]["passed"] for line in lines(place / "verdicts.jsonl")} <= {True, False}


def test_a_picture_that_fails_is_exit_code_1_and_counted(place: Path, artifact: Path) -> None:
    classes = edgeseg.Artifact.open(artifact).spec.classes
    words = [word for name in classes for word in ("--fail-if", f"{name} > 99%")]
    answer = run(place, artifact, "--source", "photos", *words, "--jsonl", "v.jsonl", "--json")
    verdicts = [line["verdict"]["passed"] for line in lines(place / "v.jsonl")]
    assert json.loads(answer.stdout)["failed"] == verdicts.count(False)
    assert answer.returncode == (1 if False in verdicts else 0)
    assert run(place, artifact, "--source", "photos", "--fail-if", f"{classes[0]} >= 0 px").returncode == 1


def test_unknown_names_and_broken_zones_are_refused(place: Path, artifact: Path) -> None:
    answer = run(place, artifact, "--source", "photos", "--zones", "zones.toml", "--alert", "x in dor > 2%")
    assert answer.returncode == 2
    assert "names the class 'x'" in answer.stderr
    (place / "zones.toml").write_text("[zones]\nbow = [[0, 0], [20, 20], [20, 0], [0, 20]]\n")
    answer = run(place, artifact, "--source", "photos", "--zones", "zones.toml")
    assert answer.returncode == 2
    assert "crosses itself" in answer.stderr
    answer = run(place, artifact, "--source", "photos", "--alert", "x > 2")
    assert answer.returncode == 2
    assert "write its unit behind 2" in answer.stderr


def test_a_stream_in_python_has_its_analysis(artifact: Path, clip: Path) -> None:
    with edgeseg.load(artifact) as model:
        asked = AnalysisSettings(regions=True, alerts=(f'"{model.classes[1]}" >= 0%',))
        found = [result.analysis for _, result in model.stream(clip, max_frames=3, analysis=asked)]
        assert [one is not None and len(one.rules) for one in found] == [1, 1, 1]
        assert found[0] is not None
        assert [alarm.state for alarm in found[0].alarms] == ["raised"]
        with pytest.raises(edgeseg.EdgesegError, match="names the class"):
            model.stream(clip, analysis=AnalysisSettings(alerts=("nothing > 2%",)))
