"""How one calibration is to be made: everything but the images and the network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.errors import UserError

METHODS = ("minmax", "entropy", "percentile", "mse")
AUTO = "auto"
DIGEST_VERSION = "edgeseg calibration 2"


@dataclass(frozen=True)
class Recipe:
    """Settings of one quantisation.

    Attributes:
        method: how a range is found from what was seen, one of :data:`METHODS`.
        keep_float: names of layers that are not quantised.
        equalize: whether the channels of a tensor are brought to its range first, which changes no bit in float, see
            :mod:`edgeseg.calibration.equalisation.factors`.
        correct_bias: whether biases make up for the shift that rounding leaves in the mean of a layer's outputs.
        round_weights: whether weights are rounded together, so that what a layer gives changes least, see
            :mod:`edgeseg.calibration.rounding.compensated`; only with corrected biases, as the mean is left to them.
            For ONNX Runtime and OpenVINO; TensorRT's encoding takes the nearest.
    """

    method: str = "minmax"
    keep_float: frozenset[str] = frozenset()
    equalize: bool = True
    correct_bias: bool = True
    round_weights: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(f"`method` must be one of {', '.join((*METHODS, AUTO))}; found {self.method!r}.")

    def keeping(self, layers: Iterable[str]) -> Recipe:
        """Return the same with these layers in float."""
        return replace(self, keep_float=frozenset(layers))

    def describe(self) -> dict[str, Any]:
        """Return plain values for JSON; equal recipes give equal text."""
        return {**asdict(self), "keep_float": sorted(self.keep_float)}


USUAL = Recipe()
TUNED = "tuned_for_int8"
"""Key of ``measured`` in the manifest of an artifact whose network was trained under the rounding of INT8."""


def recipe_for(parent: Artifact, recipe: Recipe) -> Recipe:
    """Leave weights and biases of a network that was tuned under the rounding of INT8 as training left them.

    It has learned what the nearest codes give. Made to resemble its float network, which nobody trained, it loses that:
    0.897 of mIoU with the nearest codes, 0.826 with corrected biases, 0.712 rounded together as well, 0.853 in float
    (discs in noise, a U-Net that is hard to quantise).
    """
    return replace(recipe, correct_bias=False, round_weights=False) if parent.measured.get(TUNED) else recipe


def calibration_digest(images: CalibrationSet, parent_digest: str, recipe: Recipe, model_format: str = "") -> str:
    """Compute one SHA-256 that stands for a whole calibration: images, weights and settings.

    It changes with the bytes of any image, their order, the network's size and resize policy, the
    weights, the method, a layer kept in float and the engine; not with file names, folders or the
    seed that led to the same images. Whatever was computed from a calibration (ranges, a search's
    journal, an artifact) holds only as long as its digest is the same.

    Args:
        images: what finds the ranges.
        parent_digest: SHA-256 that stands for the fp32 weights.
        recipe: the settings.
        model_format: the engine it is made for.
    """
    parts = [DIGEST_VERSION, images.digest, parent_digest, recipe.describe(), model_format]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
