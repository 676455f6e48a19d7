"""The seam between one calibration and the INT8 file that an engine wants of it.

The same images and the same preprocessing go to every engine; the encodings differ, because
engines compute different masks from one file. A quantizer is one module and one line in
``_ENCODINGS``; its tests are inherited from ``tests/calibration/quantizers/quantizer_contract.py``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.errors import ArtifactError
from edgeseg.runtime.engines.engine import Engine

_ENCODINGS = {
    "openvino": ("edgeseg.calibration.quantizers.openvino_quantizer", "OpenVinoQuantizer"),
    "onnx": ("edgeseg.calibration.quantizers.ort_quantizer", "OrtQuantizer"),
    "tensorrt": ("edgeseg.calibration.quantizers.tensorrt_quantizer", "TensorRtQuantizer"),
}


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
            out: an existing directory; the file gets its name from ``edgeseg.artifact.MODEL_FILES``.
            on_image: called for every image shown to the network, for progress.

        Returns:
            What an artifact records: ``algorithm`` and whatever else decided the result.

        Raises:
            ArtifactError: the library refuses the model, or nothing in it could be quantised.
            MissingExtra: the library is not installed.
            OSError: the disk is full.
        """

    def open_proof(self, artifact: Artifact) -> Engine:
        """Open the engine that an INT8 artifact is proven in: the real one, or see :attr:`proof_note`."""


def quantizer_for(model_format: str) -> Quantizer:
    """Find the quantizer whose artifacts have the format ``model_format``.

    Raises:
        ArtifactError: there is none.
    """
    if model_format not in _ENCODINGS:
        raise ArtifactError(f"There is no INT8 for {model_format!r}; there is for {', '.join(_ENCODINGS)}.")
    module, name = _ENCODINGS[model_format]
    quantizer: Quantizer = getattr(importlib.import_module(module), name)()
    return quantizer


def expect_parent(quantizer: Quantizer, parent: Artifact) -> None:
    """Raise ArtifactError when ``parent`` is not what ``quantizer`` starts from."""
    if (parent.format, parent.precision) != (quantizer.parent_format, "fp32"):
        raise ArtifactError(
            f"{parent.path} is {parent.precision} {parent.format}; INT8 for {quantizer.format} starts from an fp32 "
            f"{quantizer.parent_format} artifact. Make one with: "
            f"`edgeseg.export_model(MODEL, format={quantizer.parent_format!r})`"
        )
