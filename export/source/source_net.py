"""What is exported, brought to one form, and what is asked for when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from edgeseg.console.progress import Progress, no_progress
from edgeseg.export.graphs.ort_session import Forward
from edgeseg.export.source.reference_engine import Predict
from edgeseg.export.specs.foreign_spec import SpecFlags, agree_with, change_spec, describe_spec
from edgeseg.masks.mask_values import GivenValues
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from edgeseg.training.pruning.level_cut import CutFacts

STAGE_FILE = "onnx file"
STAGE_TORCH = "torch"


@dataclass(frozen=True)
class SourceNet:
    """A trained network, ready to be wrapped.

    Attributes:
        name: what artifacts made from it are called.
        spec: its contract.
        proto: the bare network as ONNX.
        forward: the network as it was given (torch, or the original file), the reference.
        stage: what ``forward`` is called in reports.
        parents: SHA-256 of the file it was read from, by role.
        cut: what ``drop_levels`` cost and saved, where levels were dropped.
        depth: what ``depth`` cut a U-Net++ to, where it did.
        predict: what the network's own last layers say, the reference where it has such; None: what follows from
            the logits.
        notes: a sentence for each thing that a person should know about how it was read.
        is_foreign: how its pixels are prepared is somebody's word, and not what training wrote.
        takes_pixels: it takes uint8 pixels and prepares them itself.
        trained_on: which pictures it learned from, see :func:`edgeseg.files.trained_on.record_training`; None where the
            file does not say.
        is_tuned: it was trained under the rounding of INT8.
        origin: plain values about how it became ONNX, for the manifest: its exporter, and which output was taken.
    """

    name: str
    spec: ModelSpec
    proto: onnx.ModelProto
    forward: Forward
    stage: str
    parents: dict[str, str]
    cut: CutFacts | None = None
    depth: int | None = None
    predict: Predict | None = None
    notes: tuple[str, ...] = ()
    is_foreign: bool = False
    takes_pixels: bool = False
    trained_on: Mapping[str, Any] | None = None
    is_tuned: bool = False
    origin: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DepthCut:
    """What ``depth`` asks for: the levels of a U-Net++ to keep below the finest."""

    depth: int


@dataclass(frozen=True)
class LevelCut:
    """What ``drop_levels`` asks for: the deepest level to keep, and the labelled images it is measured on.

    Attributes:
        level: the deepest level to keep.
        data: a data folder.
        mask_values: what the values of its masks mean; None: as the data says it.
    """

    level: int
    data: Path | None
    mask_values: GivenValues | None = None


@dataclass(frozen=True)
class SourceRequest:
    """What is asked for when a source is opened.

    Attributes:
        flags: what was said about its spec.
        spec: the whole spec, in place of ``flags``; of those only what a spec does not say counts then.
        cut: levels to drop; the network without them is the source then, and the reference for every export.
        weights: a file with the weights of a network that a call builds.
        name: what a network that comes from no file is called; None: after what builds it.
        progress: of what a cut measures.
        ignore_weights: parts in the file of weights that the network has not and that are left out.
    """

    flags: SpecFlags
    spec: ModelSpec | None = None
    cut: LevelCut | DepthCut | None = None
    weights: Path | None = None
    name: str | None = None
    progress: Progress = no_progress
    ignore_weights: tuple[str, ...] = ()

    @property
    def said(self) -> SpecFlags:
        """All that was said, as flags."""
        return self.flags if self.spec is None else describe_spec(self.spec, self.flags.logits, self.flags.upsample)

    def settle(self, own: ModelSpec) -> ModelSpec:
        """Bring the spec that a network carries together with what was said.

        Raises:
            SpecError: they contradict each other.
        """
        return change_spec(own, self.flags) if self.spec is None else agree_with(own, self.spec)
