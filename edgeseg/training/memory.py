"""Running out of memory in a training step: which batch would have fit."""

from __future__ import annotations

from collections.abc import Callable

import torch

# CUDA raises a type of its own; the CPU allocator and oneDNN say it in words.
_WORDS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "could not create a memory object",
)


def ran_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception of a training step means that memory is gone."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


def fitting_batch(attempt: Callable[[int], object], batch: int) -> int:
    """Find the largest of ``batch / 2, batch / 4, ... 1`` for which ``attempt(size)`` has memory; 0 when none has.

    Args:
        attempt: runs forward and backward on that many images.
        batch: the size that failed.
    """
    size = batch // 2
    while size and not _fits(attempt, size):
        size //= 2
    return size


def _fits(attempt: Callable[[int], object], size: int) -> bool:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        attempt(size)
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        return False
    return True


def advice(batch: int, fits: int, crop: tuple[int, int]) -> str:
    """Say what to do when ``batch`` of ``crop`` (height, width) does not fit."""
    found = f"Out of memory at `batch={batch}` with crops of {crop[0]}x{crop[1]}"
    if fits:
        return f"{found}; a step of {fits} fits here. Give `batch={fits}`, or a smaller `crop`."
    return f"{found}, and one image does not fit either. Give a smaller `crop`, `width`, or `stem_stride=2`."
