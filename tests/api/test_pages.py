"""The Python on the pages runs as it stands, block after block, as a reader would type it."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import edgeseg
from edgeseg.image import read_image, read_mask

ROOT = Path(__file__).resolve().parents[2]


def blocks_of(page: str) -> list[tuple[int, str]]:
    """Line number and text of each block of Python on a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(text[: block.start()].count("\n") + 1, block[1]) for block in found]


def run_page(page: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for line, block in blocks_of(page):
        code = compile("\n" * line + block, str(ROOT / page), "exec")
        exec(code, names)
    return names


@pytest.mark.filterwarnings("ignore::edgeseg.errors.DataWarning")
def test_the_guide_runs(demo_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run_page("docs/python.md")
    said = capsys.readouterr()
    labels = names["result"].labels
    assert labels.dtype == np.uint8
    assert np.array_equal(read_mask("mask.png"), edgeseg_labels("runs/demo/scenes/images/val/00000.png"))
    assert cv2.imread("overlay.png").shape == (64, 64, 3)
    assert "Result(64x64: " in said.out
    assert "of the picture" in said.out
    assert "photo.png is not an artifact" in said.out or "photo.png" in said.out
    assert "This model is closed" in said.out
    assert "-int8-openvino Result(64x64: " in said.out
    assert said.err == ""


def test_the_first_lines_of_the_readme_run(demo_place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ((_, block), *_) = blocks_of("README.md")
    assert len([line for line in block.splitlines() if line]) <= 5
    run_page("README.md")
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(40))


def test_the_example_writes_a_picture(demo_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = ROOT / "examples" / "predict_image.py"
    monkeypatch.setattr(sys, "argv", [str(script), "runs/demo/cells-int8-openvino", "photo.png", "masked.png"])
    runpy.run_path(str(script), run_name="__main__")
    with edgeseg.load("cells-int8-openvino") as model:
        assert np.array_equal(read_image("masked.png"), model("photo.png").overlay(legend=True))


def edgeseg_labels(path: str) -> Any:
    with edgeseg.load("cells-int8-openvino") as model:
        return model(path).labels
