"""Layers over the neighbours of a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from edgeseg.export.ir.ir_nodes import Convert, IrBuilder, Layer, NotTaken

_COORDINATES = {name: name for name in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")} | {
    "tf_half_pixel_for_nn": "half_pixel"
}


def _pads(layer: Layer, kernel: Sequence[int], dilations: Sequence[int]) -> list[int]:
    """What is padded, in ONNX's order."""
    how = _word(layer, "auto_pad", "explicit")
    if how in ("explicit", "notset"):
        return [*map(int, layer.attributes["pads_begin"]), *map(int, layer.attributes["pads_end"])]
    if how == "valid":
        return [0] * (2 * len(kernel))
    totals = [
        max((math.ceil(side / step) - 1) * step + (width - 1) * dilation + 1 - side, 0)
        for side, step, width, dilation in zip(
            layer.shape(0)[2:], layer.attributes["strides"], kernel, dilations, strict=True
        )
    ]
    small, large = [total // 2 for total in totals], [total - total // 2 for total in totals]
    return [*small, *large] if how == "same_upper" else [*large, *small]


def _word(layer: Layer, name: str, default: str) -> str:
    """An attribute that says one of a few words, in small letters."""
    return str(layer.attributes.get(name, default)).lower().rpartition(".")[2]


def _convolution(build: IrBuilder, layer: Layer) -> str:
    """GroupConvolution has the groups as an axis of its weights."""
    groups = layer.shape(1)[0] if layer.kind == "GroupConvolution" else 1
    kernel = _kernel(build, layer, 1)
    sides, dilations = layer.shape(1)[-(layer.rank() - 2) :], list(layer.attributes["dilations"])
    return build.add(
        "Conv",
        [layer.inputs[0], kernel],
        kernel_shape=sides,
        strides=list(layer.attributes["strides"]),
        dilations=dilations,
        pads=_pads(layer, sides, dilations),
        group=groups,
    )


def _kernel(build: IrBuilder, layer: Layer, at: int) -> str:
    """Weights with their groups folded into the channels."""
    if not layer.kind.startswith("Group"):
        return layer.inputs[at]
    shape = [layer.shape(at)[0] * layer.shape(at)[1], *layer.shape(at)[2:]]
    values = build.constants.get(layer.inputs[at])
    if values is not None:
        return build.weight(values.reshape(shape), "kernel")
    return build.add("Reshape", [layer.inputs[at], build.ints(shape, "shape")])


def _transposed(build: IrBuilder, layer: Layer) -> str:
    groups = layer.shape(1)[0] if layer.kind.startswith("Group") else 1
    sides, strides = layer.shape(1)[-(layer.rank() - 2) :], list(layer.attributes["strides"])
    dilations, more = (
        list(layer.attributes["dilations"]),
        list(layer.attributes.get("output_padding") or [0] * len(sides)),
    )
    whole = [
        step * (side - 1) + (width - 1) * dilation + 1 + extra
        for step, side, width, dilation, extra in zip(strides, layer.shape(0)[2:], sides, dilations, more, strict=True)
    ]
    how = _word(layer, "auto_pad", "explicit")
    if layer.has(2) or how in ("same_upper", "same_lower"):
        totals = [one - wanted for one, wanted in zip(whole, layer.result[2:], strict=True)]
        if min(totals) < 0:
            raise NotTaken(f"that makes {layer.result} of {layer.shape(0)}")
        small, large = [total // 2 for total in totals], [total - total // 2 for total in totals]
        pads = [*large, *small] if how == "same_lower" else [*small, *large]
    else:
        pads = _pads(layer, sides, dilations)
    return build.add(
        "ConvTranspose",
        [layer.inputs[0], _kernel(build, layer, 1)],
        kernel_shape=sides,
        strides=strides,
        dilations=dilations,
        pads=pads,
        output_padding=more,
        group=groups,
    )


def _pool(build: IrBuilder, layer: Layer) -> str:
    kernel = list(layer.attributes["kernel"])
    dilations = list(layer.attributes.get("dilations") or [1] * len(kernel))
    settings: dict[str, Any] = {"kernel_shape": kernel, "strides": list(layer.attributes["strides"])}
    settings["pads"] = _pads(layer, kernel, dilations)
    settings["ceil_mode"] = int(_word(layer, "rounding_type", "floor") != "floor")
    if layer.kind == "AvgPool":
        excluded = layer.attributes.get("exclude-pad", layer.attributes.get("exclude_pad", False))
        return build.add("AveragePool", layer.inputs, count_include_pad=int(not excluded), **settings)
    if len(layer.node.outputs()) > 1 and layer.node.output(1).get_target_inputs():
        raise NotTaken("whose places are used")
    return build.add("MaxPool", layer.inputs, dilations=dilations, **settings)


def _adaptive(kind: str, build: IrBuilder, layer: Layer) -> str:
    """To sizes that divide the picture's, a pool; to one pixel, a mean or the largest of all."""
    sides, wanted = layer.shape(0)[2:], layer.result[2:]
    if any(side % size for side, size in zip(sides, wanted, strict=True)):
        raise NotTaken(f"from {sides} to {wanted}, which does not divide it")
    kernel = [side // size for side, size in zip(sides, wanted, strict=True)]
    return build.add(kind, layer.inputs[:1], kernel_shape=kernel, strides=kernel)


def _interpolate(build: IrBuilder, layer: Layer) -> str:
    attributes = layer.attributes
    if attributes.get("antialias") or any(attributes.get("pads_begin", [])) or any(attributes.get("pads_end", [])):
        raise NotTaken("with antialiasing or pads")
    mode, where = _word(layer, "mode", "linear"), _word(layer, "coordinate_transformation_mode", "half_pixel")
    if layer.node.get_type_info().version_id == "opset1":
        where = "align_corners" if attributes.get("align_corners", True) else "asymmetric"
    settings: dict[str, Any] = {"coordinate_transformation_mode": _COORDINATES[where]}
    settings["mode"] = {"nearest": "nearest", "cubic": "cubic"}.get(mode, "linear")
    if mode == "nearest":
        rounding = _word(layer, "nearest_mode", "round_prefer_floor")
        settings["nearest_mode"] = "round_prefer_ceil" if where == "tf_half_pixel_for_nn" else rounding
        if rounding == "simple":
            settings["nearest_mode"] = "floor"
    if mode == "cubic":
        settings["cubic_coeff_a"] = float(attributes.get("cube_coeff", -0.75))
    if _word(layer, "shape_calculation_mode", "sizes") == "scales" and (scales := _scales(layer)) is not None:
        return build.add("Resize", [layer.inputs[0], "", build.weight(scales, "scales")], **settings)
    return build.add("Resize", [layer.inputs[0], "", "", build.ints(layer.result, "sizes")], **settings)


def _scales(layer: Layer) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """The scale of each axis; two versions have them as their second or third input."""
    at = 1 if layer.node.get_type_info().version_id == "opset11" else 2
    found = np.ones(layer.rank(), np.float32)
    axes = layer.whole(at + 1, "axes") if layer.has(at + 1) else range(layer.rank())
    for axis, scale in zip(axes, layer.constant(at, "scales").ravel(), strict=True):
        found[axis] = scale
    return found


def _product(build: IrBuilder, layer: Layer) -> str:
    names = list(layer.inputs)
    for at, flag in enumerate(("transpose_a", "transpose_b")):
        rank = layer.rank(at)
        if layer.attributes.get(flag) and rank > 1:
            names[at] = build.add("Transpose", [names[at]], perm=[*range(rank - 2), rank - 1, rank - 2])
    return build.add("MatMul", names)


LAYERS: dict[str, Convert] = {
    "Convolution": _convolution,
    "GroupConvolution": _convolution,
    "ConvolutionBackpropData": _transposed,
    "GroupConvolutionBackpropData": _transposed,
    "MaxPool": _pool,
    "AvgPool": _pool,
    "AdaptiveAvgPool": partial(_adaptive, "AveragePool"),
    "AdaptiveMaxPool": partial(_adaptive, "MaxPool"),
    "Interpolate": _interpolate,
    "MatMul": _product,
}
