"""What the INT8 encodings share that start from the fp32 ONNX artifact: one calibration for many trials."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.calibration.equalisation.factors import choose_shown
from edgeseg.calibration.equalisation.free_channels import Ints
from edgeseg.calibration.equalisation.onnx_equalised import equalise_onnx
from edgeseg.calibration.equalisation.record import describe_equalised, write_into_onnx
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.bias_correction import SHOWN_IMAGES, correct_biases
from edgeseg.calibration.quantizers.onnx_in_float import OnnxInFloat
from edgeseg.calibration.quantizers.onnx_ranges import METHODS, Ranges, check_weights, find_ranges
from edgeseg.calibration.quantizers.ort_weights import PAIRS, scales_of_eight_bits
from edgeseg.calibration.quantizers.qdq_from_onnx import (
    QdqStyle,
    choose_weight_scales,
    qdq_from_onnx,
    quantisable_layers,
    tensors_to_watch,
)
from edgeseg.calibration.quantizers.quantizer import expect_parent
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.calibration.rounding.onnx_rounded import Rounded, round_onnx
from edgeseg.console.extras import require
from edgeseg.errors import ArtifactError
from edgeseg.formats import ONNX, find_format
from edgeseg.graphs.onnx_graph import load_graph
from edgeseg.runtime.engines.engine import ENGINE_KEY, Engine


class QdqQuantizer:
    """Base of the quantizers for ONNX Runtime and TensorRT.

    See :class:`~edgeseg.calibration.quantizers.quantizer.Quantizer`.

    Ranges do not depend on which layers are kept in float, so a quantizer remembers them: quantising
    again with another ``keep_float`` shows no image.

    Attributes:
        style: how the file is written.
        engine: who may run it, see :data:`edgeseg.runtime.engines.engine.ENGINE_KEY`.
    """

    format: str
    parent_format = ONNX.name
    methods: tuple[str, ...] = METHODS
    proof_note = ""
    style: QdqStyle
    engine: str

    def __init__(self) -> None:
        self._ranges: dict[str, Ranges] = {}
        self._equalised: dict[str, tuple[Any, Mapping[str, Ints]]] = {}
        self._rounded: dict[str, Mapping[str, Rounded]] = {}

    def layers(self, parent: Artifact) -> tuple[str, ...]:
        """List the names of the layers that the style quantises, in the order of computation."""
        expect_parent(self, parent)
        return quantisable_layers(load_graph(parent.model_path), self.style)

    def quantize(
        self, parent: Artifact, images: CalibrationSet, recipe: Recipe, out: Path, on_image: Callable[[], object]
    ) -> Mapping[str, Any]:
        """Write the Q/DQ ONNX; see :meth:`edgeseg.calibration.quantizers.quantizer.Quantizer.quantize`."""
        expect_parent(self, parent)
        if recipe.method not in self.methods:
            raise ArtifactError(
                f"INT8 for {self.format} is calibrated by {', '.join(self.methods)}; found `method={recipe.method!r}`."
            )
        model, exponents = self._float_model(parent, images, recipe)
        ranges = self.ranges(parent, model, images, recipe, on_image)
        rounded = self._round(parent, model, images, recipe)
        if recipe.correct_bias:
            model = self._with_biases(model, ranges, recipe, images, rounded)
        quantised, encoding = self._encode(model, ranges, recipe, images, rounded)
        entry = quantised.metadata_props.add()
        entry.key, entry.value = ENGINE_KEY, self.engine
        write_into_onnx(quantised, exponents)
        path = out / find_format(self.format).model_file
        require("onnx", "export").save_model(quantised, str(path))
        facts = {
            "algorithm": self._algorithm(),
            **describe_equalised(exponents),
            "compensated_layers": sum(one.layer not in recipe.keep_float for one in rounded.values()),
        }
        return {**facts, **encoding, **self._check(quantised, path, images)}

    def _float_model(self, parent: Artifact, images: CalibrationSet, recipe: Recipe) -> tuple[Any, Mapping[str, Ints]]:
        """The network to quantise and the exponents of its channels; found once for the same weights and images."""
        model = load_graph(parent.model_path)
        if not recipe.equalize:
            return model, {}
        key = f"{parent.files[parent.model_path.name]} {images.digest}"
        if key not in self._equalised:
            check_weights(model)
            self._equalised[key] = equalise_onnx(model, images)
        return self._equalised[key]

    def ranges(
        self,
        parent: Artifact,
        model: Any,
        images: CalibrationSet,
        recipe: Recipe,
        on_image: Callable[[], object] = lambda: None,
    ) -> Ranges:
        """Find the ranges of one calibration of ``model``, once for the same weights, images and recipe."""
        weights = parent.files[parent.model_path.name]
        key = hashlib.sha256(f"{weights} {images.digest} {recipe.method} {recipe.equalize}".encode()).hexdigest()
        if key not in self._ranges:
            self._ranges[key] = find_ranges(model, tensors_to_watch(model, self.style), images, recipe.method, on_image)
        return self._ranges[key]

    def encode(self, parent: Artifact, images: CalibrationSet, recipe: Recipe) -> Any:
        """Quantise in memory; see :class:`~edgeseg.calibration.quantizers.onnx_in_float.OnnxQuantizer`."""
        model, _ = self._float_model(parent, images, recipe)
        ranges, rounded = self.ranges(parent, model, images, recipe), self._round(parent, model, images, recipe)
        return qdq_from_onnx(model, ranges, self.style, recipe.keep_float, rounded=rounded)

    def _round(self, parent: Artifact, model: Any, images: CalibrationSet, recipe: Recipe) -> Mapping[str, Rounded]:
        """Round the weights of every layer, once for the same weights and images; none where the recipe says so."""
        if not (self.style.together and recipe.round_weights and recipe.correct_bias):
            return {}
        key = f"{parent.files[parent.model_path.name]} {images.digest} {recipe.equalize}"
        if key not in self._rounded:
            scales = {**scales_of_eight_bits(model), **choose_weight_scales(model, self.style)}
            pairs = PAIRS if self.style.fine_pairs else None
            self._rounded[key] = round_onnx(model, scales, quantisable_layers(model, self.style), images, pairs)
        return self._rounded[key]

    def _with_biases(
        self, model: Any, ranges: Ranges, recipe: Recipe, images: CalibrationSet, rounded: Mapping[str, Rounded]
    ) -> Any:
        plain = qdq_from_onnx(model, ranges, self.style, recipe.keep_float, rounded=rounded)
        layers = set(quantisable_layers(model, self.style))
        shown = choose_shown(images.images, SHOWN_IMAGES)
        return correct_biases(model, plain, layers, [images.tensor(path) for path in shown])

    def in_float(self, parent: Artifact, plain: Artifact, images: CalibrationSet, recipe: Recipe) -> OnnxInFloat:
        """Open the way back to float for ``plain``, by quantising anew without some layers."""
        return OnnxInFloat(self, parent, images, recipe)

    def open_proof(self, artifact: Artifact) -> Engine:
        """Open the engine that proves an artifact; each encoding defines it."""
        raise NotImplementedError

    def _encode(
        self, model: Any, ranges: Ranges, recipe: Recipe, images: CalibrationSet, rounded: Mapping[str, Rounded]
    ) -> tuple[Any, Mapping[str, Any]]:
        """Quantise the graph; return it, and facts for the manifest."""
        return qdq_from_onnx(model, ranges, self.style, recipe.keep_float, rounded=rounded), {}

    def _algorithm(self) -> str:
        kind = "symmetric" if self.style.symmetric else "asymmetric"
        bits = ("7 to 8-bit " if self.style.fine_pairs else "7-bit ") if self.style.reduce_range else ""
        channels = "per channel" if self.style.per_channel else "per tensor"
        return (
            f"onnxruntime.quantization, {self.style.activation} {kind} activations, "
            f"{bits}{self.style.weight} weights {channels}"
        )

    def _check(self, quantised: Any, path: Path, images: CalibrationSet) -> Mapping[str, Any]:
        """Facts for the manifest; raises ArtifactError when the engine would not compute what the file says."""
        raise NotImplementedError
