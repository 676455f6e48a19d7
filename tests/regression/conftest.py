"""One run of the demo, whose artifacts all gates examine."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared_folder import FillOnce

from edgeseg.artifact import Artifact
from edgeseg.cli import main


@pytest.fixture(scope="session")
def demo(fill_once: FillOnce) -> Path:
    """The folder that ``edgeseg demo`` filled from the shipped checkpoint."""

    def fill(out: Path) -> None:
        assert main(["demo", "--out", str(out), "--frames", "30", "--no-people"]) == 0

    return fill_once("demo", fill)


@pytest.fixture(scope="session")
def fp32(demo: Path) -> Artifact:
    return Artifact.open(demo / "cells-fp32-openvino")


@pytest.fixture(scope="session")
def int8(demo: Path) -> Artifact:
    return Artifact.open(demo / "cells-int8-openvino")
