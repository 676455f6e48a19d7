"""INT8 for ONNX Runtime on CPUs: unsigned activations, signed weights of seven to eight bits, one scale a channel.

On x86 the fast kernels multiply unsigned with signed bytes. Without VNNI they add two products in 16 bits, and
weights of eight bits overflow there without a word; how many bits fit,
:mod:`~edgeseg.calibration.quantizers.ort_weights` finds. ``benchmarks/ort_encodings.py`` compares with the other ways
to encode.

Every file is checked kernel by kernel on the processor at hand; what a kernel computes otherwise than the file
says is computed in float.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.calibration.equalisation.free_channels import Ints
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.onnx_ranges import Ranges
from edgeseg.calibration.quantizers.ort_channels import fill_channels
from edgeseg.calibration.quantizers.ort_kernels import WrongKernel, avoid_known, find_wrong_kernels
from edgeseg.calibration.quantizers.ort_weights import expect_no_overflow
from edgeseg.calibration.quantizers.qdq_from_onnx import QdqStyle, qdq_from_onnx
from edgeseg.calibration.quantizers.qdq_quantizer import QdqQuantizer
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.calibration.rounding.onnx_rounded import Rounded
from edgeseg.errors import ArtifactError
from edgeseg.formats import ONNX
from edgeseg.image import UInt8
from edgeseg.runtime.engines.engine import Engine, open_engine
from edgeseg.runtime.engines.exact_engine import exact_agreement, rounding_agreement

STYLE = QdqStyle(
    "QUInt8",
    "QInt8",
    # ONNX Runtime has no INT8 kernel for ConvTranspose.
    ("Conv", "Gemm", "MatMul"),
    # What makes their inputs writes INT8 then; a sum in between that stays in float costs all that INT8 wins.
    ("Add", "AveragePool", "Concat", "GlobalAveragePool", "MaxPool", "Resize"),
    reduce_range=True,
    fine_pairs=True,
    together=True,
)
MIN_AGREEMENT = 0.98
CHECKED_IMAGES = 2
MAX_TIMES_ROUNDING = 4
"""Seen: 0.9 to 1.7 times, in networks that were not trained."""


class OrtQuantizer(QdqQuantizer):
    """See :class:`~edgeseg.calibration.quantizers.quantizer.Quantizer`."""

    format, engine = ONNX.name, ONNX.tag
    style = STYLE

    def open_proof(self, artifact: Artifact) -> Engine:
        """Open ONNX Runtime itself."""
        return open_engine(artifact)

    def encode(self, parent: Artifact, images: CalibrationSet, recipe: Recipe) -> Any:
        """Quantise in memory, as wide as the file is written: sums of floats are added in the same order."""
        quantised = super().encode(parent, images, recipe)
        fill_channels(quantised)
        return quantised

    def _float_model(self, parent: Artifact, images: CalibrationSet, recipe: Recipe) -> tuple[Any, Mapping[str, Ints]]:
        model, exponents = super()._float_model(parent, images, recipe)
        return avoid_known(model)[0], exponents

    def _encode(
        self, model: Any, ranges: Ranges, recipe: Recipe, images: CalibrationSet, rounded: Mapping[str, Rounded]
    ) -> tuple[Any, Mapping[str, Any]]:
        """Quantise, and quantise again with what this processor's kernels compute otherwise computed in float."""
        model, known = avoid_known(model)
        shielding = partial(self._encode_shielding, model, ranges, recipe, images, rounded)
        quantised, wrong = shielding(known)
        if not wrong:
            return quantised, {}
        found = {name for kernel in wrong for name in kernel.nodes}
        quantised, still = shielding(known | found)
        if still:
            raise ArtifactError(
                f"ONNX Runtime's INT8 kernels compute {still[0]} otherwise than exact arithmetic on this machine, and "
                "computing that in float does not help. Use `format='openvino'`, and please report this network."
            )
        return quantised, {"wrong_kernels": [str(kernel) for kernel in wrong]}

    def _encode_shielding(
        self,
        model: Any,
        ranges: Ranges,
        recipe: Recipe,
        images: CalibrationSet,
        rounded: Mapping[str, Rounded],
        shielded: frozenset[str],
    ) -> tuple[Any, list[WrongKernel]]:
        """Quantise; find which kernels are wrong for what is written."""
        quantised = qdq_from_onnx(model, ranges, self.style, recipe.keep_float, shielded, rounded)
        expect_no_overflow(quantised)
        fill_channels(quantised)
        return quantised, find_wrong_kernels(quantised, _pictures(images))

    def _check(self, quantised: Any, path: Path, images: CalibrationSet) -> Mapping[str, Any]:
        pictures = _pictures(images)
        agreement = exact_agreement(path, pictures)
        facts = {"engine": self.engine, "exact_agreement": agreement}
        if agreement >= MIN_AGREEMENT:
            return facts
        return {**facts, **_explain_disagreement(agreement, rounding_agreement(path, pictures))}


def _pictures(images: CalibrationSet) -> list[UInt8]:
    return [images.tensor(image) for image in images.images[:CHECKED_IMAGES]]


def _explain_disagreement(kernels: float, rounding: float) -> Mapping[str, Any]:
    """Tell labels that hang on the last bit, whatever computes them, from kernels that are wrong together.

    Args:
        kernels: part of the pixels that the INT8 kernels label as exact arithmetic does.
        rounding: the same of float kernels that add in another order.
    """
    if 1 - kernels > MAX_TIMES_ROUNDING * (1 - rounding):
        raise ArtifactError(
            f"ONNX Runtime's optimised INT8 kernels give {100 * (1 - kernels):.2f} % of the pixels another label than "
            f"exact arithmetic does on this machine, of which rounding explains {100 * (1 - rounding):.2f} %, so the "
            "file is not trusted. Use `format='openvino'`, and please report this network."
        )
    return {
        "rounding_agreement": rounding,
        "note": (
            f"The label of {100 * (1 - kernels):.1f} % of the pixels hangs on the last bit of a sum, so another "
            "processor may draw these otherwise. Each INT8 kernel is right; the network decides between classes by "
            "less than eight bits can tell, as one does that was hardly trained."
        ),
    }
