"""How an image processor of transformers prepares pixels, found by giving it pictures of one colour.

Processors have dozens of settings, and each class heeds some of them: MobileViT's takes no mean and swaps the channels
whatever the file says. What a processor does to black, red, green and blue is what it does, and no setting is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.errors import SpecError
from edgeseg.export.hubs.hub_net import Note
from edgeseg.image import Float32

FILES = ("preprocessor_config.json", "processor_config.json")
SQUARE, WIDE = (640, 640), (480, 640)
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Pixels:
    """How pixels are prepared.

    Attributes:
        says: colour order, mean, std, and the size where the processor has one.
        notes: a sentence for each thing that edgeseg does otherwise.
    """

    says: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def read_processor(library: Any, path: Path) -> Pixels:
    """Read the image processor of a folder; nothing is said where it has none.

    Raises:
        SpecError: it prepares pixels in a way that no mean and std express.
        MissingExtra: Pillow, which it opens pictures with, is not installed.
    """
    if not any((path / name).is_file() for name in FILES):
        return Pixels()
    try:
        processor = library.AutoImageProcessor.from_pretrained(
            str(path), local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise SpecError(f"transformers does not open the image processor of {path}: {_first(error)}.") from error
    return describe_processor(processor)


def describe_processor(processor: Any) -> Pixels:
    """Find out what a processor does, see :func:`read_processor`."""
    order, mean, std = _find_scale(processor)
    says: dict[str, Any] = {"color_order": order, "mean": mean, "std": std}
    notes: list[Note] = []
    square, wide = (_run(processor, np.zeros((*size, 3), np.uint8)).shape[:2] for size in (SQUARE, WIDE))
    if (square, wide) != (SQUARE, WIDE):
        says["imgsz"] = (int(square[0]), int(square[1]))
        notes.extend(_compare_shapes(processor, square, wide))
    if _setting(processor, "do_reduce_labels") or _setting(processor, "reduce_labels"):
        reduced = (
            "Training took 1 from its masks' values ('do_reduce_labels'): the value 0 is void there, and 1 is the "
            "first class. Masks to compare with are to hold the network's own labels."
        )
        notes.append(("", reduced))
    return Pixels(says, tuple(notes))


def _find_scale(processor: Any) -> tuple[str, tuple[float, ...], tuple[float, ...]]:
    """Colour order, mean and std of the affine function that the processor is."""
    black, gray = (_middle(processor, (value,) * 3) for value in (0, 51))
    primaries = [_middle(processor, tuple(255 * (i == k) for i in range(3))) for k in range(3)]
    gains = np.array([one - black for one in primaries])
    order = _find_order(gains)
    scale = gains.sum(0)
    if order is None or np.abs(black + scale * (51 / 255) - gray).max() > TOLERANCE * max(1.0, np.abs(scale).max()):
        raise SpecError(
            "The image processor of this folder does more to a pixel than to take a mean and divide by a deviation. "
            "Export the network to ONNX with that inside, and give the file."
        )
    std = 1 / scale.astype(np.float64)
    mean = -black.astype(np.float64) * std
    return order, *_snap(processor, order, mean, std)


def _find_order(gains: Float32) -> str | None:
    """Which input channel each output channel depends on; None where it is several, or another."""
    small = TOLERANCE * float(np.abs(gains).max() or 1)
    for order, at in (("rgb", (0, 1, 2)), ("bgr", (2, 1, 0))):
        rest = np.array(gains)
        rest[list(at), [0, 1, 2]] = 0
        if (np.abs(rest) <= small).all() and (gains[list(at), [0, 1, 2]] > small).all():
            return order
    return None


def _snap(processor: Any, order: str, mean: Any, std: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The numbers of the file where they are what was measured: float32 blurs the seventh digit."""
    factor = float(_setting(processor, "rescale_factor") or 1 / 255) if _setting(processor, "do_rescale") else 1.0
    own_mean, own_std = _setting(processor, "image_mean"), _setting(processor, "image_std")
    if not _setting(processor, "do_normalize") or own_mean is None or own_std is None:
        own_mean, own_std = 0.0, 1.0
    exact_mean, exact_std = (
        np.broadcast_to(np.asarray(one, np.float64), 3) / (255 * factor) for one in (own_mean, own_std)
    )
    if np.allclose(exact_mean, mean, atol=1e-5) and np.allclose(exact_std, std, rtol=1e-5):
        mean, std = exact_mean, exact_std
    return tuple(map(float, mean)), tuple(map(float, std))


def _compare_shapes(processor: Any, square: Sequence[int], wide: Sequence[int]) -> list[Note]:
    size = f"{square[0]}x{square[1]}"
    if tuple(square) != tuple(wide):
        kept = (
            f"The image processor keeps the aspect of a picture (480x640 becomes {wide[0]}x{wide[1]}); an exported "
            f"network has one size, and every picture is brought to {size}. `imgsz` gives that of your camera."
        )
        return [("imgsz", kept)]
    if _setting(processor, "do_center_crop"):
        cut = f"The image processor cuts the edges off ('do_center_crop'); edgeseg brings the whole picture to {size}."
        return [("", cut)]
    return []


def _setting(processor: Any, name: str) -> Any:
    return getattr(processor, name, None)


def _middle(processor: Any, color: tuple[int, ...]) -> Float32:
    """The pixel in the middle of a picture of one colour, RGB."""
    values = _run(processor, np.full((*SQUARE, 3), color, np.uint8))
    return np.asarray(values[values.shape[0] // 2, values.shape[1] // 2], np.float32)


def _run(processor: Any, picture: Any) -> Any:
    """Prepare one RGB picture, HWC."""
    (values,) = processor(images=picture, return_tensors="np", input_data_format="channels_last")["pixel_values"]
    return np.asarray(values).transpose(1, 2, 0)


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")
