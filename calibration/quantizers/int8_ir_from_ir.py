"""INT8 OpenVINO models by NNCF post-training quantisation of the OpenVINO model itself.

NNCF finds ranges and where values are rounded. Weights are rounded and biases corrected afterwards, see
:mod:`~edgeseg.calibration.rounding.ir_rounded` and :mod:`~edgeseg.calibration.quantizers.ir_biases`.

Never by way of an INT8 ONNX file: OpenVINO computes wrong results for signed Q/DQ around
Concat -> Conv, which is every skip connection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.nncf_ranges import USUAL_METHOD, is_signed, range_settings
from edgeseg.console.extras import require
from edgeseg.console.quiet import quiet
from edgeseg.errors import ArtifactError
from edgeseg.image import UInt8
from edgeseg.runtime.engines.openvino_core import shared_core

SURROUNDINGS = "edgeseg/.*"
WEIGHTED = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul")


def int8_ir_from_ir(
    model: Any,
    images: CalibrationSet,
    on_image: Callable[[], object] = lambda: None,
    keep_float: Collection[str] = (),
    method: str = USUAL_METHOD,
) -> Any:
    """Quantise an OpenVINO model of the deployed graph.

    Args:
        model: an ``openvino.Model`` with the uint8 NHWC input ``image``. It is not changed.
        images: what finds the ranges.
        on_image: called for every image shown to the network, for progress.
        keep_float: friendly names of nodes that stay as they are.
        method: how ranges of activations are found, see :mod:`~edgeseg.calibration.quantizers.nncf_ranges`.

    Returns:
        A new model with the same input and outputs, its weights the nearest codes of eight bits and its biases as they
        were. Preprocessing, ArgMax and confidence (the nodes called ``edgeseg/...``) stay as they were.

    Raises:
        UserError: NNCF has no such method.
        ArtifactError: NNCF refuses the model, or nothing in it could be quantised.
        MissingExtra: NNCF or OpenVINO is not installed.
    """
    with quiet():
        shared_core("export")  # before any core of NNCF, which come and go
        nncf = require("nncf", "export")
        try:
            quantised = nncf.quantize(
                model.clone(),
                nncf.Dataset(images.images, lambda path: _count(images.tensor(path), on_image)),
                target_device=nncf.TargetDevice.CPU,
                subset_size=len(images),
                **range_settings(method, has_signed_activations(model)),
                ignored_scope=nncf.IgnoredScope(sorted(keep_float), [SURROUNDINGS], validate=False),
            )
        except (RuntimeError, ValueError, nncf.ValidationError) as error:
            raise ArtifactError(f"NNCF cannot quantise this network: {error}") from error
    _check(quantised)
    return quantised


def has_signed_activations(model: Any) -> bool:
    """Do as :func:`~edgeseg.calibration.quantizers.nncf_ranges.is_signed` does, for a model."""
    return is_signed({node.get_type_name() for node in model.get_ordered_ops()})


def quantisable_layers(model: Any) -> tuple[str, ...]:
    """List the friendly names of the layers with weights, in the order of computation."""
    return tuple(
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() in WEIGHTED and not node.get_friendly_name().startswith("edgeseg/")
    )


def _count(tensor: UInt8, on_image: Callable[[], object]) -> UInt8:
    on_image()
    return tensor


def quantised_inputs(model: Any) -> Counter[str]:
    """Count the ``FakeQuantize`` nodes that feed each type of operation."""
    fed: Counter[str] = Counter()
    for node in model.get_ordered_ops():
        if node.get_type_name() == "FakeQuantize":
            fed.update(port.get_node().get_type_name() for port in node.output(0).get_target_inputs())
    return fed


def quantised_surroundings(model: Any) -> list[str]:
    """List nodes of the pre- and post-processing that take quantised values; should be none."""
    return [
        port.get_node().get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() == "FakeQuantize"
        for port in node.output(0).get_target_inputs()
        if port.get_node().get_friendly_name().startswith("edgeseg/")
    ]


def _check(model: Any) -> None:
    if not quantised_inputs(model):
        raise ArtifactError("NNCF left every layer in float: there is no convolution or matrix product to quantise.")
    if touched := quantised_surroundings(model):
        raise ArtifactError(f"NNCF quantised the post-processing ({', '.join(touched)}); the masks would be coarse.")
