"""INT8 for OpenVINO: NNCF on the OpenVINO model itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.int8_ir_from_ir import has_signed_activations, int8_ir_from_ir, quantisable_layers
from edgeseg.calibration.quantizers.ir_finite import check_ir
from edgeseg.calibration.quantizers.ir_in_float import IrInFloat
from edgeseg.calibration.quantizers.nncf_ranges import ESTIMATORS, algorithm, range_estimator
from edgeseg.calibration.quantizers.recipe import Recipe
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

    def layers(self, parent: Artifact) -> tuple[str, ...]:
        """List the layers with weights, in the order of computation."""
        return quantisable_layers(read_ir(parent.model_path))

    def quantize(
        self, parent: Artifact, images: CalibrationSet, recipe: Recipe, out: Path, on_image: Callable[[], object]
    ) -> Mapping[str, Any]:
        """Write the INT8 IR by NNCF; see :meth:`edgeseg.calibration.quantizers.quantizer.Quantizer.quantize`."""
        model = read_ir(parent.model_path)
        self._expect_finite(parent, model, images)
        quantised = int8_ir_from_ir(model, images, on_image, recipe.keep_float, recipe.method)
        describe_ir(quantised, parent.spec, parent.outputs)
        save_ir(quantised, out / OPENVINO.model_file)
        asked = algorithm(recipe.method, has_signed_activations(model))
        return {"algorithm": asked, "ranges": range_estimator(recipe.method).about}

    def in_float(self, parent: Artifact, plain: Artifact, images: CalibrationSet, recipe: Recipe) -> IrInFloat:
        """Open the way back to float for ``plain``, through the IR's nodes."""
        return IrInFloat(parent, plain)

    def open_proof(self, artifact: Artifact) -> Engine:
        """Open OpenVINO itself."""
        return open_engine(artifact)

    def _expect_finite(self, parent: Artifact, model: Any, images: CalibrationSet) -> None:
        """Asked once for the same weights and images, however many recipes are tried."""
        key = parent.files[parent.model_path.with_suffix(".bin").name], images.digest
        if key not in self._finite:
            check_ir(model, images)
            self._finite.add(key)
