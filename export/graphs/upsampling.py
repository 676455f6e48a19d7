"""Bringing logits of a lower resolution to the size of the input, in the graph and in numpy.

Many published networks give logits at a quarter or an eighth of the input and leave the rest to
whoever runs them. Which corners the training aligned is theirs to say, so it is asked for.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgeseg.image import Float32

UPSAMPLINGS = {"bilinear": "half_pixel", "bilinear-align-corners": "align_corners"}
"""What ``upsample`` takes, as ONNX's ``coordinate_transformation_mode``."""


def append_resize(net: onnx.ModelProto, size: tuple[int, int, int], how: str) -> None:
    """Put a linear Resize to (channels, height, width) behind the output of ``net``, in place."""
    graph = net.graph
    output = graph.output[0].name
    sizes = numpy_helper.from_array(np.array([1, *size], np.int64), f"{output}/upsampled_size")
    graph.initializer.append(sizes)
    graph.node.append(
        helper.make_node(
            "Resize",
            [output, "", "", sizes.name],
            [f"{output}/upsampled"],
            name=f"{output}/upsample",
            mode="linear",
            coordinate_transformation_mode=UPSAMPLINGS[how],
        )
    )
    graph.output[0].name = f"{output}/upsampled"
    graph.output[0].type.tensor_type.ClearField("shape")


def enlarge_logits(values: Float32, size: tuple[int, int], how: str) -> Float32:
    """Enlarge (1, K, h, w) to (1, K, H, W), bilinear."""
    rows, columns = (_weights(n, to, how) for n, to in zip(values.shape[2:], size, strict=True))
    return np.asarray(rows @ values @ columns.T, np.float32)


def _weights(small: int, large: int, how: str) -> Float32:
    """Matrix (large, small) of linear interpolation; positions past the edge take the edge."""
    at = np.arange(large)
    if how == "bilinear-align-corners":
        where = at * (small - 1) / max(1, large - 1)
    else:
        where = np.clip((at + 0.5) * small / large - 0.5, 0, small - 1)
    low = np.floor(where).astype(int)
    weights = np.zeros((large, small), np.float32)
    weights[at, low] = 1 - (where - low)
    weights[at, np.minimum(low + 1, small - 1)] += (where - low).astype(np.float32)
    return weights
