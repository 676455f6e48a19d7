"""Networks of a few layers, each with one channel 256 times what the others reach, in front of what passes it on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

CHANNELS, CLASSES, SIDE, PLANTED, FACTOR = 8, 3, 16, 5, 256.0


class Net:
    """An ONNX graph that grows node by node; constants are drawn from one seed."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self._random = np.random.default_rng(3)

    def node(self, op: str, *reads: str, **attributes: Any) -> str:
        made = f"net/t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, reads, [made], f"net/{op}_{len(self.nodes)}", **attributes))
        return made

    def constant(self, values: Any) -> str:
        name = f"net/c{len(self.constants)}"
        self.constants[name] = np.asarray(values)
        return name

    def draw(self, *shape: int) -> Any:
        return self._random.standard_normal(shape).astype(np.float32)

    def conv(
        self,
        read: str,
        outputs: int = CHANNELS,
        inputs: int = CHANNELS,
        groups: int = 1,
        plant: float = 1.0,
        unplant: float = 1.0,
        at: int = PLANTED,
    ) -> str:
        """3x3; ``plant`` multiplies output channel ``at``, ``unplant`` divides what reads input channel ``at``."""
        weights, bias = self.draw(outputs, inputs // groups, 3, 3), self.draw(outputs)
        weights[at % outputs] *= np.float32(plant)
        bias[at % outputs] *= np.float32(plant)
        if groups == 1 and unplant != 1:
            weights[:, at] /= np.float32(unplant)
        elif unplant != 1:
            weights[at] /= np.float32(unplant)
        names = self.constant(weights), self.constant(bias)
        return self.node("Conv", read, *names, kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=groups)


def _between(middle: Callable[[Net, str], str]) -> Callable[[Net, str], str]:
    """Two convolutions and what stands between them."""

    def build(net: Net, image: str) -> str:
        written = net.conv(image, inputs=3, plant=FACTOR)
        return net.conv(middle(net, written), outputs=CLASSES, unplant=FACTOR)

    return build


def _prelu(net: Net, read: str) -> str:
    return net.node("PRelu", read, net.constant(np.abs(net.draw(CHANNELS, 1, 1))))


def _resized(net: Net, read: str) -> str:
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    up = net.node("Resize", read, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")
    return net.node("AveragePool", up, kernel_shape=[2, 2], strides=[2, 2])


def _shifted(net: Net, read: str) -> str:
    added = net.node("Add", read, net.constant(net.draw(1, CHANNELS, 1, 1)))
    taken = net.node("Sub", net.constant(net.draw(1)), added)
    return net.node("Mul", taken, net.constant(net.draw(1, CHANNELS, 1, 1)))


def _normed(net: Net, read: str) -> str:
    """A norm behind a ReLU, which nothing folds."""
    positive = net.node("Relu", read)
    given = [net.constant(np.abs(net.draw(CHANNELS)) + 0.5), *(net.constant(net.draw(CHANNELS)) for _ in range(2))]
    return net.node("BatchNormalization", positive, *given, net.constant(np.abs(net.draw(CHANNELS)) + 0.5))


def _gated(net: Net, read: str) -> str:
    """Squeeze and excitation."""
    mean = net.node("GlobalAveragePool", read)
    gate = net.node("Sigmoid", net.conv(mean, unplant=FACTOR))
    return net.node("Mul", read, gate)


def _padded(net: Net, read: str) -> str:
    pads = net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    wide = net.node("Pad", read, pads, mode="reflect")
    bounds = [net.constant(np.array(values, np.int64)) for values in ([1, 1], [-1, -1], [2, 3])]
    return net.node("Slice", wide, *bounds)


def depthwise_chain(net: Net, image: str) -> str:
    written = net.node("Relu", net.conv(image, inputs=3, plant=FACTOR))
    deep = net.conv(net.conv(written, groups=CHANNELS), groups=CHANNELS)
    return net.conv(net.node("Relu", deep), outputs=CLASSES, unplant=FACTOR)


def grouped(net: Net, image: str) -> str:
    written = net.node("Relu", net.conv(image, inputs=3, plant=FACTOR))
    weights = net.draw(CHANNELS, CHANNELS // 2, 3, 3)
    weights[CHANNELS // 2 :, PLANTED % (CHANNELS // 2)] /= FACTOR
    middle = net.node("Conv", written, net.constant(weights), pads=[1, 1, 1, 1], group=2)
    return net.conv(net.node("Relu", middle), outputs=CLASSES)


def transposed(net: Net, image: str) -> str:
    written = net.node("Relu", net.conv(image, inputs=3, plant=FACTOR))
    weights, after = net.draw(CHANNELS, CHANNELS // 2, 2, 2), net.draw(CHANNELS, CHANNELS, 2, 2)
    weights[PLANTED] /= FACTOR
    after[:, 2] *= FACTOR
    given = net.constant(weights), net.constant(net.draw(CHANNELS))
    up = net.node("ConvTranspose", written, *given, strides=[2, 2], kernel_shape=[2, 2], group=2)
    again = net.node("ConvTranspose", net.node("Relu", up), net.constant(after), strides=[1, 1], kernel_shape=[2, 2])
    small = net.node("MaxPool", net.node("Relu", again), kernel_shape=[3, 3], strides=[2, 2])
    return net.conv(small, outputs=CLASSES, unplant=FACTOR, at=2)


def skip(net: Net, image: str) -> str:
    """A U-Net in small: what goes below comes back beside the planted skip."""
    written = net.node("Relu", net.conv(image, inputs=3, plant=FACTOR))
    below = net.node("MaxPool", written, kernel_shape=[2, 2], strides=[2, 2])
    deep = net.node("Relu", net.conv(below, unplant=FACTOR))
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    up = net.node("Resize", deep, "", scales, mode="nearest")
    both = net.node("Concat", up, written, axis=1)
    return net.conv(both, outputs=CLASSES, inputs=2 * CHANNELS, unplant=FACTOR, at=CHANNELS + PLANTED)


def residual(net: Net, image: str) -> str:
    written = net.node("Relu", net.conv(image, inputs=3, plant=FACTOR))
    branch = net.conv(net.node("Relu", net.conv(written, unplant=FACTOR)), plant=FACTOR)
    return net.conv(net.node("Add", written, branch), outputs=CLASSES, unplant=FACTOR)


def shared_weights(net: Net, image: str) -> str:
    """Two layers that read one constant; each gets its own."""
    weights, bias = net.draw(CHANNELS, CHANNELS, 3, 3), net.draw(CHANNELS)
    weights[:, PLANTED] /= FACTOR
    weights[PLANTED] *= FACTOR
    bias[PLANTED] *= FACTOR
    given = net.constant(weights), net.constant(bias)
    read = net.node("LeakyRelu", net.conv(image, inputs=3, plant=FACTOR), alpha=0.9)
    for _ in range(2):
        read = net.node("LeakyRelu", net.node("Conv", read, *given, pads=[1, 1, 1, 1]), alpha=0.9)
    return net.conv(read, outputs=CLASSES, unplant=FACTOR)


PASSED_ON: dict[str, Callable[[Net, str], str]] = {
    "nothing between": _between(lambda net, read: read),
    "ReLU": _between(lambda net, read: net.node("Relu", read)),
    "LeakyReLU": _between(lambda net, read: net.node("LeakyRelu", read, alpha=0.1)),
    "PReLU": _between(_prelu),
    "MaxPool": _between(lambda net, read: net.node("MaxPool", read, kernel_shape=[2, 2], strides=[2, 2])),
    "Resize and AveragePool": _between(_resized),
    "Add, Sub and Mul of constants": _between(_shifted),
    "BatchNormalization": _between(_normed),
    "squeeze and excitation": _between(_gated),
    "Pad and Slice": _between(_padded),
    "depthwise": depthwise_chain,
    "groups": grouped,
    "ConvTranspose": transposed,
    "Concat": skip,
    "sum": residual,
    "shared weights": shared_weights,
}

HELD: dict[str, Callable[[Net, str], str]] = {
    "ReLU6": _between(lambda net, r: net.node("Clip", r, *(net.constant(np.float32(v)) for v in (0, 6)))),
    "hard-swish": _between(lambda net, read: net.node("HardSwish", read)),
    "x * hard-sigmoid(x)": _between(lambda net, read: net.node("Mul", read, net.node("HardSigmoid", read))),
    "sigmoid": _between(lambda net, read: net.node("Sigmoid", read)),
    "square": _between(lambda net, read: net.node("Mul", read, read)),
    "constant pad": _between(
        lambda net, r: net.node(
            "Pad", r, net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), net.constant(np.float32(0.5))
        )
    ),
    "mixed channels": _between(
        lambda net, read: net.node("DepthToSpace", net.node("SpaceToDepth", read, blocksize=2), blocksize=2)
    ),
    "maximum with a constant": _between(lambda net, r: net.node("Max", r, net.constant(np.float32(0.5)))),
}
"""What a factor does not pass: the planted channel has to stay."""


def deployed(build: Callable[[Net, str], str]) -> Any:
    """The network between preprocessing and ArgMax, as an artifact has it."""
    net = Net()
    planes = "edgeseg/planes"
    before = [
        helper.make_node("Cast", ["image"], ["edgeseg/float"], "edgeseg/Cast_float", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["edgeseg/float"], [planes], "edgeseg/Transpose_planes", perm=[0, 3, 1, 2]),
        helper.make_node("Mul", [planes, "edgeseg/scale"], ["net/input"], "edgeseg/Mul_scaled"),
    ]  # fmt: skip
    end = build(net, "net/input")
    after = [
        helper.make_node("Identity", [end], ["logits"], "edgeseg/Identity_logits"),
        helper.make_node("ArgMax", ["logits"], ["edgeseg/best"], "edgeseg/ArgMax_best", axis=1, keepdims=0),
        helper.make_node("Cast", ["edgeseg/best"], ["labels"], "edgeseg/Cast_labels", to=TensorProto.UINT8),
    ]
    constants = {"edgeseg/scale": np.float32(1 / 255), **net.constants}
    graph = helper.make_graph(
        [*before, *net.nodes, *after],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("labels", TensorProto.UINT8, None),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, None),
        ],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
