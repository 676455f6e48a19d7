"""Masks of several classes a pixel: one file a class, or a bit a class, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker, reference

import edgeseg
from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.errors import DataError
from edgeseg.image import UInt8, fit
from edgeseg.metrics.confusion import Confusion
from edgeseg.multilabel import unpack_planes
from edgeseg.spec import ModelSpec
from edgeseg.training.data.hold_out import with_val_split

CLASSES = ("sky", "road", "tree")
IMAGES = 9
YAML = {"train": "images/train", "val": "images/val", "names": list(CLASSES), "task": "multilabel"}
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def spec(tiny_spec: ModelSpec) -> ModelSpec:
    return tiny_spec.replace(task="multilabel")


@pytest.fixture
def artifact(tiny_artifact: ArtifactMaker, spec: ModelSpec) -> edgeseg.Artifact:
    return tiny_artifact("onnx", spec)


def picture(seed: int, spec: ModelSpec) -> UInt8:
    return np.random.default_rng(seed).integers(0, 256, (spec.height, spec.width, 3), dtype=np.uint8)


def truth(seed: int, spec: ModelSpec) -> UInt8:
    """What the network says, with a row of void and one class gone from some rows."""
    labels = reference(fit(picture(seed, spec), spec), spec)[0]
    labels[4:9] &= 0b011
    labels[0] = 255
    return labels


@pytest.fixture
def write(tmp_path: Path, spec: ModelSpec) -> Write:
    """Write a data folder: ``write("bits")`` or ``write("folders")``, with what ``data.yaml`` says."""

    def make(how: str, splits: tuple[str, ...] = ("val",), **yaml: object) -> Path:
        root = tmp_path / how
        for split in splits:
            (root / "images" / split).mkdir(parents=True)
            for seed in range(IMAGES):
                cv2.imwrite(str(root / f"images/{split}/p{seed}.png"), picture(seed, spec))
                write_masks(root / "masks" / split, f"p{seed}", truth(seed, spec), how)
        (root / "classes.txt").write_text("\n".join(CLASSES))
        if yaml or how == "bits":
            values = {**YAML, **yaml}
            (root / "data.yaml").write_text(json.dumps({k: v for k, v in values.items() if v is not None}))
        return root

    return make


def write_masks(folder: Path, stem: str, labels: UInt8, how: str) -> None:
    if how == "bits":
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{stem}.png"), labels)
        return
    planes = {name: np.where(labels == 255, 0, plane) for name, plane in zip(CLASSES, unpack_planes(labels, 3))}  # noqa: B905
    for name, plane in {**planes, "void": labels == 255}.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        if plane.any():
            cv2.imwrite(str(folder / name / f"{stem}.png"), plane.astype(np.uint8) * 255)


@pytest.mark.parametrize("how", ["bits", "folders"])
def test_both_ways_to_draw_them_are_read_alike(write: Write, how: str, spec: ModelSpec) -> None:
    data = Dataset.open(write(how), spec=spec)
    assert data.several
    for seed, pair in enumerate(data.pairs("val")):
        assert np.array_equal(data.read(pair)[1], truth(seed, spec))
    census = data.check_masks("val", proof=True)
    expected = [sum(np.count_nonzero(truth(s, spec)[1:] >> k & 1) for s in range(IMAGES)) for k in range(3)]
    assert census.class_pixels.tolist() == expected


@pytest.mark.parametrize("how", ["bits", "folders"])
def test_scores_are_those_of_each_class_alone(artifact: edgeseg.Artifact, write: Write, how: str) -> None:
    evaluation = edgeseg.evaluate(artifact, write(how))
    for index, name in enumerate(CLASSES):
        alone = Confusion(2)
        for seed in range(IMAGES):
            given = reference(fit(picture(seed, artifact.spec), artifact.spec), artifact.spec)[0]
            true = truth(seed, artifact.spec)
            alone.update(given >> index & 1, np.where(true == 255, np.uint8(255), true >> index & 1))
        assert evaluation.to_dict()["iou"][name] == alone.iou[1]
    assert evaluation.confusion.iou[2] < 1 == evaluation.confusion.iou[0]


def test_a_verification_is_recorded_and_checked_again(
    artifact: edgeseg.Artifact, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write("folders")
    comparison = edgeseg.verify([artifact, artifact], root)
    assert comparison.stages[1].confusion.iou.tolist() == edgeseg.evaluate(artifact, root).confusion.iou.tolist()
    out = tmp_path / "scores"
    assert main(["evaluate", str(artifact.path), "--data", str(root), "--out", str(out)]) == 0
    assert cv2.imread(str(out / "confusion.png")) is not None
    assert "sky" in capsys.readouterr().out


def test_a_part_that_changed_changes_the_digest_of_the_mask(write: Write, spec: ModelSpec) -> None:
    from edgeseg.files.picture_digests import digest_files

    data = Dataset.open(write("folders"), spec=spec)
    pair = data.pairs("val")[0]
    assert len(pair.masks) == 4
    before = digest_files(pair.masks)
    shutil.copy(data.pairs("val")[1].masks[1], pair.masks[1])
    assert digest_files(pair.masks) != before


def test_masks_of_one_class_a_pixel_are_no_truth_for_a_multilabel_model(
    artifact: edgeseg.Artifact, write: Write
) -> None:
    with pytest.raises(DataError, match=r"does not say how its masks show several .*masks/val/sky/NAME.png"):
        edgeseg.evaluate(artifact, write("bits", task=None))


@pytest.mark.parametrize("how", ["bits", "folders"])
def test_masks_of_several_classes_are_no_truth_for_a_model_of_one(
    tiny_artifact: ArtifactMaker, write: Write, how: str
) -> None:
    with pytest.raises(DataError, match="show several classes a pixel, and the network is multiclass"):
        edgeseg.evaluate(tiny_artifact("onnx"), write(how))


def damage(root: Path, kind: str) -> None:
    masks = root / "masks" / "val"
    if kind == "missing folder":
        shutil.rmtree(masks / "road")
    elif kind == "grey":
        cv2.imwrite(str(masks / "sky" / "p0.png"), np.tile(np.arange(32, dtype=np.uint8), (24, 1)))
    elif kind == "size":
        cv2.imwrite(str(masks / "road" / "p0.png"), np.ones((9, 9), np.uint8))
    elif kind == "strange":
        cv2.imwrite(str(masks / "p0.png"), np.full((24, 32), 8, np.uint8))
    else:
        for path in masks.iterdir():
            cv2.imwrite(str(path), np.full((24, 32), 255, np.uint8))


@pytest.mark.parametrize(
    ("how", "kind", "sentence"),
    [
        ("folders", "missing folder", "for some classes, and none for road"),
        ("folders", "grey", r"sky/p0.png holds the values 0, 1, 2, 3, \.\.\.; the mask of one class"),
        ("folders", "size", r"road/p0.png is 9x9 but .*sky/p0.png"),
        ("bits", "strange", r"1 of the 9 masks .* hold the value 8, but 3 classes make sets of 0\.\.7"),
        ("bits", "empty", "None of the 9 masks .* shows any of sky, road, tree, but p0.png"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    artifact: edgeseg.Artifact, write: Write, how: str, kind: str, sentence: str
) -> None:
    root = write(how, **({"ignore_index": 255} if how == "bits" else YAML))
    damage(root, kind)
    with pytest.raises(DataError, match=sentence):
        edgeseg.evaluate(artifact, root)


def test_values_have_no_single_meaning(write: Write) -> None:
    root = write("bits")
    with pytest.raises(DataError, match="`mask_values` gives a value one class"):
        Dataset.open(root, mask_values="128=road")
    assert Dataset.open(root, mask_values="255=ignore").several


def test_a_task_that_is_none_is_refused(write: Write) -> None:
    with pytest.raises(DataError, match="task must be one of binary, multiclass, multilabel; found 'many'"):
        Dataset.open(write("bits", task="many"))


def test_a_void_that_is_a_set_of_classes_is_refused(write: Write) -> None:
    with pytest.raises(DataError, match="`ignore_index=5` is a set of the 3 classes"):
        Dataset.open(write("bits"), 5)


@pytest.mark.parametrize("how", ["bits", "folders"])
def test_a_part_that_is_held_out_is_read_as_before(write: Write, how: str, tmp_path: Path, spec: ModelSpec) -> None:
    root = write(how, ("train",), **({"val": None} if how == "bits" else {}))
    split, _ = with_val_split(Dataset.open(root), tmp_path / "split")
    assert len(split.pairs("val")) == 1
    again = Dataset.open(tmp_path / "split", spec=spec)
    seeds = {f"p{seed}.png": truth(seed, spec) for seed in range(IMAGES)}
    for pair in (*again.pairs("train"), *again.pairs("val")):
        assert np.array_equal(again.read(pair)[1], seeds[pair.image.name])
    assert with_val_split(Dataset.open(root), tmp_path / "split")[0].pairs("val") == split.pairs("val")
