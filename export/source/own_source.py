"""Networks of edgeseg itself: checkpoints of training, and fp32 ONNX artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.console.extras import require
from edgeseg.errors import ArtifactError, UserError
from edgeseg.export.graphs.ort_session import Forward
from edgeseg.export.source.finite_net import check_activations, check_weights
from edgeseg.export.source.foreign_net import probe_inputs
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.export.source.onnx_source import open_onnx_source
from edgeseg.export.source.source_net import STAGE_TORCH, DepthCut, LevelCut, SourceNet, SourceRequest
from edgeseg.image import Float32
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from edgeseg.training.checkpoint import LoadedModel
    from edgeseg.training.pruning.level_cut import CutFacts


def torch_forward(model: nn.Module) -> Forward:
    """Make a checkpoint's network a function of arrays."""
    torch = require("torch", "export")

    def forward(values: Float32) -> Float32:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(values)).numpy(), np.float32)

    return forward


def open_artifact(path: Path, request: SourceRequest) -> SourceNet:
    """Read an fp32 ONNX artifact.

    Raises:
        ArtifactError: an artifact of another kind, or a changed one.
    """
    artifact = Artifact.open(path)
    if (artifact.format, artifact.precision) != ("onnx", "fp32"):
        raise ArtifactError(
            f"{artifact.path} is {artifact.precision} {artifact.format}; export starts from a checkpoint, an ONNX "
            "file or an fp32-onnx artifact. To quantise an fp32 OpenVINO artifact: "
            f"`edgeseg.quantize({str(artifact.path)!r}, DIR)`"
        )
    return open_onnx_source(artifact.model_path, request, artifact.name)


def open_checkpoint(path: Path, request: SourceRequest) -> SourceNet:
    """Read a checkpoint of ``edgeseg train``.

    Raises:
        CheckpointError: it is none, or its network does not compute finite numbers.
        SpecError: what was said contradicts it.
        UserError: levels that cannot be dropped.
    """
    require("torch", "export")
    from edgeseg.training.checkpoint import load_model
    from edgeseg.training.pruning.depth_cut import cut_to_depth

    loaded, cut = load_model(path), request.cut
    check_weights(loaded.model, path)
    spec = request.settle(loaded.spec)
    depth = cut.depth if isinstance(cut, DepthCut) else None
    if depth is not None:
        loaded = cut_to_depth(loaded, depth)
    model, facts = _without_levels(loaded, spec, cut, request) if isinstance(cut, LevelCut) else (loaded.model, None)
    proto, parents = onnx_from_checkpoint(model, spec), {"checkpoint": loaded.digest}
    check_activations(model, probe_inputs(spec), path)
    known = loaded.training.get("trained_on")
    parts = (loaded.name, spec, proto, torch_forward(model), STAGE_TORCH, parents, facts, depth)
    return SourceNet(*parts, trained_on=known, is_tuned=bool(loaded.training.get("qat")))


def _without_levels(
    loaded: LoadedModel, spec: ModelSpec, cut: LevelCut, request: SourceRequest
) -> tuple[nn.Module, CutFacts]:
    if cut.data is None:
        raise UserError("`drop_levels` needs the means of what it drops; give `data=DIR` with images and masks.")
    require("accelerate", "train")
    from edgeseg.training.pruning.level_cut import cut_and_measure, labelled_validator

    validator = labelled_validator(cut.data, spec, mask_values=cut.mask_values)
    with request.progress("drop levels", 2) as tick:
        return cut_and_measure(loaded.model, cut.level, validator, tick)
