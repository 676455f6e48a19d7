"""The seam between one calibration and the INT8 file that an engine wants of it.

The same images and the same preprocessing go to every engine; the encodings differ, because
engines compute different masks from one file. A quantizer is one class, named in its
:class:`~edgeseg.formats.ModelFormat`; its tests are inherited from
``tests/calibration/quantizers/quantizer_contract.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.errors import ArtifactError
from edgeseg.formats import find_format, usable_formats
from edgeseg.image import UInt8
from edgeseg.runtime.engines.engine import Engine
from edgeseg.runtime.engines.logits import expect_labels

SHOWN_LAYERS = 10
Logits = npt.NDArray[np.float32]


class InFloat(Protocol):
    """A quantised model whose layers can be given back what they compute in float.

    Attributes:
        layers: names of what is quantised, in the order of computation.
    """

    layers: tuple[str, ...]

    def logits(self, kept: Collection[str], tensors: Sequence[UInt8]) -> list[Logits]:
        """Compute what the network says before ArgMax or the threshold, with the layers ``kept`` in float.

        Args:
            kept: of :attr:`layers`; all of them is the float model.
            tensors: network inputs (1, H, W, C).

        Returns:
            (1, K, H, W) for every input.
        """

    def write(self, kept: Collection[str], out: Path) -> None:
        """Write the model file with the layers ``kept`` in float into the directory ``out``.

        Raises:
            OSError: the disk is full.
        """


class Quantizer(Protocol):
    """INT8 for one engine.

    Attributes:
        format: artifact format of the INT8 file.
        parent_format: format of the fp32 artifact that it is made from.
        methods: of :data:`~edgeseg.calibration.quantizers.recipe.METHODS`, those its library has, the usual one first.
        proof_note: a sentence when :meth:`open_proof` is a stand-in for the engine, else empty.
    """

    format: str
    parent_format: str
    methods: tuple[str, ...]
    proof_note: str

    def layers(self, parent: Artifact) -> tuple[str, ...]:
        """List the names of the layers that can be kept in float, in the order of computation."""

    def quantize(
        self, parent: Artifact, images: CalibrationSet, recipe: Recipe, out: Path, on_image: Callable[[], object]
    ) -> Mapping[str, Any]:
        """Write the INT8 model file of ``parent`` into the directory ``out``.

        Args:
            parent: fp32 artifact of :attr:`parent_format`; it is not changed.
            images: what finds the ranges.
            recipe: how.
            out: an existing directory; the file is called as its :class:`~edgeseg.formats.ModelFormat` says.
            on_image: called for every image shown to the network, for progress.

        Returns:
            What an artifact records: ``algorithm`` and whatever else decided the result.

        Raises:
            ArtifactError: the library refuses the model, or nothing in it could be quantised.
            MissingExtra: the library is not installed.
            OSError: the disk is full.
        """

    def in_float(self, parent: Artifact, plain: Artifact, images: CalibrationSet, recipe: Recipe) -> InFloat:
        """Give single layers of ``plain`` back to float, to find out what each of them costs in INT8.

        Args:
            parent: the fp32 artifact.
            plain: its INT8 artifact, made with ``images`` and ``recipe``.
        """

    def open_proof(self, artifact: Artifact) -> Engine:
        """Open the engine that an INT8 artifact is proven in: the real one, or see :attr:`proof_note`."""


def quantizer_for(model_format: str) -> Quantizer:
    """Find the quantizer whose artifacts have the format ``model_format``.

    Raises:
        ArtifactError: there is none.
        EnvironmentFault: the package that brings it cannot be used.
    """
    found = find_format(model_format)
    if not found.quantizer:
        able = ", ".join(one.name for one in usable_formats() if one.quantizer)
        raise ArtifactError(f"There is no INT8 for {model_format!r}; there is for {able}.")
    quantizer: Quantizer = found.load("quantizer")()
    return quantizer


def expect_parent(quantizer: Quantizer, parent: Artifact) -> None:
    """Raise ArtifactError when ``parent`` is not what ``quantizer`` starts from."""
    if (parent.format, parent.precision) != (quantizer.parent_format, "fp32"):
        raise ArtifactError(
            f"{parent.path} is {parent.precision} {parent.format}; INT8 for {quantizer.format} starts from an fp32 "
            f"{quantizer.parent_format} artifact. Make one with: "
            f"`edgeseg.export_model(MODEL, format={quantizer.parent_format!r})`"
        )
    expect_labels(parent, quantizer.format)


def expect_recipe(quantizer: Quantizer, recipe: Recipe, layers: Sequence[str]) -> None:
    """Raise ArtifactError when a recipe asks for what ``quantizer`` or the network does not have.

    Args:
        quantizer: knows its methods.
        recipe: what is asked for.
        layers: names of the layers that the network has.
    """
    if recipe.method not in quantizer.methods:
        raise ArtifactError(
            f"INT8 for {quantizer.format} is calibrated by {', '.join(quantizer.methods)}; found "
            f"`method={recipe.method!r}`."
        )
    if unknown := sorted(recipe.keep_float - set(layers)):
        shown = ", ".join(layers[:SHOWN_LAYERS]) + (", ..." if len(layers) > SHOWN_LAYERS else "")
        raise ArtifactError(f"`keep_float` names no layer of this network: {unknown[0]!r}. Layers are {shown}.")
