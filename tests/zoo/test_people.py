"""The zoo's network for persons, from its own file; and the walk from it to a network for one's own scene."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
from house import ROOT

import edgeseg
from edgeseg.api.demo import show_people
from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.demo.persons import render_person
from edgeseg.errors import EnvironmentFault
from edgeseg.image import read_mask
from edgeseg.verbs import demo as demo_verb
from edgeseg.verbs.flags.names import name_flags
from edgeseg.zoo import find
from edgeseg.zoo.registry import PEOPLE, PEOPLE_HD, ZOO

CLIP = "clips/intel_one-by-one-person.mp4"
PAGE = ROOT / "docs" / "zoo.md"


@pytest.fixture(scope="module")
def people(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the network in it, made of the file and no network."""
    file = data_dir / "models" / "selfie_segmentation.tflite"
    if not file.is_file():
        pytest.skip(f"{file} is not in the data that is here")
    cache = tmp_path_factory.mktemp("people")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        find.prepare(PEOPLE, file=file)
    return cache


@pytest.fixture
def home(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no network."""
    for name, value in {"XDG_CACHE_HOME": str(people), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_lines(text: str, changes: dict[str, str]) -> None:
    """Run each line of a page that begins with ``edgeseg``, with other words in the place of some."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line)
        if words[:1] == ["edgeseg"]:
            assert main([changes.get(word, word) for word in words[1:]]) == 0, line


def test_what_is_drawn_is_found(home: Path) -> None:
    with edgeseg.load("people") as model:
        assert model.spec.classes == ("background", "person")
        scores = []
        for seed in range(100, 112):
            image, truth = render_person(seed)
            labels = model(image).labels
            scores.append((labels & truth).sum() / (labels | truth).sum())
    assert np.median(scores) > 0.95, "no photographs: now and then one is taken for the wall"


def test_the_artifact_says_what_it_was_proven_on(home: Path) -> None:
    artifact = Artifact.open("people")
    stage = artifact.measured["stages"][f"{artifact.format} fp32"]
    assert stage["agreement"] > 0.999
    assert stage["mean_iou"] > 0.95
    assert "drawn-persons" in artifact.measured["source"]
    assert artifact.parents["tflite"] in PEOPLE.source.digests  # type: ignore[union-attr]


def test_the_demo_ends_with_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo_verb._show_people(home)
    said = capsys.readouterr().out
    assert re.search(r"IoU 0\.9\d\d on them", said)
    assert said.rstrip().endswith("run people --source 0 --show")
    assert show_people(home / "again.png", Artifact.open("people").path) > 0.95
    assert (home / "people.png").read_bytes() == (home / "again.png").read_bytes()


def test_the_demo_says_why_where_it_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> Path:
        raise EnvironmentFault("No package index answers.")

    monkeypatch.setattr(find, "prepare", refuse)
    demo_verb._show_people(tmp_path)
    assert "people are not shown: No package index answers." in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_its_score_on_photographs_is_the_one_on_the_page(
    home: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(data_dir / "person_voc")
    assert main(["evaluate", "people", "--data", data, "--split", "train", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mean_iou"] == pytest.approx(PEOPLE.figures.miou, abs=0.01), "the file is another build of one network"


def test_the_page_has_the_figures_of_the_records() -> None:
    rows = re.findall(r"^\| \[`([\w-]+)`\].*?\| (0\.\d{3}) on", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: float(score) for name, score in rows} == {name: entry.figures.miou for name, entry in ZOO.items()}


def test_the_page_has_the_speeds_of_the_records() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## Speed and INT8")[1].split("\n\n| ")[1].replace("*", "")
    head, _, *rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines() if "|" in line
    ]
    found = {
        row[0].split("`")[1]: {name: float(value) for name, value in zip(head[1:4], row[1:4], strict=True)}
        for row in rows
    }
    assert found == {name: dict(entry.figures.core_ms) for name, entry in ZOO.items() if entry.figures.core_ms}


def test_the_page_trains_as_the_record_says() -> None:
    page = PAGE.read_text(encoding="utf-8").replace("\\\n    ", "")
    line = name_flags(f"`{PEOPLE_HD.train}`")
    words = dict(re.findall(r"--([\w-]+) ([^-]+?)(?= --|$)", line))
    (shown,) = re.findall(r"^edgeseg train --data PERSON_VOC (.*)$", page, re.MULTILINE)
    assert {"data": "PERSON_VOC", **dict(re.findall(r"--([\w-]+) ([^-]+?)(?= --|$)", shown))} == words


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_line_that_trains_people_hd_runs(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one epoch in the place of sixteen, which take half an hour."""
    monkeypatch.chdir(tmp_path)
    line = name_flags(f"`{PEOPLE_HD.train}`")
    words = line[line.index("train") :].replace("--epochs 16", "--epochs 1").replace("--val-every 4", "--val-every 1")
    changes = {"PERSON_VOC": str(data_dir / "person_voc")}
    assert main([changes.get(word, word) for word in shlex.split(words)]) == 0
    assert (tmp_path / "runs" / "people-hd" / "best.pt").is_file()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_walk_to_a_network_for_a_scene(home: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every line of the page on a clip, with a smaller network input and a shorter training; then a frame by hand."""
    clip = data_dir / CLIP
    section = PAGE.read_text(encoding="utf-8").split("## A network for your own scene")[1]
    section = section.replace("--out runs/scene", "--out runs/scene --imgsz 144 256 --epochs 6 --val-every 3")
    section = section.replace("--show", "--save shown.mp4 --max-frames 40").replace(
        "--int8 ", "--int8 --no-search --max-drop 5 "
    )
    run_lines(section.split("```")[1], {"my.mp4": str(clip)})
    data = Dataset.open(home / "scene")
    assert len(data.pairs("train")) == 70
    values = {int(value) for pair in data.pairs("train") for value in np.unique(read_mask(pair.mask))}
    assert values == {0, 1, 255}
    capsys.readouterr()
    assert main(["evaluate", "runs/scene/artifacts/best-int8-openvino", "--data", "runs/scene/data", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["iou"]["person"] > 0.8, "of what its teacher was sure of"
    assert (home / "shown.mp4").stat().st_size > 0
    assert cv2.VideoCapture(str(home / "shown.mp4")).isOpened()
