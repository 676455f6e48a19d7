"""What a foreign graph takes: layout, type, size and batch of its one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from edgeseg.errors import SpecError
from edgeseg.export.reading.graph_view import Array
from edgeseg.image import Float32

IMAGE_CHANNELS = (1, 3)
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
DTYPES: dict[int, np.dtype[Any]] = {
    TensorProto.FLOAT: np.dtype(np.float32),
    TensorProto.FLOAT16: np.dtype(np.float16),
    TensorProto.DOUBLE: np.dtype(np.float64),
    TensorProto.UINT8: np.dtype(np.uint8),
}
Dims = list[int | None]


@dataclass(frozen=True)
class Entry:
    """The image input of a graph.

    Attributes:
        name: of the tensor.
        channels, height, width: None where dynamic.
        last: the channels come last, as TensorFlow has them.
        dtype: of the values; uint8 takes pixels as they are.
        batch: how many pictures go in at once.
    """

    name: str
    channels: int | None
    height: int | None
    width: int | None
    last: bool
    dtype: np.dtype[np.generic]
    batch: int = 1

    @property
    def size(self) -> tuple[int | None, int | None, int | None]:
        """Channels, height and width, None where dynamic."""
        return self.channels, self.height, self.width

    @property
    def takes_pixels(self) -> bool:
        """Whether the graph takes uint8 pixels, and so prepares them itself."""
        return self.dtype == np.uint8

    def fixed(self, channels: int, height: int, width: int) -> Entry:
        """Return the entry with every size known."""
        return replace(self, channels=channels, height=height, width=width)

    def shape(self, batch: int) -> tuple[int | None, ...]:
        """Order the sizes as the graph has them."""
        sizes = (self.height, self.width)
        return (batch, *sizes, self.channels) if self.last else (batch, self.channels, *sizes)

    def given(self, values: Float32) -> Array:
        """Turn ``[1, C, H, W]`` float32 into what the graph takes, one picture as often as its batch."""
        moved = values.transpose(TO_LAST) if self.last else values
        moved = np.round(moved).clip(0, 255) if self.takes_pixels else moved
        return np.ascontiguousarray(np.repeat(moved, self.batch, 0).astype(self.dtype))


def read_entry(graph: onnx.GraphProto) -> Entry:
    """Find the one input that is no weight; files of before ONNX 1.4 list every weight as an input.

    Raises:
        SpecError: several inputs, or one that is no image of 1 or 3 channels.
    """
    weights = {tensor.name for tensor in graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [entry for entry in graph.input if entry.name not in weights]
    if len(inputs) != 1:
        raise SpecError(
            f"A segmentation network has one image input; this file has {len(inputs)}: {list_names(inputs)}. Export "
            "the network with the image as its only input, and what else it takes as constants."
        )
    dims, dtype = static_dimensions(inputs[0]), DTYPES.get(inputs[0].type.tensor_type.elem_type)
    if dtype is None or len(dims) != 4:
        raise SpecError(
            "The input must be one image: float32, float16 or uint8 [1, C, H, W] or [1, H, W, C]; found "
            f"{list_names(inputs)}. Export the model again that way."
        )
    last = is_channels_last(dims)
    channels, height, width = (dims[3], dims[1], dims[2]) if last else (dims[1], dims[2], dims[3])
    if channels not in (*IMAGE_CHANNELS, None):
        raise SpecError(
            f"The input {list_names(inputs)} takes {channels} channels. edgeseg reads grey and colour pictures, so it "
            "must take 1 or 3 channels: export a network that was trained on the three of colour alone."
        )
    return Entry(inputs[0].name, channels, height, width, last, dtype, dims[0] or 1)


def fix_entry(graph: onnx.GraphProto, entry: Entry, batch: int) -> None:
    """Write the sizes of ``entry`` into a graph, and forget what follows from others."""
    element = graph.input[0].type.tensor_type.elem_type
    graph.input[0].CopyFrom(helper.make_tensor_value_info(entry.name, element, entry.shape(batch)))
    del graph.value_info[:]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")


def is_channels_last(dims: Dims) -> bool:
    """Tell whether only the last of four dimensions can be the channels of an image."""
    return len(dims) == 4 and dims[3] in IMAGE_CHANNELS and dims[1] not in IMAGE_CHANNELS


def static_dimensions(entry: onnx.ValueInfoProto) -> Dims:
    """Read the sizes, None where dynamic; empty when the file does not say."""
    dims = entry.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in dims]


def list_names(entries: Sequence[onnx.ValueInfoProto]) -> str:
    """Word names, types and sizes, for messages."""

    def one(entry: onnx.ValueInfoProto) -> str:
        kind = TensorProto.DataType.Name(entry.type.tensor_type.elem_type).lower()
        return f"{entry.name} {kind} {[d or '?' for d in static_dimensions(entry)]}"

    return ", ".join(map(one, entries)) or "none"


def keep_output(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Keep one output only; what leads to the others falls away when the graph is simplified.

    Raises:
        SpecError: it has no output of that name.
    """
    kept = [entry for entry in model.graph.output if entry.name == name]
    if not kept:
        raise SpecError(f"This file has no output {name!r}; `logits` can be one of {list_names(model.graph.output)}.")
    reduced = onnx.ModelProto()
    reduced.CopyFrom(model)
    del reduced.graph.output[:]
    reduced.graph.output.extend(kept)
    return reduced


def expect_one_output(graph: onnx.GraphProto) -> None:
    """Raise SpecError where nobody said which of several outputs holds the classes."""
    if len(graph.output) != 1:
        raise SpecError(
            f"A segmentation network has one output; this file has {len(graph.output)}: {list_names(graph.output)}. "
            "Name the one that holds the classes (logits where there are any): `logits=NAME`."
        )
