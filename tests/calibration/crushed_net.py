"""A network whose labels survive INT8 and whose confidence does not, and pictures that show it.

Grey x in 0..1 decides: foreground from 0.5 on. The logit is ``24 * (x - 0.5)``, which is sure of itself, along a way
whose values reach 400 where a picture is white, and ``1.2 * (x - 0.5)`` along another one. Eight bits for 0..400 are
steps of 1.6, in which the first way, 0..0.5 elsewhere, is lost: what is left is 1.2 * (x - 0.5), with the same sign and
a probability of 0.56 where it was 0.99. No rescaling of channels helps, as it is one channel that has both.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeseg.image import UInt8
from edgeseg.spec import ModelSpec

SIZE = 48
SPEC = ModelSpec("binary", ("background", "bright"), SIZE, SIZE, mean=(0.0,) * 3, std=(1.0,) * 3)
SURE, UNSURE, REACH = 24.0, 1.2, 400.0


def crushed_net() -> onnx.ModelProto:
    """The bare network, [1, 3, H, W] to one logit."""
    third = 1 / 3
    grey = np.full((1, 3, 1, 1), third, np.float32)
    weights = {
        "both": np.concatenate([grey, -grey]),
        "both_bias": np.float32([-0.5, 0.5]),
        "white": grey * REACH / 0.02,
        "white_bias": np.float32([-0.98 * REACH / 0.02]),
        "sure": np.float32([SURE, -SURE]).reshape(1, 2, 1, 1),
        "sure_bias": np.float32([0]),
        "unsure": grey * UNSURE,
        "unsure_bias": np.float32([-0.5 * UNSURE]),
    }
    nodes = [
        helper.make_node("Conv", ["x", "both", "both_bias"], ["sides"], "conv_sides"),
        helper.make_node("Relu", ["sides"], ["small"], "relu_sides"),
        helper.make_node("Conv", ["x", "white", "white_bias"], ["over"], "conv_white"),
        helper.make_node("Relu", ["over"], ["large"], "relu_white"),
        helper.make_node("Add", ["small", "large"], ["mixed"], "mix"),
        helper.make_node("Conv", ["mixed", "sure", "sure_bias"], ["sure_logit"], "conv_sure"),
        helper.make_node("Conv", ["x", "unsure", "unsure_bias"], ["unsure_logit"], "conv_unsure"),
        helper.make_node("Add", ["sure_logit", "unsure_logit"], ["y"], "sum"),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, SIZE, SIZE])
        for name, channels in (("x", 3), ("y", 1))
    ]
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "crushed", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def bright_scene(seed: int) -> tuple[UInt8, UInt8]:
    """A picture of bright discs on dark ground with a white corner, and its mask."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for _ in range(3):
        x, y, r = int(rng.integers(8, SIZE - 8)), int(rng.integers(8, SIZE - 8)), int(rng.integers(5, 10))
        cv2.circle(mask, (x, y), r, 1, -1)
    grey = np.where(mask, 180, 75) + rng.integers(-25, 26, mask.shape)
    grey[:3, :3], mask[:3, :3] = 255, 1
    return np.repeat(grey.astype(np.uint8)[..., None], 3, 2), mask


def write_bright_data(root: Path, train: int = 10, val: int = 12) -> Path:
    """A data folder of such pictures."""
    for split, seeds in (("train", range(train)), ("val", range(100, 100 + val))):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for seed in seeds:
            for kind, picture in zip(("images", "masks"), bright_scene(seed), strict=True):
                cv2.imwrite(str(root / kind / split / f"{seed:04}.png"), picture)
    (root / "classes.txt").write_text("\n".join(SPEC.classes) + "\n")
    return root
