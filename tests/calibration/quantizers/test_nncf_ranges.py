"""Methods for OpenVINO are what NNCF really does, also for activations below zero."""

from __future__ import annotations

import cv2
import nncf
import numpy as np
import pytest
from nncf.quantization.advanced_parameters import OverflowFix
from nncf.quantization.range_estimator import RangeEstimatorParameters, RangeEstimatorParametersSet

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.int8_ir_from_ir import int8_ir_from_ir
from edgeseg.calibration.quantizers.nncf_ranges import ESTIMATORS, USUAL_METHOD, algorithm, is_signed, range_settings
from edgeseg.calibration.quantizers.openvino_quantizer import OpenVinoQuantizer
from edgeseg.calibration.quantizers.recipe import USUAL, Recipe
from edgeseg.calibration.rounding.ir_rounded import is_coded
from edgeseg.console.quiet import quiet
from edgeseg.errors import UserError
from edgeseg.graphs.ir_file import read_ir
from edgeseg.image import normalise, read_image


@pytest.fixture(scope="module")
def dark(built, tmp_path_factory):
    """Ten dark noisy pictures, below zero after normalisation, one of them with a bright spot."""
    folder = tmp_path_factory.mktemp("dark")
    for i in range(10):
        image = np.clip(60 + np.random.default_rng(i).normal(0, 4, (64, 96, 3)), 0, 255).astype(np.uint8)
        if i == 0:
            image[10:12, 10:12] = 255
        cv2.imwrite(str(folder / f"{i}.png"), image)
    return load_set(folder, built[1].artifact.spec)


@pytest.fixture(scope="module")
def pixels(built, dark):
    """What the first convolution sees, an image a row."""
    spec = built[1].artifact.spec
    return np.stack([normalise(read_image(path), spec).ravel() for path in dark.images])


@pytest.fixture(scope="module")
def ranges(built, dark):
    """(low, high) of the first convolution's input, by method."""
    model = read_ir(built[1].artifact.model_path)
    return {method: input_range(int8_ir_from_ir(model, dark, method=method)) for method in ESTIMATORS}


def input_range(model):
    """Low and high of the FakeQuantize that takes the normalised image."""
    for node in model.get_ordered_ops():
        fed_by = node.input_value(0).get_node().get_friendly_name() if node.get_type_name() == "FakeQuantize" else ""
        if fed_by.startswith("edgeseg/"):
            return tuple(float(node.input_value(i).get_node().get_data().item()) for i in (1, 2))
    raise AssertionError("the input is not quantised")


def test_the_usual_method_is_what_nncf_does_when_nothing_is_asked():
    assert USUAL_METHOD == USUAL.method == OpenVinoQuantizer.methods[0] == "minmax"
    assert range_settings("minmax", signed=False) == {
        "preset": nncf.QuantizationPreset.PERFORMANCE,
        "advanced_parameters": nncf.AdvancedQuantizationParameters(
            overflow_fix=OverflowFix.DISABLE, disable_bias_correction=True
        ),
    }


def test_minmax_is_the_mean_of_each_images_extremes(ranges, pixels):
    assert ranges["minmax"][1] == pytest.approx(np.abs(pixels).max(1).mean(), rel=0.01)
    assert ranges["minmax"][1] < 0.8 * np.abs(pixels).max(), "one bright spot does not decide"


def test_percentile_is_the_mean_of_what_one_in_ten_thousand_exceeds(ranges, pixels):
    assert ranges["percentile"][1] == pytest.approx(np.quantile(np.abs(pixels), 0.9999, axis=1).mean(), rel=0.01)


def test_mse_has_two_bounds_of_its_own(ranges, pixels):
    assert ranges["mse"] == pytest.approx((pixels.min(), pixels.max()), abs=0.1)


def test_no_method_loses_what_lies_below_zero(ranges, pixels):
    for method, (low, _) in ranges.items():
        assert low < np.quantile(pixels, 0.001), method


@pytest.mark.parametrize("setting", ["MEAN_QUANTILE", "HISTOGRAM"])
def test_why_nncfs_own_settings_are_not_used_as_they_are(built, dark, pixels, setting):
    """Seen in NNCF 3.4. When this fails it has been mended, and nncf_ranges can be simplified."""
    own = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=getattr(RangeEstimatorParametersSet, setting)
    )
    with quiet():
        images = nncf.Dataset(dark.images[1:], dark.tensor)
        quantised = nncf.quantize(read_ir(built[1].artifact.model_path), images, advanced_parameters=own)
    assert input_range(quantised)[0] > np.median(pixels), "most of the image is clipped"


def test_why_nncfs_own_weights_are_not_used(built, dark):
    """Seen in NNCF 3.4: seven bits for the layer that reads pixels, eight that overflow without VNNI for others."""
    with quiet():
        quantised = nncf.quantize(read_ir(built[1].artifact.model_path), nncf.Dataset(dark.images[:2], dark.tensor))
    layers = [node for node in quantised.get_ordered_ops() if is_coded_convolution(node)]
    codes = [layer.input_value(1).get_node().input_value(0).get_node().input_value(0).get_node() for layer in layers]
    largest = [np.abs(one.data.astype(int)).max() for one in codes]
    assert largest[0] <= 64, "mended: overflow_fix need not be given"
    assert max(largest[1:]) == 127, "mended"


def is_coded_convolution(node):
    return node.get_type_name() == "Convolution" and is_coded(node)


def test_weights_are_never_clipped():
    for method in ESTIMATORS:
        assert range_settings(method, signed=False)["advanced_parameters"].weights_range_estimator_params == (
            RangeEstimatorParameters()
        )


def test_a_method_that_nncf_has_not_is_refused_with_those_it_has(built, dark, tmp_path):
    with pytest.raises(UserError, match=r"entropy.* is not there for OpenVINO: .* minmax, percentile, mse"):
        OpenVinoQuantizer().quantize(built[1].artifact, dark, Recipe("entropy"), tmp_path, lambda: None)


def test_the_artifact_says_how_ranges_were_found(built: tuple[Artifact, ...]):
    facts = built[2].artifact.calibration
    assert facts["ranges"] == ESTIMATORS["minmax"].about
    assert facts["algorithm"] == "nncf.quantize, performance preset, 7 to 8-bit weights per channel"


def test_values_of_both_signs_get_a_range_with_two_bounds():
    assert not is_signed({"Convolution", "Relu"})
    assert is_signed({"Convolution", "PRelu"})
    assert algorithm("minmax", signed=False) == "nncf.quantize, performance preset, 7 to 8-bit weights per channel"
    assert algorithm("mse", signed=False) == "nncf.quantize, mixed preset, 7 to 8-bit weights per channel"
    assert algorithm("minmax", signed=True) == "nncf.quantize, mixed preset, 7 to 8-bit weights per channel"
