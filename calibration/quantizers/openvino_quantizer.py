"""INT8 for OpenVINO: ranges by NNCF on the OpenVINO model itself, then weights and biases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.calibration.equalisation.factors import choose_shown
from edgeseg.calibration.equalisation.free_channels import Ints
from edgeseg.calibration.equalisation.ir_equalised import equalise_ir
from edgeseg.calibration.equalisation.ir_steps import write_factors
from edgeseg.calibration.equalisation.record import describe_equalised, write_into_ir
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.bias_correction import SHOWN_IMAGES
from edgeseg.calibration.quantizers.int8_ir_from_ir import has_signed_activations, int8_ir_from_ir, quantisable_layers
from edgeseg.calibration.quantizers.ir_biases import correct_ir_biases, keeps_more_labels
from edgeseg.calibration.quantizers.ir_finite import check_ir
from edgeseg.calibration.quantizers.ir_in_float import IrInFloat
from edgeseg.calibration.quantizers.nncf_ranges import ESTIMATORS, algorithm, range_estimator
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.calibration.rounding.ir_rounded import Codes, round_ir, write_codes
from edgeseg.formats import OPENVINO
from edgeseg.graphs.ir_file import describe_ir, read_ir, save_ir
from edgeseg.runtime.engines.engine import Engine, open_engine


class OpenVinoQuantizer:
    """See :class:`~edgeseg.calibration.quantizers.quantizer.Quantizer`."""

    format = parent_format = OPENVINO.name
    methods = tuple(ESTIMATORS)
    proof_note = ""

    def __init__(self) -> None:
        self._finite: set[tuple[str, str]] = set()
        self._exponents: dict[tuple[str, str], Mapping[str, Ints]] = {}
        self._codes: dict[tuple[str, str, bool, bool], Mapping[str, Codes]] = {}

    def layers(self, parent: Artifact) -> tuple[str, ...]:
        """List the layers with weights, in the order of computation."""
        return quantisable_layers(read_ir(parent.model_path))

    def quantize(
        self, parent: Artifact, images: CalibrationSet, recipe: Recipe, out: Path, on_image: Callable[[], object]
    ) -> Mapping[str, Any]:
        """Write the INT8 IR by NNCF; see :meth:`edgeseg.calibration.quantizers.quantizer.Quantizer.quantize`."""
        model = read_ir(parent.model_path)
        self._expect_finite(parent, model, images)
        if exponents := self._choose_exponents(parent, model, images) if recipe.equalize else {}:
            model = write_factors(model, exponents)
        quantised = int8_ir_from_ir(model, images, on_image, recipe.keep_float, recipe.method)
        signed = has_signed_activations(model)
        corrects = recipe.correct_bias and not signed
        together = corrects and recipe.round_weights
        plain = quantised.clone() if corrects else quantised
        write_codes(plain, self._round(parent, model, images, recipe.equalize, False))
        compensated = corrected = 0
        if corrects:
            pictures = [images.tensor(path) for path in choose_shown(images.images, SHOWN_IMAGES)]
            compensated = write_codes(quantised, self._round(parent, model, images, recipe.equalize, together))
            corrected = correct_ir_biases(model, quantised, pictures)
            if not keeps_more_labels(model, quantised, plain, pictures, parent.spec):
                quantised, compensated, corrected = plain, 0, 0
        describe_ir(quantised, parent.spec, parent.outputs)
        write_into_ir(quantised, exponents)
        save_ir(quantised, out / OPENVINO.model_file)
        return {
            "algorithm": algorithm(recipe.method, signed),
            "ranges": range_estimator(recipe.method).about,
            **describe_equalised(exponents),
            "compensated_layers": compensated,
            "corrected_layers": corrected,
        }

    def in_float(self, parent: Artifact, plain: Artifact, images: CalibrationSet, recipe: Recipe) -> IrInFloat:
        """Open the way back to float for ``plain``, through the IR's nodes."""
        return IrInFloat(parent, plain)

    def open_proof(self, artifact: Artifact) -> Engine:
        """Open OpenVINO itself."""
        return open_engine(artifact)

    def _expect_finite(self, parent: Artifact, model: Any, images: CalibrationSet) -> None:
        """Asked once for the same weights and images, however many recipes are tried."""
        if (key := _key(parent, images)) not in self._finite:
            check_ir(model, images)
            self._finite.add(key)

    def _choose_exponents(self, parent: Artifact, model: Any, images: CalibrationSet) -> Mapping[str, Ints]:
        """Chosen once for the same weights and images, however many recipes are tried."""
        if (key := _key(parent, images)) not in self._exponents:
            _, self._exponents[key] = equalise_ir(model, images)
        return self._exponents[key]

    def _round(
        self, parent: Artifact, model: Any, images: CalibrationSet, equalised: bool, together: bool
    ) -> Mapping[str, Codes]:
        """Codes of every layer, found once for the same weights and images."""
        key = (*_key(parent, images), equalised, together)
        if key not in self._codes:
            self._codes[key] = round_ir(model, images if together else None)
        return self._codes[key]


def _key(parent: Artifact, images: CalibrationSet) -> tuple[str, str]:
    return parent.files[parent.model_path.with_suffix(".bin").name], images.digest
