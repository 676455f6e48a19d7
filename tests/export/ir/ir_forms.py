"""Networks of torch as OpenVINO IR, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
import torch
from openvino import opset13, opset14, opset16
from torch import Tensor, nn
from torch.nn import functional

H, W, C = 16, 20, 4


class Lambda(nn.Module):
    """A function behind a convolution of the picture."""

    def __init__(self, function: Callable[[Tensor], Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, C, 3, padding=1)
        self.layers = nn.ModuleList(layers)
        self.function = function

    def forward(self, values: Tensor) -> Tensor:
        found = self.function(self.first(values))
        for layer in self.layers:
            found = layer(found)
        return found


def _resize(values: Tensor, size: tuple[int, int], mode: str, corners: bool | None = None) -> Tensor:
    return functional.interpolate(values, size, mode=mode, align_corners=corners)


def _excite(values: Tensor) -> Tensor:
    return values * torch.sigmoid(values.mean((2, 3), keepdim=True))


def _norm_last(values: Tensor) -> Tensor:
    return functional.layer_norm(values.permute(0, 2, 3, 1), (C,)).permute(0, 3, 1, 2)


def _attend(values: Tensor) -> Tensor:
    flat = values.flatten(2).transpose(1, 2)
    return functional.scaled_dot_product_attention(flat, flat, flat).transpose(1, 2).reshape(values.shape)


def _same(values: Tensor) -> Tensor:
    return values


NETS: dict[str, Callable[[], nn.Module]] = {
    "strided": lambda: Lambda(_same, nn.Conv2d(C, 6, 3, 2, 1)),
    "grouped": lambda: Lambda(_same, nn.Conv2d(C, 8, 3, padding=1, groups=2)),
    "depthwise": lambda: Lambda(_same, nn.Conv2d(C, C, 5, padding=2, groups=C)),
    "dilated": lambda: Lambda(_same, nn.Conv2d(C, C, 3, padding=2, dilation=2)),
    "transposed": lambda: Lambda(_same, nn.ConvTranspose2d(C, 3, 4, 2, 1)),
    "transposed, odd": lambda: Lambda(_same, nn.ConvTranspose2d(C, 3, 3, 2, 1, output_padding=1)),
    "transposed, grouped": lambda: Lambda(_same, nn.ConvTranspose2d(C, C, 2, 2, groups=2)),
    "batch norm": lambda: Lambda(_same, nn.BatchNorm2d(C), nn.ReLU()),
    "group norm": lambda: Lambda(_same, nn.GroupNorm(2, C)),
    "instance norm": lambda: Lambda(_same, nn.InstanceNorm2d(C, affine=True)),
    "layer norm": lambda: Lambda(_norm_last),
    "l2": lambda: Lambda(lambda v: functional.normalize(v, dim=1)),
    "max pool": lambda: Lambda(_same, nn.MaxPool2d(3, 2, 1)),
    "max pool, ceil": lambda: Lambda(_same, nn.MaxPool2d(3, 2, ceil_mode=True)),
    "average pool": lambda: Lambda(_same, nn.AvgPool2d(3, 2, 1)),
    "average pool without pads": lambda: Lambda(_same, nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "adaptive pool": lambda: Lambda(_same, nn.AdaptiveAvgPool2d((4, 5))),
    "bilinear": lambda: Lambda(lambda v: _resize(v, (31, 37), "bilinear", False)),
    "bilinear, corners": lambda: Lambda(lambda v: _resize(v, (31, 37), "bilinear", True)),
    "nearest": lambda: Lambda(lambda v: _resize(v, (32, 40), "nearest")),
    "bicubic": lambda: Lambda(lambda v: _resize(v, (32, 40), "bicubic", False)),
    "prelu": lambda: Lambda(_same, nn.PReLU(C)),
    **{
        kind.__name__.lower(): (lambda kind=kind: Lambda(_same, kind()))
        for kind in (
            nn.Hardswish,
            nn.Hardsigmoid,
            nn.SiLU,
            nn.Mish,
            nn.ELU,
            nn.GELU,
            nn.LeakyReLU,
            nn.Softplus,
            nn.ReLU6,
        )
    },
    "gelu by tanh": lambda: Lambda(_same, nn.GELU("tanh")),
    "squeeze and excitation": lambda: Lambda(_excite),
    "softmax": lambda: Lambda(lambda v: torch.softmax(v, 1)),
    "log softmax": lambda: Lambda(lambda v: torch.log_softmax(v, 1)),
    "best": lambda: Lambda(lambda v: v.argmax(1)),
    "largest": lambda: Lambda(lambda v: torch.cat([v.amax(1, keepdim=True), v.amin(1, keepdim=True)], 1)),
    "sums": lambda: Lambda(lambda v: v - v.sum(1, keepdim=True) / v.norm(dim=1, keepdim=True)),
    "halves": lambda: Lambda(lambda v: torch.cat(list(v.chunk(2, 1))[::-1], 1)),
    "parts": lambda: Lambda(lambda v: v[:, 1:3, ::2, 3:-2]),
    "one channel": lambda: Lambda(lambda v: v[:, 2]),
    "chosen channels": lambda: Lambda(lambda v: v[:, [2, 0]]),
    "mirrored": lambda: Lambda(lambda v: functional.pad(v, (1, 2, 3, 1), mode="reflect")),
    "edge": lambda: Lambda(lambda v: functional.pad(v, (1, 2, 3, 1), mode="replicate")),
    "padded": lambda: Lambda(lambda v: functional.pad(v, (1, 2, 3, 1), value=2.0)),
    "pixel shuffle": lambda: Lambda(lambda v: functional.pixel_shuffle(v, 2)),
    "pixel unshuffle": lambda: Lambda(lambda v: functional.pixel_unshuffle(v, 2)),
    "channel shuffle": lambda: Lambda(lambda v: v.reshape(1, 2, 2, H, W).transpose(1, 2).reshape(1, C, H, W)),
    "attention": lambda: Lambda(_attend),
    "dense": lambda: Lambda(lambda v: v.permute(0, 2, 3, 1), nn.Linear(C, 5)),
    "chosen": lambda: Lambda(lambda v: torch.where((v > 0.1) & (v <= 0.5), v, -v)),
    "arithmetic": lambda: Lambda(lambda v: torch.maximum(v.abs().sqrt() ** 1.5, (v * 2 - 1) / (v.exp() + 1))),
    "tiled": lambda: Lambda(lambda v: v.mean((2, 3), keepdim=True).expand(-1, -1, H, W) + v.repeat(1, 1, 1, 1)),
    "clamped": lambda: Lambda(
        lambda v: v.clamp(-0.2, 0.3) + v.sign() + v.floor() + v.ceil() + v.sin() + v.cos() + v.tanh()
    ),
}


def _number(value: float) -> Any:
    return opset13.constant(np.float32(value))


def _whole(*values: int) -> Any:
    return opset13.constant(np.array(values, np.int64))


def _truth(values: Any, over: float) -> Any:
    return opset13.greater(values, _number(over))


def _as_float(values: Any) -> Any:
    return opset13.convert(values, "f32")


def _logic(join: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    return lambda v: _as_float(join(_truth(v, 0.2), _truth(v, -0.3)))


def _statistics(values: Any) -> list[Any]:
    return [opset13.constant(np.linspace(low, high, 3, dtype=np.float32)) for low, high in values]


_SCALES = ((0.5, 1.5), (-1, 1), (-0.2, 0.3), (0.5, 2))
DIRECT: dict[str, Callable[[Any], Any]] = {
    "adaptive max pool": lambda v: opset14.adaptive_max_pool(v, _whole(4, 5), "i32").output(0),
    "batch norm inference": lambda v: opset13.batch_norm_inference(v, *_statistics(_SCALES), 1e-5),
    "depth to space, blocks first": lambda v: opset13.depth_to_space(_channels(v, 4), "blocks_first", 2),
    "space to depth": lambda v: opset13.space_to_depth(v, "blocks_first", 2),
    "convert like": lambda v: opset13.convert_like(_truth(v, 0), v),
    "equal": lambda v: _as_float(opset13.equal(opset13.floor(v), _number(0))),
    "not equal": lambda v: _as_float(opset13.not_equal(opset13.floor(v), _number(0))),
    "greater or equal": lambda v: _as_float(opset13.greater_equal(v, _number(0.1))),
    "less": lambda v: _as_float(opset13.less(v, _number(0.1))),
    "and": _logic(opset13.logical_and),
    "or": _logic(opset13.logical_or),
    "xor": _logic(opset13.logical_xor),
    "bitwise or": _logic(opset13.bitwise_or),
    "bitwise xor": _logic(opset13.bitwise_xor),
    "bitwise not": lambda v: _as_float(opset13.bitwise_not(_truth(v, 0))),
    "not": lambda v: _as_float(opset13.logical_not(_truth(v, 0))),
    "erf": opset13.erf,
    "floor mod": lambda v: opset13.floor_mod(opset13.convert(opset13.multiply(v, _number(9)), "i32"), _whole32(4)),
    "hard sigmoid": lambda v: opset13.hard_sigmoid(v, _number(0.3), _number(0.4)),
    "log": lambda v: opset13.log(opset13.exp(v)),
    "smaller": lambda v: opset13.minimum(v, _number(0.1)),
    "negative": opset13.negative,
    "normalize l2": lambda v: opset13.normalize_l2(v, _whole(1), 1e-6, "add"),
    "normalize l2 by the largest": lambda v: opset13.normalize_l2(v, _whole(1), 1e-3, "max"),
    "l1": lambda v: opset13.reduce_l1(v, _whole(1), True),
    "product": lambda v: opset13.reduce_prod(v, _whole(1), True),
    "round": lambda v: opset13.round(v, "half_to_even"),
    "shuffle channels": lambda v: opset13.shuffle_channels(_channels(v, 4), 1, 2),
    "softsign": opset13.softsign,
    "squared difference": lambda v: opset13.squared_difference(v, _number(0.5)),
    "strided slice": lambda v: opset13.strided_slice(
        v, _whole(0, 1, 2, -1), _whole(1, 3, 0, 0), _whole(1, 1, 3, -2), [1, 0, 0, 0], [1, 0, 1, 1]
    ),
    "one row": lambda v: opset13.strided_slice(
        v, _whole(0, 0, 3, 0), _whole(0, 0, 0, 0), _whole(1, 1, 1, 1), [1, 1, 0, 1], [1, 1, 0, 1], None, [0, 0, 1, 0]
    ),
    "tile": lambda v: opset13.tile(v, _whole(2, 1, 3)),
    "unsqueeze": lambda v: opset13.unsqueeze(v, _whole(0)),
    "identity": opset16.identity,
    "same upper": lambda v: opset13.convolution(v, _kernel(), [2, 2], [0, 0], [0, 0], [1, 1], "same_upper"),
    "same lower": lambda v: opset13.convolution(v, _kernel(), [2, 2], [0, 0], [0, 0], [1, 1], "same_lower"),
    "mvn": lambda v: opset13.mvn(v, _whole(2, 3), True, 1e-5, "outside_sqrt"),
    "scaled resize": lambda v: opset13.interpolate(
        v, opset13.constant(np.array([1.3, 1.7], np.float32)), "linear_onnx", "scales", axes=_whole(2, 3)
    ),
    "nearest, tensorflow": lambda v: opset13.interpolate(
        v,
        _whole(11, 13),
        "nearest",
        "sizes",
        axes=_whole(2, 3),
        coordinate_transformation_mode="tf_half_pixel_for_nn",
        nearest_mode="floor",
    ),
    "gelu, erf": lambda v: opset13.gelu(v, "ERF"),
}


def _kernel() -> Any:
    return opset13.constant(np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32))


def _whole32(value: int) -> Any:
    return opset13.constant(np.array(value, np.int32))


def _channels(values: Any, count: int) -> Any:
    return opset13.concat([values, opset13.gather(values, _whole(*range(count - 3)), _whole(1))], 1)


def direct(name: str) -> openvino.Model:
    """A model of one layer, made by OpenVINO's own operations."""
    image = opset13.parameter([1, 3, H, W], np.float32, "image")
    return openvino.Model([DIRECT[name](image)], [image], name)
