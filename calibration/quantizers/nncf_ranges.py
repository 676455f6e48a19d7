"""How NNCF finds the range of an activation: this project's names of methods, and what NNCF does for them.

NNCF looks at one image at a time and then brings the images together. Its usual way is no minimum and
maximum of the whole set but the mean of each image's, which one odd image hardly moves. It has nothing
that minimises entropy. Ranges of weights are their extremes, whatever the method.

Two of NNCF 3.4's own settings are wrong for activations that can be negative, and are not used as they are.
The performance preset makes such ranges symmetric, and takes the upper bound for both sides:

- ``RangeEstimatorParametersSet.MEAN_QUANTILE``: dark images, all below zero after normalisation, were
  given the range -0.00008 .. 0.00008. ``percentile`` here asks for the quantile of absolute values.
- ``RangeEstimatorParametersSet.HISTOGRAM``: the lower bound of the search is thrown away. ``mse`` here
  asks for the mixed preset, which keeps both bounds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edgeseg.console.extras import require
from edgeseg.errors import UserError

OUTLIERS = 1e-4


@dataclass(frozen=True)
class RangeEstimator:
    """One way of NNCF.

    Attributes:
        preset: of ``nncf.QuantizationPreset``, for networks without negative activations.
        about: what it is, for people and for the artifact.
    """

    preset: str
    about: str


ESTIMATORS: Mapping[str, RangeEstimator] = MappingProxyType(
    {
        "minmax": RangeEstimator("PERFORMANCE", "mean over the images of each image's extremes"),
        "percentile": RangeEstimator(
            "PERFORMANCE", "mean over the images of the value that one in 10000 of each image exceeds"
        ),
        "mse": RangeEstimator("MIXED", "least squared error over one histogram of all images, asymmetric"),
    }
)
"""By method, the usual one first."""

USUAL_METHOD = next(iter(ESTIMATORS))

SIGNED = frozenset({"PRelu", "Elu", "Selu", "Gelu", "Swish", "HSwish", "Mish", "SoftPlus", "Tanh"})
"""Operations (of OpenVINO) after which values are negative as well, and seldom as far as they are positive."""


def is_signed(operations: Collection[str]) -> bool:
    """Tell whether a network of these operations needs asymmetric ranges: NNCF's mixed preset, no bias correction.

    A symmetric range wastes half of its levels on what a PReLU leaves of the negative side. Measured on
    SINet, IoU of the INT8 person masks with the float ones, 60 images for calibration and 100 others
    (``benchmarks/sinet.py``): 0.890; with the performance preset and NNCF's accurate bias correction 0.868. Each
    alone, on only 60 others: performance preset 0.887, bias correction 0.914, neither 0.920.
    """
    return bool(SIGNED.intersection(operations))


def algorithm(method: str, signed: bool) -> str:
    """Word for the artifact what NNCF is asked to do; weights and biases are not its own."""
    return f"nncf.quantize, {_preset(method, signed).lower()} preset, 7 to 8-bit weights per channel"


def range_estimator(method: str) -> RangeEstimator:
    """Choose NNCF's way of a method.

    Raises:
        UserError: NNCF has none.
    """
    if method not in ESTIMATORS:
        raise UserError(
            f"`method={method!r}` is not there for OpenVINO: NNCF finds ranges by {', '.join(ESTIMATORS)}. "
            "Give one of these, or `method='auto'` to try them all."
        )
    return ESTIMATORS[method]


def range_settings(method: str, signed: bool) -> dict[str, Any]:
    """Choose the arguments of ``nncf.quantize`` that a method and :func:`is_signed` decide.

    Raises:
        UserError: NNCF has no such method.
        MissingExtra: NNCF is not installed.
    """
    preset = _preset(method, signed)
    nncf = require("nncf", "export")
    advanced = nncf.AdvancedQuantizationParameters(
        # Of the first layer alone NNCF takes a bit away, see edgeseg.calibration.rounding.ir_rounded.
        overflow_fix=require("nncf.quantization.advanced_parameters", "export").OverflowFix.DISABLE,
        disable_bias_correction=True,  # see edgeseg.calibration.quantizers.ir_biases
    )
    if (ranges := _activation_ranges(method, preset)) is not None:
        advanced.activations_range_estimator_params = ranges
    return {"preset": nncf.QuantizationPreset[preset], "advanced_parameters": advanced}


def _preset(method: str, signed: bool) -> str:
    return "MIXED" if signed else range_estimator(method).preset


def _activation_ranges(method: str, preset: str) -> Any:
    """``nncf`` parameters, or None for what NNCF does when nothing is asked."""
    ranges = require("nncf.quantization.range_estimator", "export")
    if method == "mse":
        return ranges.RangeEstimatorParametersSet.HISTOGRAM
    if method == "percentile":
        one, other = ranges.StatisticsType.QUANTILE, ranges.StatisticsType.ABS_QUANTILE
        kinds = one, one if preset == "MIXED" else other
        mean = ranges.AggregatorType.MEAN
        return ranges.RangeEstimatorParameters(
            *(ranges.StatisticsCollectorParameters(kind, mean, quantile_outlier_prob=OUTLIERS) for kind in kinds)
        )
    return None
