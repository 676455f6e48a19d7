"""Networks of the registry with random weights, each exported once in a test run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from model_contract import randomised, tiny
from shared_folder import FillOnce

from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.spec import ModelSpec

ODD = ModelSpec("multiclass", ("a", "b", "c"), 37, 53)
"""A size that no stride divides: every network pads and crops inside."""


@dataclass(frozen=True)
class ExportedNet:
    """A network in torch, in eval mode, and what it was exported to."""

    model: torch.nn.Module
    proto: Any


ExportNet = Callable[..., ExportedNet]


def build_net(name: str, spec: ModelSpec = ODD, **options: Any) -> torch.nn.Module:
    """Build the same small network on every call."""
    torch.manual_seed(0)
    return randomised(tiny(name, spec, **options))


@pytest.fixture(scope="session")
def exported(fill_once: FillOnce) -> ExportNet:
    """Export a network: ``exported("unet", spec=..., upsampling=...)``."""

    def export(name: str, spec: ModelSpec = ODD, **options: Any) -> ExportedNet:
        model = build_net(name, spec, **options)

        def fill(folder: Path) -> None:
            onnx.save_model(onnx_from_checkpoint(model, spec), str(folder / "net.onnx"))

        words = [name, *options.values(), f"{spec.height}x{spec.width}"]
        return ExportedNet(model, onnx.load_model(str(fill_once("net-" + "-".join(words), fill) / "net.onnx")))

    return export
