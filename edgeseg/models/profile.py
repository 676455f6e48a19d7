"""What a network costs and how far it sees, measured on the network itself."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from edgeseg.models.options import WIDTH
from edgeseg.models.registry import build_model, count_weights, model_entry
from edgeseg.spec import ModelSpec

LONGEST = 128
"""Strides on a side of the image at whose edge a field counts as unbounded."""


@dataclass(frozen=True)
class Profile:
    """A network in figures.

    Attributes:
        name: in the registry.
        weights: trainable numbers.
        gflop: 1e9 floating-point operations for one image, 2 a multiply-add, convolutions alone.
        receptive_field: side in pixels of what one pixel's logits depend on; None: the whole image.
    """

    name: str
    weights: int
    gflop: float
    receptive_field: int | None


def describe_network(name: str, spec: ModelSpec) -> dict[str, Any]:
    """Return a network's figures, options and engines as plain values for JSON.

    Raises:
        UserError: unknown name.
    """
    entry = model_entry(name)
    return {
        **dataclasses.asdict(profile(name, spec)),
        "imgsz": [spec.height, spec.width],
        "engines": list(entry.engines),
        "pretrained": entry.pretrained is not None,
        "options": {option.name: option.range() for option in entry.options},
        "summary": entry.summary,
    }


def profile(name: str, spec: ModelSpec, options: Mapping[str, Any] | None = None) -> Profile:
    """Measure a network of the registry without giving it memory.

    Raises:
        UserError: unknown name or impossible options.
    """
    with torch.device("meta"):
        model = build_model(name, spec, options).eval()
    # How far a network sees does not depend on its width.
    narrow = {WIDTH.name: WIDTH.allowed[0]} if WIDTH in model_entry(name).options else {}
    with _one_thread():
        field = receptive_field(build_model(name, spec, {**(options or {}), **narrow}), spec.channels)
    return Profile(name, count_weights(model), gflop(model, spec), field)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Images of a few rows are not worth sharing: ten times as fast on a busy machine of two cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def gflop(model: nn.Module, spec: ModelSpec) -> float:
    """Count 1e9 operations for one image of the spec's size, 2 a multiply-add, without interpolation and additions.

    Args:
        model: on the ``meta`` device, where nothing is computed.
        spec: gives channels, height and width.
    """
    image = torch.empty(1, spec.channels, spec.height, spec.width, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return float(counter.get_total_flops()) / 1e9


def receptive_field(model: nn.Module, channels: int) -> int | None:
    """Measure the side in pixels of the square that one pixel's logits can depend on; None where it has no end.

    One column of an image is made NaN, which every layer passes on to all that it reaches; so the
    answer needs no list of layers. Pixels of different place in the coarsest grid see differently
    far: the largest field is given. Where max unpooling *puts* a value is not followed.

    Args:
        model: has ``stride``; left in eval mode.
        channels: of its input.
    """
    model.eval()
    stride = int(model.stride)  # type: ignore[arg-type]
    (one,) = _mark_reached(model, channels, LONGEST * stride, 1)
    if one[0] or one[-1]:
        return None
    # Columns elsewhere in the coarsest grid see less than a stride further than this one.
    reach = int((one.nonzero() - LONGEST * stride // 2).abs().max())
    return _widest(_mark_reached(model, channels, 2 * stride * (reach // stride + 2), stride), stride)


def _mark_reached(model: nn.Module, channels: int, width: int, count: int) -> Tensor:
    """(count, width): the output columns that the input column ``width // 2 + row`` reaches."""
    images = torch.zeros(count, channels, int(model.stride), width)  # type: ignore[arg-type]
    for row in range(count):
        images[row, ..., width // 2 + row] = torch.nan
    with torch.no_grad():
        return torch.as_tensor(model(images).isnan().any(1).any(1))


def _widest(reached: Tensor, stride: int) -> int:
    """Over the places in the coarsest grid, the widest range of input columns that reach an output column."""
    rows, columns = (values.tolist() for values in reached.nonzero(as_tuple=True))
    seen = sorted((column % stride, row - column) for row, column in zip(rows, columns, strict=True))
    fields = [[offset for _, offset in group] for _, group in itertools.groupby(seen, lambda pair: pair[0])]
    return int(max(max(field) - min(field) + 1 for field in fields))
