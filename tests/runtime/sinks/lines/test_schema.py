"""Every line is valid by the schema that is shipped, and the schema refuses what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from linear_model import ArtifactMaker

from edgeseg.cli import main
from edgeseg.image import read_mask, resize_mask
from edgeseg.runtime.frames.analysis import (
    AlarmEvent,
    Analysis,
    LineState,
    Region,
    RuleState,
    Verdict,
    ZoneState,
)
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.class_shares import class_runs, count_runs
from edgeseg.runtime.sinks.jsonl import JsonlSink
from edgeseg.runtime.sinks.lines.schema import load_schema
from edgeseg.spec import ModelSpec

VALIDATOR = jsonschema.Draft202012Validator(load_schema(), format_checker=jsonschema.FormatChecker())


def decode_runs(mask: dict[str, list[int]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """COCO's definition, once more: runs down the columns, the first outside."""
    height, width = mask["size"]
    values = np.repeat(np.arange(len(mask["counts"])) % 2 == 1, mask["counts"])
    return values.reshape(width, height).T


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(load_schema())


@pytest.mark.parametrize("more", [[], ["--jsonl-masks"]])
def test_lines_of_a_run_are_valid(tmp_path: Path, clip: Path, tiny_artifact: ArtifactMaker, more: list[str]) -> None:
    artifact, lines, masks = tiny_artifact("openvino"), tmp_path / "lines.jsonl", tmp_path / "masks"
    words = ["run", str(artifact.path), "--source", str(clip), "--jsonl", str(lines), "--save-masks", str(masks), *more]
    assert main(words) == 0
    records = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert len(records) == 40
    for record in records:
        VALIDATOR.validate(record)
        assert ("masks" in record) == bool(more)
        for name, runs in record.get("masks", {}).items():
            label = artifact.spec.classes.index(name)
            shown = read_mask(masks / f"{record['index']:06d}.png")
            mask = decode_runs(runs)
            assert np.array_equal(resize_mask(mask.astype(np.uint8), *shown.shape), shown == label)
            assert mask.mean() == pytest.approx(record["classes"][name], abs=1e-5)


def test_what_the_analysis_adds_is_valid(tmp_path: Path) -> None:
    region = Region(1, "a", 12.0, 3.5, (1.0, 2.0), (0, 0, 4, 3), ((0.0, 0.0), (4.0, 0.0), (4.0, 3.0)), ("door",))
    found = Analysis(
        {"a": 0.5},
        (region,),
        2,
        (ZoneState("door", {"a": 0.5}, {"a": 1}),),
        (LineState("kerb", ("a",), ("a",)),),
        (RuleState("rule", "a > 2%", True, 50.0, 2.0, "%", 1.0),),
        (AlarmEvent("rule", "a > 2%", "raised", "a", "", 50.0, "%", 0.0),),
        Verdict(False, ("a > 2%",), {"a > 2%": 50.0}),
    )
    spec = ModelSpec("binary", ("background", "a"), 8, 8)
    sink = JsonlSink(tmp_path / "lines.jsonl", spec)
    frame = Frame(np.zeros((8, 8, 3), np.uint8), 0, 0.0, "cam")
    sink.write(frame, Prediction(np.ones((8, 8), np.uint8), analysis=found), 5.0)
    sink.close()
    line = json.loads((tmp_path / "lines.jsonl").read_text())
    assert {"regions", "regions_left_out", "zones", "lines", "rules", "alarms", "verdict"} <= line.keys()
    VALIDATOR.validate(line)
    line["alarms"][0]["state"] = "perhaps"
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(line)


@pytest.mark.parametrize("change", [{"version": 2}, {"index": -1}, {"classes": {"a": 1.2}}, {"reused": "no"}])
def test_what_is_no_line_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    line = {"version": 1, "source": "a", "index": 0, "time": "2026-11-28T03:00:00+00:00", "media_s": None}
    line |= {"name": "", "latency_ms": 1.0, "reused": False, "classes": {"a": 0.5}}
    VALIDATOR.validate(line)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**line, **change})


# pycocotools of the tests asks numpy in a way that numpy 2 warns of
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_run_lengths_are_those_of_coco() -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="COCO's own program is not installed")
    plane = np.random.default_rng(0).random((13, 21)) < 0.4
    for each in (plane, ~plane, np.zeros_like(plane), np.ones_like(plane)):
        runs = {"size": list(each.shape), "counts": count_runs(each)}
        assert np.array_equal(coco.decode(coco.frPyObjects(runs, *each.shape)).astype(bool), each)


def test_classes_that_overlap_have_runs_of_their_own_and_a_letterbox_none() -> None:
    spec = ModelSpec("multilabel", ("person", "hat"), 8, 8, resize="letterbox")
    labels = np.full((8, 8), 3, np.uint8)
    labels[2:6] = 1
    found = class_runs(Frame(np.zeros((40, 80, 3), np.uint8), 0, 0.0, "a"), labels, spec)
    assert found == {"person": {"size": [4, 8], "counts": [0, 32]}}
