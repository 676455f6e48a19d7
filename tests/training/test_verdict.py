"""A run that has learned nothing says so, and what to try."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edgeseg.cli import main
from edgeseg.metrics.confusion import Confusion
from edgeseg.metrics.multilabel import make_confusion
from edgeseg.spec import ModelSpec
from edgeseg.training.losses.registry import make_loss
from edgeseg.training.verdict import constant_loss, judge

CLASSES = ("background", "disc", "rim")


def confusion(rows: list[list[int]]) -> Confusion:
    result = Confusion(len(rows))
    result.counts[:, : len(rows)] = rows
    return result


def test_one_label_everywhere_is_nothing() -> None:
    verdict = judge(confusion([[900, 0, 0], [80, 0, 0], [20, 0, 0]]), CLASSES, 0.3, 0.5)
    assert not verdict.learned
    assert verdict.why == ("it answers 'background' everywhere",)
    assert verdict.never_found == ("disc", "rim")


def test_foreground_that_is_never_hit_is_nothing() -> None:
    verdict = judge(confusion([[880, 20, 0], [80, 1, 0], [19, 0, 0]]), CLASSES, 0.3, 0.5)
    assert verdict.why == ("the IoU of disc, rim is about 0",)


def test_a_loss_that_is_not_below_a_constant_answers_is_nothing() -> None:
    scores = confusion([[500, 400], [50, 50]])
    assert judge(scores, CLASSES[:2], 0.69, 0.69).why[0].startswith("its loss (0.690) is not below")
    assert judge(scores, CLASSES[:2], 0.5, 0.69).learned
    assert judge(scores, CLASSES[:2], 0.69, None).learned


def test_one_class_that_is_found_is_something_and_the_others_are_named() -> None:
    verdict = judge(confusion([[890, 10, 0], [20, 60, 0], [20, 0, 0]]), CLASSES, 0.3, 0.5)
    assert verdict.learned
    assert verdict.never_found == ("rim",)


@pytest.mark.parametrize("mode", ["balanced", "none"])
@pytest.mark.parametrize(("task", "classes"), [("binary", 2), ("multiclass", 2), ("multiclass", 3)])
def test_no_constant_answer_has_a_smaller_loss(task: str, classes: int, mode: str) -> None:
    """Each logit moved a little, either way, on the masks that the pixel counts are from."""
    generator = torch.Generator().manual_seed(0)
    target = (torch.rand(40, 40, generator=generator) ** 2 * classes).long()
    pixels = torch.bincount(target.flatten(), minlength=classes)
    loss = make_loss(ModelSpec(task, CLASSES[:classes], 40, 40), pixels, mode)
    best = constant_loss(loss, pixels, mode, [target], task == "binary")
    assert best is not None
    channels = 1 if task == "binary" else classes
    seen = []
    for logits in torch.cartesian_prod(*[torch.linspace(-3, 3, 25)] * channels).reshape(-1, channels):
        seen.append(loss(logits[None, :, None, None].expand(1, channels, 40, 40), target[None]).item())
    assert best <= min(seen) + 1e-4
    assert best > min(seen) - 0.05


def test_a_run_on_noise_says_that_nothing_was_learned_and_what_to_try(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    data = tmp_path / "data"
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (data / kind / split).mkdir(parents=True)
        for index in range(6):
            image = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            mask = (rng.random((32, 32)) < 0.1).astype(np.uint8)
            cv2.imwrite(str(data / "images" / split / f"{index}.png"), image)
            cv2.imwrite(str(data / "masks" / split / f"{index}.png"), mask)
    (data / "classes.txt").write_text("background\nspeck\n")
    command = ["train", "--data", str(data), "--out", str(tmp_path / "out"), "--width", "0.25", "--device", "cpu"]
    assert main([*command, "--steps", "40", "--class-weights", "none"]) == 0
    shown = capsys.readouterr()
    assert "This network has learned nothing: " in shown.out
    assert "Try: a longer training (this one had 40 steps): --steps 1000" in shown.out
    assert "next:" not in shown.out
    assert "40 steps are few" in shown.err
    assert "6 training pictures are few" in shown.err
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert (results["finished"], results["learned"], results["steps"]) == (True, False, 40)
    assert results["why_not"]
    assert results["never_found"] == ["speck"]


def test_a_run_that_learns_says_nothing_of_the_kind(
    tmp_path: Path, disc_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--data", str(disc_folder), "--out", str(tmp_path), "--width", "0.25", "--device", "cpu"]
    assert main([*command, "--steps", "75", "--lr", "1e-2"]) == 0
    shown = capsys.readouterr().out
    assert "learned nothing" not in shown
    assert "edgeseg export" in shown.splitlines()[-1]
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["learned"], results["why_not"], results["never_found"]) == (True, [], [])
    assert results["best"]["miou"] > 0.8
    assert results["loss"] < results["loss_of_a_constant_answer"]


def several(rows: list[list[int]]) -> Confusion:
    result = make_confusion("multilabel", len(rows))
    result.counts[:] = rows
    return result


def test_a_multilabel_network_that_shows_nothing_has_learned_nothing() -> None:
    verdict = judge(several([[0, 100, 0, 900], [0, 20, 0, 980]]), ("sky", "road"), 0.3, 0.5)
    assert verdict.why == ("it answers no class everywhere",)
    assert verdict.never_found == ("sky", "road")
    verdict = judge(several([[100, 0, 900, 0], [0, 20, 0, 980]]), ("sky", "road"), 0.3, 0.5)
    assert verdict.why == ("it answers 'sky' everywhere",)


def test_a_multilabel_network_that_finds_one_class_has_learned_something() -> None:
    verdict = judge(several([[80, 20, 10, 890], [0, 20, 5, 975]]), ("sky", "road"), 0.3, 0.5)
    assert verdict.learned
    assert verdict.never_found == ("road",)


def test_the_best_constant_answer_of_a_multilabel_task_is_how_often_each_class_shows() -> None:
    pixels, target = torch.tensor([[75, 25], [50, 50]]), torch.tensor([[0b01, 0b10, 0b10, 0b00]]).repeat(4, 1)
    spec = ModelSpec("multilabel", ("sky", "road"), 8, 8)
    loss = make_loss(spec, pixels, "none")
    assert constant_loss(loss, pixels, "none", [target], binary=False) == pytest.approx((0.5623 + 0.6931) / 2, abs=1e-3)
