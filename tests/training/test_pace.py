"""How long a training takes: said before it starts, and in a log every minute."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import torch

from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.spec import ModelSpec
from edgeseg.training import loop
from edgeseg.training.checkpoint import read_checkpoint
from edgeseg.training.loop import Trainer, train
from edgeseg.training.pace import Pace, TimeLeft, in_words
from edgeseg.training.settings import TrainSettings


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def settings(out: Path, **changes: object) -> TrainSettings:
    return TrainSettings(
        out=out, **{"options": {"width": 0.25}, "epochs": 8, "batch": 4, "crop": (32, 32), "device": "cpu", **changes}
    )


def test_a_log_hears_within_a_minute_and_then_every_minute() -> None:
    clock, log = Clock(), io.StringIO()
    left = TimeLeft(log, clock)
    left.steps_left = 100
    said_at = []
    for _ in range(100):
        clock.now_s += 5
        left.count("step", 5)
        before = len(log.getvalue())
        left.say_if_due("epoch 1")
        if len(log.getvalue()) > before:
            said_at.append(clock.now_s)
    assert said_at == [20, *range(80, 501, 60)]
    assert log.getvalue().splitlines()[0] == "epoch 1; 8 min left"
    assert log.getvalue().splitlines()[-1] == "epoch 1; 1 s left"


def test_the_time_left_counts_validations() -> None:
    left = TimeLeft(io.StringIO(), Clock())
    assert left.left_s is None
    left.expect(Pace(2.0, 30.0))
    left.steps_left, left.validations_left = 10, 3
    assert left.left_s == 110
    left.count("step", 4.0)
    assert left.left_s == 9 * 3 + 90


def test_a_terminal_has_bars_and_gets_no_lines() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    clock, terminal = Clock(), Terminal()
    left = TimeLeft(terminal, clock)
    clock.now_s = 1000
    left.say_if_due("epoch 1")
    assert terminal.getvalue() == ""


def test_a_run_says_its_time_before_and_in_its_log(
    tmp_path: Path,
    discs: Dataset,
    disc_spec: ModelSpec,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("FIRST_S", "EVERY_S"):
        monkeypatch.setattr(f"edgeseg.training.pace.{name}", 0.0)
    train(discs, disc_spec, settings(tmp_path))
    lines = capsys.readouterr().err.splitlines()
    length = next(index for index, line in enumerate(lines) if line.startswith("24 steps of 4 crops of 32x32"))
    assert re.fullmatch(r"24 steps .*, in 8 epochs of 3; [\d.]+ s a step here, about \d+ s in all", lines[length])
    assert any(line.startswith("reading training images, 12 of 12") for line in lines[:length])
    steps = [line for line in lines[length:] if line.startswith("epoch ")]
    assert re.fullmatch(r"epoch 1/8, 1 of 3; loss [\d.]+; \d+ s left", steps[0])
    assert re.fullmatch(r"epoch 8/8, 3 of 3; loss [\d.]+, best val mIoU [\d.]+; \d+ s left", steps[-1])
    assert any(line.startswith("validating, 4 of 4") for line in lines[length:])


def test_timing_steps_leaves_no_trace_in_the_weights(
    tmp_path: Path, discs: Dataset, disc_spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = []
    plain = Trainer._time_step
    monkeypatch.setattr(Trainer, "_time_step", lambda self: (timed.append(1), plain(self))[1])
    with_timing = train(discs, disc_spec, settings(tmp_path / "with")).last
    assert len(timed) > 2
    timed.clear()
    monkeypatch.setattr(loop, "STEPS_WORTH_TIMING", 1000)
    without = train(discs, disc_spec, settings(tmp_path / "without")).last
    assert not timed
    first, second = (read_checkpoint(path) for path in (with_timing, without))
    assert all(torch.equal(first["state"][name], second["state"][name]) for name in first["state"])
    assert torch.equal(first["resume"]["torch_rng"], second["resume"]["torch_rng"])


def test_timing_leaves_no_trace_in_a_resumed_run(tmp_path: Path, discs: Dataset, disc_spec: ModelSpec) -> None:
    whole = train(discs, disc_spec, settings(tmp_path / "whole")).last
    trainer = Trainer(discs, disc_spec, settings(tmp_path / "parts"))
    for epoch in range(3):
        trainer.run_epoch(epoch)
    again = train(discs, disc_spec, settings(tmp_path / "parts"), resume=tmp_path / "parts/last.pt").last
    first, second = (read_checkpoint(path)["state"] for path in (whole, again))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_time_is_filled_and_a_resumed_run_keeps_the_length_it_began_with(
    tmp_path: Path, disc_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Trainer, "_measure_pace", lambda self: Pace(0.5, 1.0))
    command = ["train", "--data", str(disc_folder), "--out", str(tmp_path), "--width", "0.25", "--time", "15s"]
    assert main([*command, "--device", "cpu"]) == 0
    # 15 s hold 3 validations of a second and 24 steps of half a second: 8 epochs of 3.
    assert capsys.readouterr().err.count("24 steps of 4 crops") == 1
    assert read_checkpoint(tmp_path / "last.pt")["training"]["epochs"] == 8
    monkeypatch.setattr(Trainer, "_measure_pace", lambda self: Pace(0.1, 0.1))
    assert main([*command, "--device", "cpu", "--resume"]) == 2
    assert "All 8 epochs are already done" in capsys.readouterr().err


def test_validations_get_a_fifth_of_a_short_time() -> None:
    assert Pace(0.5, 1.0).epochs_within(15, 3) == (8, 3)
    assert Pace(0.5, 1000.0).epochs_within(15, 3) == (1, 1)
    assert Pace(0.1, 0.1).epochs_within(1800, 10) == (1798, 120)


def test_a_time_without_a_unit_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", "nowhere", "--time", "30"]) == 2
    assert "A duration is a number with its unit" in capsys.readouterr().err


def test_times_are_said_as_people_do() -> None:
    assert [in_words(s) for s in (0.2, 40, 540, 20520)] == ["1 s", "40 s", "9 min", "5.7 h"]
