"""Out of memory: real allocations that fail, and the batch that would have fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgeseg.dataset import Dataset
from edgeseg.errors import UserError
from edgeseg.spec import ModelSpec
from edgeseg.training.loop import train
from edgeseg.training.memory import advice, fitting_batch, ran_out_of_memory
from edgeseg.training.settings import TrainSettings


class Hungry(nn.Module):
    """Asks for more memory than there is when a batch holds over two images."""

    def __init__(self, *_: object) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        torch.empty(max(0, len(x) - 2) << 58, dtype=torch.uint8)
        return self.conv(x)


def test_the_allocator_says_it_in_words_that_are_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert ran_out_of_memory(caught.value)
    assert ran_out_of_memory(MemoryError())
    assert ran_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert not ran_out_of_memory(RuntimeError("shape '[2]' is invalid"))
    assert not ran_out_of_memory(KeyError("out of memory"))


def test_the_batch_is_halved_until_it_fits() -> None:
    tried = []

    def attempt(size: int) -> None:
        tried.append(size)
        if size > 3:
            torch.empty(1 << 60, dtype=torch.uint8)

    assert fitting_batch(attempt, 20) == 2
    assert tried == [10, 5, 2]


def test_other_errors_of_a_trial_are_not_swallowed() -> None:
    def attempt(size: int) -> None:
        raise RuntimeError("a real mistake")

    with pytest.raises(RuntimeError, match="a real mistake"):
        fitting_batch(attempt, 8)


def test_where_not_even_one_image_fits_the_advice_is_another() -> None:
    def attempt(size: int) -> None:
        raise MemoryError

    assert fitting_batch(attempt, 8) == 0
    assert "one image does not fit either" in advice(8, 0, (512, 512))


def test_a_step_without_memory_names_the_batch_that_fits(
    tmp_path: Path, discs: Dataset, disc_spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeseg.training.start.build_model", Hungry)
    settings = TrainSettings(tmp_path, epochs=1, batch=6, crop=(32, 40), amp="no", device="cpu")
    with pytest.raises(UserError, match=r"at `batch=6` with crops of 32x40; a step of 1 fits here. Give `batch=1`"):
        train(discs, disc_spec, settings)


def test_other_errors_of_a_step_are_not_taken_for_it(
    tmp_path: Path, discs: Dataset, disc_spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeseg.training.start.build_model", lambda *_: nn.Conv2d(5, 2, 1))
    with pytest.raises(RuntimeError, match="expected input"):
        train(discs, disc_spec, TrainSettings(tmp_path, epochs=1, batch=6, amp="no", device="cpu"))
