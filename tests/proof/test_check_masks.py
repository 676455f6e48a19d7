"""Budgets are held again, on the same pictures, from what the artifact says each of them gave."""

from __future__ import annotations

import json
import runpy
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from house import ROOT
from linear_model import ArtifactMaker, reference

from edgeseg.api.check import check
from edgeseg.artifact import Artifact, writing_artifact
from edgeseg.cli import main
from edgeseg.errors import ArtifactError, DataError, UserError
from edgeseg.image import fit
from edgeseg.proof import image_record
from edgeseg.proof.compare import Comparison, compare
from edgeseg.proof.image_record import read_image_record, write_record
from edgeseg.proof.judgement import judgement_table
from edgeseg.proof.judges.judge import judge
from edgeseg.proof.judges.recheck import choose_budget
from edgeseg.proof.kept_masks import KeptMasks
from edgeseg.proof.publishing import artifact_stage
from edgeseg.proof.samples import Samples, samples_from
from edgeseg.proof.stage import Stage
from edgeseg.runtime.engines.predictor import Examined
from edgeseg.spec import ModelSpec

IMAGES = 9
SCRIPT = ROOT / "examples" / "bootstrap_with_numpy.py"


@pytest.fixture(params=[True, False], ids=["masks", "no masks"])
def labelled(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def data(tmp_path: Path, tiny_spec: ModelSpec, labelled: bool) -> Path:
    """Pictures of coarse fields of colour; their masks lie a column beside what the network says of them."""
    root = tmp_path / "data"
    for folder in ("images/val", "masks/val"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text("\n".join(tiny_spec.classes), encoding="utf-8")
    for seed in range(IMAGES):
        coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
        image = cv2.resize(coarse, (tiny_spec.width, tiny_spec.height), interpolation=cv2.INTER_NEAREST)
        name = f"{chr(97 + seed)}.png"
        cv2.imwrite(str(root / "images/val" / name), image)
        cv2.imwrite(str(root / "masks/val" / name), np.roll(reference(fit(image, tiny_spec), tiny_spec)[0], 1, 1))
    return root if labelled else root / "images/val"


def shifted(stage: Stage, columns: int) -> Stage:
    """The float model, whose masks the artifact gives a few pixels aside; and a little more sure."""

    def answer(image: Any) -> Examined:
        said = stage.answer(image)
        labels = np.roll(said.labels, columns, 1)
        sure = None if said.confidence is None else np.minimum(said.confidence, 250) + np.uint8(5)
        return Examined(labels, np.roll(said.plain, columns, 1), sure)

    return Stage("float", lambda image: answer(image).labels, answer)


def prove(artifact: Artifact, out: Path, data: Path, columns: int = 1, *, keeps_masks: bool = True) -> Artifact:
    """The same model once more, proven against a float model that differs by so many columns."""
    import contextlib

    samples = samples_from(data, artifact.spec)
    masks = KeptMasks() if keeps_masks else KeptMasks(limit_bytes=0)
    with contextlib.ExitStack() as stack:
        own = artifact_stage(artifact, stack)
        found = compare([shifted(own, columns), own], samples, artifact.spec, masks=masks)
    manifest = {
        **{name: getattr(artifact, name) for name in ("name", "format", "spec")},
        "precision": "int8",
        "outputs": list(artifact.outputs),
        "measured": measured(found, samples),
    }
    with writing_artifact(out, manifest) as staged:
        shutil.copyfile(artifact.model_path, staged / artifact.model_path.name)
        manifest["measured"]["left_out"] = write_record(staged, found, artifact.spec.task, masks)
    return Artifact.open(out)


def measured(found: Comparison, samples: Samples) -> dict[str, Any]:
    values = {**found.to_dict(), **samples.evidence()}
    values["stages"] = {"onnx int8": values["stages"]["onnx fp32"]}
    return values


def fields(found: Sequence[Any]) -> list[str]:
    return [one.field for one in found]


ANY = dict.fromkeys(("max_drop", "max_class_drop", "max_boundary_drop", "max_class_change", "max_change"), 100.0)
ANY["max_confidence_change"] = 100.0


class TestTheSameAnswers:
    def test_judge_as_they_did(self, tiny_artifact: ArtifactMaker, tmp_path: Path, data: Path, labelled: bool) -> None:
        made = prove(tiny_artifact("onnx"), tmp_path / "tiny-int8-onnx", data)
        record = read_image_record(made)
        assert record is not None
        found = check(made, data=data, limits=ANY)
        before = judge(record.comparison, record.comparison.stages[1], choose_budget(made, ANY))
        assert judgement_table(found.judgements) == judgement_table(before)
        expected = ["max_drop", *(["max_class_drop", "max_boundary_drop"] if labelled else []), "max_change"]
        assert fields(found.judgements)[: len(expected)] == expected
        assert {"max_confidence_change"} <= set(fields(found.judgements))
        assert found.judgements[0].points > 1
        assert not found.failed

    @pytest.mark.parametrize("limit", ["max_drop", "max_change", "max_confidence_change"])
    def test_fail_a_limit_that_they_miss(
        self, tiny_artifact: ArtifactMaker, tmp_path: Path, data: Path, limit: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        made = prove(tiny_artifact("onnx"), tmp_path / "tiny-int8-onnx", data)
        words = [word for name in ANY if name != limit for word in (f"--{name.replace('_', '-')}", "100")]
        flag = f"--{limit.replace('_', '-')}"
        assert main(["check", str(made.path), "--data", str(data), *words, flag, "0.1"]) == 1
        told = capsys.readouterr()
        assert f"{flag} is 0.1" in told.err
        assert "FAILED  its budget, against its reference:\njudged" in told.out

    def test_are_not_enough_where_held_is_required(
        self, tiny_artifact: ArtifactMaker, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        made = prove(tiny_artifact("onnx"), tmp_path / "tiny-int8-onnx", data)
        found = check(made, data=data, limits=ANY)
        barely = found.judgements[0].points + 0.01
        limits = {**ANY, "max_drop": barely}
        assert check(made, data=data, limits=limits).judgements[0].verdict == "cannot tell"
        assert not check(made, data=data, limits=limits).failed
        strict = check(made, data=data, limits=limits, require_held=True)
        assert "max_drop" in fields(strict.missed)
        assert strict.to_dict()["judgements"][0] == {**strict.judgements[0].to_dict(), "passed": False}
        words = [word for name, limit in limits.items() for word in (f"--{name.replace('_', '-')}", f"{limit}")]
        command = ["check", str(made.path), "--data", str(data), *words]
        assert main(command) == 0
        capsys.readouterr()
        assert main([*command, "--require-held"]) == 1
        assert "and it may be " in capsys.readouterr().err

    def test_limits_that_are_not_given_are_those_it_was_made_with(
        self, tiny_artifact: ArtifactMaker, tmp_path: Path, data: Path
    ) -> None:
        made = prove(tiny_artifact("onnx"), tmp_path / "tiny-int8-onnx", data)
        made.measured["judgements"] = [{"field": "max_drop", "limit": 7.0}, {"field": "max_change", "limit": None}]  # type: ignore[index]
        budget = choose_budget(made, {"max_class_drop": 1.0})
        assert (budget.max_drop, budget.max_change, budget.max_class_drop) == (7.0, float("inf"), 1.0)

    def test_the_bootstrap_is_repeated_by_plain_numpy(
        self,
        tiny_artifact: ArtifactMaker,
        tmp_path: Path,
        data: Path,
        labelled: bool,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        made = prove(tiny_artifact("onnx"), tmp_path / "tiny-int8-onnx", data)
        runpy.run_path(str(SCRIPT))["main"](made.path)
        lines = dict(line.split(" +", 1) for line in capsys.readouterr().out.splitlines())
        table = judgement_table(check(made, data=data, limits=ANY).judgements)
        rows = {row.split("  ")[0].split(",")[0]: row.split(" +", 1)[1] for row in table.splitlines() if " +" in row}
        names = {"% of pixels changed", *(("mIoU", "boundary IoU") if labelled else ())}
        assert set(lines) == names
        for name in names:
            assert lines[name].split() == rows[name].replace("  ", " ").split()[: len(lines[name].split())], name


class TestOtherAnswers:
    """The artifact gives other masks here: its model is exchanged for one that was trained otherwise."""

    @staticmethod
    def worse(made: Artifact, folder: Path, spec: ModelSpec, tiny_artifact: ArtifactMaker) -> Artifact:
        """The same record over a model whose colours are read the other way round."""
        other = tiny_artifact("onnx", spec.replace(color_order="bgr"))
        manifest = json.loads((made.path / "edgeseg.json").read_text())
        manifest["spec"] = other.spec
        with writing_artifact(folder, manifest) as staged:
            for name in made.files:
                shutil.copyfile((other if name == "model.onnx" else made).path / name, staged / name)
        return Artifact.open(folder)

    def test_fail(
        self, tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec, tmp_path: Path, data: Path, labelled: bool
    ) -> None:
        made = prove(tiny_artifact("onnx"), tmp_path / "tiny-int8-onnx", data)
        worse = self.worse(made, tmp_path / "worse", tiny_spec, tiny_artifact)
        found = check(worse, data=data)
        assert "max_drop" in fields(found.missed)
        assert ("max_change" if labelled else "max_class_change") in fields(found.missed)
        assert [gate.passed for gate in found.gates] == [False] * labelled
        unsure = {one.field: one.verdict for one in found.judgements}["max_confidence_change"]
        assert unsure == "cannot tell", "the confidence of the reference is not kept"

    def test_the_reference_beside_it_says_what_the_record_cannot(
        self, tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec, tmp_path: Path, data: Path
    ) -> None:
        made = prove(tiny_artifact("onnx"), tmp_path / "tiny-int8-onnx", data)
        worse = self.worse(made, tmp_path / "worse", tiny_spec, tiny_artifact)
        found = check(worse, data=data, reference=tiny_artifact("onnx"), limits={"max_crossing": 100})
        verdicts = {one.field: one.verdict for one in found.judgements}
        assert verdicts["max_confidence_change"] == "missed"
        with pytest.raises(UserError, match="Give the float artifact that it was made from as `reference`"):
            check(made, data=data, reference=tiny_artifact("onnx", tiny_spec.replace(classes=("x", "y", "z"))))

    def test_masks_that_took_too_much_room_are_said_to_be_missing(
        self, tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec, tmp_path: Path, data: Path, labelled: bool
    ) -> None:
        made = prove(tiny_artifact("onnx"), tmp_path / "tiny-int8-onnx", data, keeps_masks=False)
        assert "masks.zip" not in made.files
        assert "take too much room" in made.measured["left_out"]
        worse = self.worse(made, tmp_path / "worse", tiny_spec, tiny_artifact)
        if not labelled:
            with pytest.raises(ArtifactError, match=r"masks of its reference took too much room.*`reference`"):
                check(worse, data=data)
            return
        assert not check(made, data=data, limits=ANY).failed
        verdicts = {one.field: str(one) for one in check(worse, data=data).judgements}
        assert "another than when it was proven" in verdicts["max_change"]


def test_a_record_that_is_too_large_is_left_out(
    tiny_artifact: ArtifactMaker, tmp_path: Path, data: Path, labelled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_record, "LIMIT_BYTES", 100)
    made = prove(tiny_artifact("onnx"), tmp_path / "tiny-int8-onnx", data)
    assert "images.json" not in made.files
    assert made.measured["left_out"].startswith("Counts of the single images are left out: those of 9 images")
    if labelled:
        assert [gate.passed for gate in check(made, data=data).gates] == [True]
        with pytest.raises(ArtifactError, match=r"`max_class_drop` and `require_held` cannot be held.*`reference`"):
            check(made, data=data, limits={"max_class_drop": 1}, require_held=True)
    else:
        with pytest.raises(ArtifactError, match="nothing to compare with"):
            check(made, data=data)


def test_pictures_are_found_by_content_and_missed_by_name(
    tiny_artifact: ArtifactMaker, tmp_path: Path, data: Path, labelled: bool
) -> None:
    made = prove(tiny_artifact("onnx"), tmp_path / "tiny-int8-onnx", data)
    folder = data / "images/val" if labelled else data
    if not labelled:
        (folder / "a.png").rename(folder / "zebra.png")
        assert not check(made, data=data, limits=ANY).failed
    (folder / "b.png").unlink()
    with pytest.raises(DataError, match=r"b\.png"):
        check(made, data=data, limits=ANY)


def test_pictures_that_were_drawn_cannot_be_looked_for(tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
    artifact = tiny_artifact("onnx")
    made = tmp_path / "drawn"
    manifest = {"name": "t", "precision": "fp32", "format": "onnx", "spec": artifact.spec, "outputs": ["labels"]}
    with writing_artifact(made, {**manifest, "measured": {"pictures": [], "source": "synthetic"}}) as staged:
        shutil.copyfile(artifact.model_path, staged / "model.onnx")
    with pytest.raises(ArtifactError, match="nothing to compare with"):
        check(made, data=tmp_path)
    with pytest.raises(ArtifactError, match="verified on pictures that were drawn for it"):
        check(made, data=tmp_path, reference=artifact)


def test_limits_need_pictures_and_a_name(tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
    for asked in ({"max_drop": 1}, {"require_held": True}, {"limits": {"max_gain": 1}}):
        with pytest.raises(UserError, match="give `data`"):
            check(tiny_artifact("onnx"), **asked)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"The limits of a budget are max_drop, .*; found max_loss"):
        check(tiny_artifact("onnx"), data=tmp_path, limits={"max_loss": 1})


def test_a_limit_that_nothing_can_be_held_against_is_said(
    tiny_artifact: ArtifactMaker, tmp_path: Path, data: Path, labelled: bool
) -> None:
    made = prove(tiny_artifact("onnx", confidence=False), tmp_path / "tiny-int8-onnx", data)
    asked = "max_class_change" if labelled else "max_class_drop"
    found = check(made, data=data, limits={**ANY, "max_confidence_change": 1, "max_crossing": 1})
    told = {one.field: str(one) for one in found.judgements if "not measured" in one.what}
    assert {one.verdict for one in found.judgements if one.field in told} == {"cannot tell"}
    assert set(told) == {"max_confidence_change", "max_crossing", asked, *(() if labelled else ("max_boundary_drop",))}
    assert told["max_confidence_change"].startswith("confidence was not measured: the model gives no confidence")
    assert not found.failed
    assert set(told) <= set(fields(check(made, data=data, limits=ANY | {"max_crossing": 1}, require_held=True).missed))


def test_verify_says_it_too(tiny_artifact: ArtifactMaker, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifact = str(tiny_artifact("onnx", confidence=False).path)
    command = ["verify", artifact, artifact, "--data", str(data), "--max-confidence-change", "1"]
    main(command)
    assert "confidence, not measured" in capsys.readouterr().out
    assert main([*command, "--require-held"]) == 1
    assert "confidence was not measured: the model gives no confidence" in capsys.readouterr().err
