"""How much of a picture each class takes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8, placement
from edgeseg.multilabel import class_plane
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.sink import ClosableSink
from edgeseg.spec import ModelSpec


def class_shares(frame: Frame, labels: UInt8, spec: ModelSpec) -> dict[str, float]:
    """Share of the picture a class, 0..1; the border of a letterbox does not count.

    Pixels under the threshold of a model without a background class are ``unknown``. Classes of a multilabel task
    overlap, so that their shares may add up to less or to more than 1.
    """
    return count_shares(np.bincount(_inside(frame, labels, spec).ravel(), minlength=256), spec)


def class_runs(frame: Frame, labels: UInt8, spec: ModelSpec) -> dict[str, dict[str, list[int]]]:
    """Run lengths of each class that is there but the background, as COCO's ``{"size": [h, w], "counts": [...]}``.

    They are at the network's scale, without the border of a letterbox.
    """
    inside = _inside(frame, labels, spec)
    planes = {name: class_plane(inside, spec, index) for index, name in enumerate(spec.classes)}
    if spec.task != "multilabel" and spec.unknown_label < spec.num_classes:
        del planes[spec.classes[spec.unknown_label]]
    return {
        name: {"size": list(plane.shape), "counts": count_runs(plane)} for name, plane in planes.items() if plane.any()
    }


def count_runs(plane: npt.NDArray[np.bool_]) -> list[int]:
    """Count the lengths of runs down each column, the first of them outside.

    >>> count_runs(np.array([[True, False], [True, True]]))
    [0, 2, 1, 1]
    """
    values = plane.ravel(order="F")
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], changes, [values.size]]))
    return [*([0] if values[0] else []), *lengths.tolist()]


def _inside(frame: Frame, labels: UInt8, spec: ModelSpec) -> UInt8:
    at = placement(frame.size, spec)
    return labels[at.top : at.top + at.height, at.left : at.left + at.width]


def count_shares(pixels: npt.NDArray[np.int64], spec: ModelSpec) -> dict[str, float]:
    """Compute the share of each class from the number of pixels of each label, (256,).

    >>> count_shares(np.bincount([0, 1, 1, 1], minlength=256), ModelSpec("multiclass", ("sky", "road"), 64, 64))
    {'sky': 0.25, 'road': 0.75, 'unknown': 0.0}
    """
    counts = pixels / max(int(pixels.sum()), 1)
    every = np.arange(256, dtype=np.uint8)
    shares = {
        name: round(float(counts[class_plane(every, spec, index)].sum()), 5) for index, name in enumerate(spec.classes)
    }
    if spec.task != "multilabel" and spec.unknown_label >= spec.num_classes:
        shares["unknown"] = round(float(counts[spec.unknown_label]), 5)
    return shares


class ShareSink(ClosableSink):
    """Keeps the shares of the last frame, to say what was found where nothing is saved."""

    name = "shares"
    newest_only = False

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self.last: dict[str, float] = {}

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Measure the classes' shares of this frame, in place of the last one's."""
        self._expect_open()
        self.last = class_shares(frame, prediction.labels, self._spec)

    def text(self) -> str:
        """Word the classes that occur, the largest first."""
        found = sorted(((share, name) for name, share in self.last.items() if share > 0), reverse=True)
        return ", ".join(f"{name} {100 * share:.1f} %" for share, name in found)
