"""Networks as people have them, and what each gives in ONNX Runtime with nothing of edgeseg."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
ZERO_ONE = ((0.0,) * 3, (1.0,) * 3)
THREE, TWO = ("other", "sky", "road"), ("background", "road")
Array = np.ndarray


@dataclass(frozen=True)
class FieldFile:
    """A file, what its author knows about it, and how he makes a mask of what it gives.

    Attributes:
        path: below the folder of such files.
        classes: in label order.
        scale: mean and std of values of 0..1.
        labels: results to HW labels.
        feed: CHW RGB of 0..255, float64, to what the file takes.
        output: which result.
        size: height and width.
        flags: what else is typed.
    """

    path: str
    classes: Sequence[str]
    scale: tuple[Sequence[float], Sequence[float]]
    labels: Callable[[Array], Array]
    feed: Callable[[Array], Array] | None = None
    output: int = 0
    size: tuple[int, int] = (144, 192)
    flags: Sequence[str] = field(default=())

    def command(self) -> list[str]:
        """The flags that say all of it."""
        order = [] if "--color-order" in self.flags else ["--color-order", "rgb"]
        mean, std = ([f"{value:g}" for value in values] for values in self.scale)
        size = [str(side) for side in self.size]
        named = ["--classes", ",".join(self.classes), *order, "--mean", *mean, "--std", *std, "--imgsz", *size]
        return [*named, *self.flags]

    def mask(self, folder: Path, picture: Array) -> Array:
        """HW labels of an HWC uint8 BGR picture of the network's size, by ONNX Runtime and numpy alone."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(folder / self.path, options, providers=["CPUExecutionProvider"])
        feed = self.feed or self.normalise
        values = feed(picture[..., ::-1].transpose(2, 0, 1).astype(np.float64))
        return self.labels(session.run(None, {session.get_inputs()[0].name: values})[self.output])

    def normalise(self, planes: Array) -> Array:
        """The usual preparation."""
        mean, std = (np.array(values).reshape(-1, 1, 1) for values in self.scale)
        return ((planes / 255 - mean) / std).astype(np.float32)[np.newaxis]

    def last(self, planes: Array) -> Array:
        """The same with channels last."""
        return np.ascontiguousarray(self.normalise(planes).transpose(0, 2, 3, 1))


def best(axis: int) -> Callable[[Array], Array]:
    """The largest score wins."""
    return lambda result: result.argmax(axis)[0]


def plane(result: Array) -> Array:
    """Labels, whatever axes of one stand around them."""
    return result.reshape(result.shape[-2:])


def over(limit: float) -> Callable[[Array], Array]:
    """Foreground is what is larger."""
    return lambda result: (plane(result) > limit).astype(np.uint8)


def enlarged(axis: int, size: tuple[int, int] = (144, 192)) -> Callable[[Array], Array]:
    """Scores are enlarged before the largest wins, by torch."""

    def labels(result: Array) -> Array:
        import torch

        planes = torch.from_numpy(np.moveaxis(result, axis, 1).astype(np.float32).copy())
        return torch.nn.functional.interpolate(planes, size, mode="bilinear").numpy().argmax(1)[0]

    return labels


def as_bytes(planes: Array) -> Array:
    """Pixels as they are, channels last."""
    return np.ascontiguousarray(planes.transpose(1, 2, 0)).astype(np.uint8)[np.newaxis]


def grey(planes: Array) -> Array:
    """One channel, with OpenCV's grey; it was never trained, and gives two labels around this mean."""
    picture = planes.transpose(1, 2, 0)[..., ::-1].astype(np.uint8)
    values = (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) / 255 - 0.45) / 0.22
    return values.astype(np.float32)[np.newaxis, np.newaxis]


def imagenet(planes: Array) -> Array:
    """ImageNet's preparation."""
    mean, std = (np.array(values).reshape(-1, 1, 1) for values in IMAGENET)
    return ((planes / 255 - mean) / std).astype(np.float32)[np.newaxis]


NETWORKS = (
    FieldFile("01-checkpoints/unet_milesial.onnx", THREE, ZERO_ONE, best(1)),
    FieldFile("02-u2net/u2net.onnx", TWO, IMAGENET, over(0.5), size=(320, 320), flags=("--logits", "1959")),
    FieldFile("03-argmax/bi_argmax.onnx", THREE, IMAGENET, plane),
    FieldFile("03-argmax/bi_argmax_keep.onnx", THREE, IMAGENET, plane),
    FieldFile("03-argmax/bi_aux.onnx", THREE, IMAGENET, best(1), flags=("--logits", "out")),
    FieldFile("03-argmax/bi_softmax.onnx", THREE, IMAGENET, best(1)),
    FieldFile("03-argmax/paddle_int32_dyn.onnx", THREE, IMAGENET, plane),
    FieldFile("04-segformer/segformer.onnx", THREE, IMAGENET, enlarged(1), flags=("--upsample", "bilinear")),
    FieldFile(
        "05-nhwc/deeplab_nhwc.onnx", THREE, IMAGENET, best(3), lambda p: imagenet(p).transpose(0, 2, 3, 1).copy()
    ),
    FieldFile("05-nhwc/uint8_nhwc.onnx", THREE, ZERO_ONE, best(3), as_bytes),
    FieldFile("06-fp16/fp32.onnx", THREE, IMAGENET, best(1)),
    FieldFile("06-fp16/fp16_io.onnx", THREE, IMAGENET, best(1), lambda p: imagenet(p).astype(np.float16)),
    FieldFile("07-binary/carvana_logit.onnx", TWO, ZERO_ONE, over(0.0)),
    FieldFile("07-binary/carvana_sigmoid.onnx", TWO, ZERO_ONE, over(0.5)),
    FieldFile("07-binary/carvana_squeezed.onnx", TWO, ZERO_ONE, over(0.5)),
    FieldFile("07-binary/carvana_thresholded.onnx", TWO, ZERO_ONE, plane),
    FieldFile("09-packaging/batch4.onnx", THREE, IMAGENET, best(1), lambda p: np.repeat(imagenet(p), 4, 0)),
    FieldFile("09-packaging/dynamo_external.onnx", THREE, IMAGENET, best(1)),
    FieldFile("10-int8/lraspp.onnx", THREE, IMAGENET, best(1)),
    FieldFile("10-int8/outlier_channels.onnx", THREE, IMAGENET, best(1)),
    FieldFile("11-inputs/gray.onnx", TWO, ((0.45,), (0.22,)), best(1), grey, flags=("--color-order", "gray")),
    FieldFile("17-prob-resize/cat_1minus.onnx", TWO, ZERO_ONE, best(1)),
    FieldFile(
        "17-prob-resize/nhwc_low_undeclared.onnx",
        THREE,
        IMAGENET,
        enlarged(3),
        lambda p: imagenet(p).transpose(0, 2, 3, 1).copy(),
        flags=("--upsample", "bilinear"),
    ),
    FieldFile("17-prob-resize/sigmoid_clip.onnx", TWO, ZERO_ONE, over(0.5)),
    FieldFile(
        "17-prob-resize/sigmoid_times_255.onnx",
        TWO,
        ZERO_ONE,
        over(127.5),
        lambda p: p.astype(np.float32)[np.newaxis],
        flags=("--value-range", "255"),
    ),
    FieldFile("17-prob-resize/softmax_then_resize.onnx", THREE, IMAGENET, best(1)),
)
