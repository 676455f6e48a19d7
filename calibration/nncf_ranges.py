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

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edgeseg.errors import UserError
from edgeseg.extras import require

OUTLIERS = 1e-4


@dataclass(frozen=True)
class RangeEstimator:
    """One way of NNCF.

    Attributes:
        preset: of ``nncf.QuantizationPreset``.
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


def estimator_of(method: str) -> RangeEstimator:
    """NNCF's way of a method.

    Raises:
        UserError: NNCF has none.
    """
    if method not in ESTIMATORS:
        raise UserError(
            f"--method {method} is not there for OpenVINO: NNCF finds ranges by {', '.join(ESTIMATORS)}. "
            "Give one of these, or --method auto to try them all."
        )
    return ESTIMATORS[method]


def range_settings(method: str) -> dict[str, Any]:
    """The arguments of ``nncf.quantize`` that a method decides.

    Raises:
        UserError: NNCF has no such method.
        MissingExtra: NNCF is not installed.
    """
    preset = estimator_of(method).preset
    nncf = require("nncf", "export")
    advanced = nncf.AdvancedQuantizationParameters()
    if (ranges := _activation_ranges(method)) is not None:
        advanced.activations_range_estimator_params = ranges
    return {"preset": nncf.QuantizationPreset[preset], "advanced_parameters": advanced}


def _activation_ranges(method: str) -> Any:
    """``nncf`` parameters, or None for what NNCF does when nothing is asked."""
    ranges = require("nncf.quantization.range_estimator", "export")
    if method == "mse":
        return ranges.RangeEstimatorParametersSet.HISTOGRAM
    if method == "percentile":
        kinds = ranges.StatisticsType.QUANTILE, ranges.StatisticsType.ABS_QUANTILE
        mean = ranges.AggregatorType.MEAN
        return ranges.RangeEstimatorParameters(
            *(ranges.StatisticsCollectorParameters(kind, mean, quantile_outlier_prob=OUTLIERS) for kind in kinds)
        )
    return None
