"""What every INT8 quantizer has to do. A test class inherits this and says how its files are looked into."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from fitted import SPEC, scene

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.int8_artifact import int8_artifact
from edgeseg.calibration.quantizers.quantizer import Quantizer, quantizer_for
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.errors import ArtifactError
from edgeseg.files.atomic import file_sha256
from edgeseg.image import UInt8, fit
from edgeseg.proof.budget import Budget
from edgeseg.proof.publishing import ExportResult, OutputOptions
from edgeseg.proof.samples import samples_from
from edgeseg.runtime.engines.engine import EngineOptions, open_engine
from edgeseg.runtime.engines.exact_engine import ExactEngine
from edgeseg.runtime.engines.openvino_engine import OpenVinoEngine
from edgeseg.runtime.engines.ort_engine import OrtEngine
from edgeseg.runtime.engines.predictor import Predictor
from edgeseg.spec import ModelSpec

WIDE = Budget(5.0, 100, 100)
ANY = Budget(100, 100, 100, search=False)
OTHER_ENGINES = {"onnx": OrtEngine, "openvino": OpenVinoEngine, "tensorrt": ExactEngine}


class EncodingContract:
    """Inherit, give :attr:`format`, and implement :meth:`is_float` and :meth:`engine_tag`."""

    format: str

    def is_float(self, folder: Path, layer: str) -> bool:
        """Whether ``layer`` takes float weights and float values in the model file of ``folder``."""
        raise NotImplementedError

    def engine_tag(self, folder: Path) -> str:
        """Which engine the model file itself says it is for."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def quantizer(cls) -> Quantizer:
        return quantizer_for(cls.format)

    @pytest.fixture(scope="class")
    @classmethod
    def parent(cls, built: tuple[ExportResult, ...], quantizer: Quantizer) -> Artifact:
        return next(one.artifact for one in built if one.artifact.format == quantizer.parent_format)

    @pytest.fixture(scope="class")
    @classmethod
    def images(cls, data: Path, parent: Artifact) -> CalibrationSet:
        return load_set(data, parent.spec, 8)

    @pytest.fixture(scope="class")
    @classmethod
    def int8(
        cls, parent: Artifact, images: CalibrationSet, data: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> ExportResult:
        place = OutputOptions(tmp_path_factory.mktemp(cls.format), parent.name)
        return int8_artifact(parent, images, place, samples_from(data, parent.spec), WIDE, cls.format)

    def test_layers_are_there_once_and_in_the_order_of_computation(
        self, quantizer: Quantizer, parent: Artifact
    ) -> None:
        layers = quantizer.layers(parent)
        assert len(layers) >= 2
        assert len(set(layers)) == len(layers)
        first, second = (self._channels_in(parent, layer) for layer in layers[:2])
        assert (first, second) == (3, 12), "the image goes into the first layer, its 12 features into the second"

    def test_masks_agree_with_the_float_model(self, int8: ExportResult) -> None:
        assert int8.comparison.stages[1].agreement > 0.98
        assert int8.comparison.reference.confusion.mean_iou > 0.8, "the fitted network really segments"

    def test_the_artifact_records_what_decided_it(self, int8: ExportResult) -> None:
        calibration = int8.artifact.calibration
        assert calibration["algorithm"]
        assert calibration["method"] == "minmax"
        assert calibration["images"] == 8

    def test_confidence_is_not_made_coarse(self, int8: ExportResult, quantizer: Quantizer) -> None:
        prediction = self._predict(quantizer.open_proof(int8.artifact), int8.artifact.spec, scene(5)[0])
        assert len(np.unique(prediction)) > 40

    def test_a_layer_kept_in_float_takes_floats(
        self, quantizer: Quantizer, parent: Artifact, images: CalibrationSet, tmp_path: Path
    ) -> None:
        first, second, *_ = quantizer.layers(parent)
        quantizer.quantize(parent, images, Recipe(keep_float=frozenset({second})), tmp_path, lambda: None)
        assert self.is_float(tmp_path, second)
        assert not self.is_float(tmp_path, first)

    def test_single_layers_go_back_to_float(
        self, quantizer: Quantizer, parent: Artifact, images: CalibrationSet, int8: ExportResult, tmp_path: Path
    ) -> None:
        first, second, *_ = quantizer.layers(parent)
        model = quantizer.in_float(parent, int8.artifact, images, Recipe())
        tensors = [images.tensor(images.images[0])]
        plain, one, exact = (model.logits(kept, tensors)[0] for kept in ((), {second}, model.layers))
        assert {first, second} <= set(model.layers)
        assert plain.shape == exact.shape == (1, SPEC.logit_channels, SPEC.height, SPEC.width)
        assert 0 < np.abs(one - exact).max() < 10
        assert not np.array_equal(one, plain)
        with Predictor(open_engine(parent)) as predict:
            assert np.mean(predict(tensors[0][0]) == exact[0].argmax(0)) > 0.9999
        model.write({second}, tmp_path)
        assert self.is_float(tmp_path, second)
        assert not self.is_float(tmp_path, first)

    def test_the_same_images_give_the_same_file(
        self, parent: Artifact, images: CalibrationSet, int8: ExportResult, tmp_path: Path
    ) -> None:
        quantizer_for(self.format).quantize(parent, images, Recipe(), tmp_path, lambda: None)
        again = {path.name: file_sha256(path) for path in tmp_path.iterdir()}
        weights = [name for name in again if not name.endswith(".xml")]  # an IR carries random ids
        assert weights
        assert {name: again[name] for name in weights} == {name: int8.artifact.files[name] for name in weights}

    def test_progress_counts_every_image(self, parent: Artifact, images: CalibrationSet, tmp_path: Path) -> None:
        seen: list[int] = []
        quantizer_for(self.format).quantize(parent, images, Recipe(), tmp_path, lambda: seen.append(1))
        assert len(seen) >= len(images)

    @pytest.mark.parametrize("change", [{"precision": "int8"}, {"format": "abacus"}])
    def test_only_a_float_artifact_of_the_right_format_is_quantised(
        self, change: dict[str, str], parent: Artifact, images: CalibrationSet, data: Path, tmp_path: Path
    ) -> None:
        wrong = dataclasses.replace(parent, **change)  # type: ignore[arg-type]
        samples = samples_from(data, parent.spec)
        with pytest.raises(ArtifactError, match=f"INT8 for {self.format} starts from an fp32"):
            int8_artifact(wrong, images, OutputOptions(tmp_path / "out", "x"), samples, WIDE, self.format)
        assert not (tmp_path / "out").exists()

    def test_the_file_says_which_engine_it_is_for(self, int8: ExportResult) -> None:
        expected = {"onnx": "onnxruntime"}.get(self.format, self.format)
        assert self.engine_tag(int8.artifact.path) == expected

    def test_its_own_engine_segments_with_it(self, int8: ExportResult, quantizer: Quantizer) -> None:
        image, mask = scene(5)
        with Predictor(quantizer.open_proof(int8.artifact)) as predict:
            labels = predict(image)
        assert labels.shape == mask.shape
        assert np.mean(labels == mask) > 0.9

    def test_every_other_engine_refuses_it(self, int8: ExportResult) -> None:
        for model_format in OTHER_ENGINES.keys() - {self.format}:
            with pytest.raises(ArtifactError, match=f"made for {self.format} .int8."):
                OTHER_ENGINES[model_format](int8.artifact, EngineOptions())

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_weights_that_are_not_finite_name_their_layer(
        self, value: float, parent: Artifact, images: CalibrationSet, tmp_path: Path
    ) -> None:
        broken = self.with_weight(parent, tmp_path / "broken", value, 1)
        with pytest.raises(ArtifactError, match=r"The layer net/\S*[Cc]onv\S* has weights that are NaN or infinite"):
            quantizer_for(self.format).quantize(broken, images, Recipe(), tmp_path, lambda: None)
        assert [path.name for path in tmp_path.iterdir()] == ["broken"]

    @pytest.mark.parametrize("layer", [0, 1, 2])
    def test_activations_that_overflow_name_their_layer_and_the_image(
        self, layer: int, parent: Artifact, images: CalibrationSet, tmp_path: Path
    ) -> None:
        broken = self.with_weight(parent, tmp_path / "broken", 3e38, layer)
        with pytest.raises(ArtifactError, match=r"The layer net/\S+ .\w+. gives (NaN|infinite) values on \d+\.png"):
            quantizer_for(self.format).quantize(broken, images, Recipe(), tmp_path, lambda: None)
        assert [path.name for path in tmp_path.iterdir()] == ["broken"]

    def with_weight(self, parent: Artifact, place: Path, value: float, layer: int) -> Artifact:
        """A copy of ``parent`` with the first weight of its convolution number ``layer`` replaced."""
        raise NotImplementedError

    def _predict(self, engine: object, spec: ModelSpec, image: UInt8) -> UInt8:
        slot = engine.open_slot()  # type: ignore[attr-defined]
        fit(image, spec, out=slot.input)
        confidence: UInt8 = slot.run().confidence
        return confidence

    def _channels_in(self, parent: Artifact, layer: str) -> int:
        """Input channels of a convolution of the float model."""
        raise NotImplementedError


class EvenedChannels:
    """For encodings whose quantizer evens channels out; inherit it beside the contract."""

    format: str

    def test_an_outlier_channel_needs_no_layer_in_float(
        self, curable: dict[str, Artifact], data: Path, tmp_path: Path
    ) -> None:
        parent = curable[self.format]
        images, samples = load_set(data, parent.spec, 10), samples_from(data, parent.spec)
        drops = [
            (built.comparison.drop(built.comparison.stages[-1]), built.artifact.calibration)
            for built in (
                int8_artifact(parent, images, OutputOptions(tmp_path, name), samples, ANY, self.format, recipe)
                for name, recipe in (("evened", Recipe()), ("plain", Recipe(equalize=False)))
            )
        ]
        (evened, facts), (plain, plain_facts) = drops
        assert (facts["equalized_tensors"] >= 1, plain_facts["equalized_tensors"]) == (True, 0)
        assert "carry powers of two" in facts["equalization"]
        assert plain_facts["equalization"] == "left out, as it was not asked for"
        assert plain > 5
        assert evened < 0.5
