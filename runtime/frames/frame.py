"""What travels through the pipeline: frames in, predictions out."""

from __future__ import annotations

from dataclasses import dataclass

from edgeseg.image import UInt8
from edgeseg.runtime.frames.analysis import Analysis


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture from a source.

    Attributes:
        image: HWC uint8 BGR; never written to after the source gave it.
        index: position in its source, from 0, gaps where frames were skipped or dropped.
        time_s: monotonic clock when the frame was captured or decoded.
        source: which source it came from.
        name: file name where the frame is a file, else empty.
        media_s: time inside the recording in seconds, or None for a live source.
        pts_s: presentation time of a live stream in its own clock, or None.
    """

    image: UInt8
    index: int
    time_s: float
    source: str
    name: str = ""
    media_s: float | None = None
    pts_s: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of :attr:`image`."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def luma(self) -> UInt8:
        """HW uint8, how bright each pixel is: green of a BGR image, the largest part of its luma (Rec. ITU-R BT.601).

        It need not have the orientation of :attr:`image`.
        """
        green: UInt8 = self.image[..., 1]
        return green


@dataclass(frozen=True, eq=False)
class Prediction:
    """What an engine says about one network input.

    Attributes:
        labels: HW uint8 class indices at the network's size; sets of classes for a multilabel task
            (:mod:`edgeseg.multilabel`).
        confidence: HW uint8, ``round(255 * p)``, or None when the model has no such output; KHW, a plane a class, for
            a multilabel task.
        reused: whether it was computed for an earlier frame, since which nothing changed that counts.
        analysis: what is found in it: regions, zones, alarms; None where nothing is looked for.
    """

    labels: UInt8
    confidence: UInt8 | None = None
    reused: bool = False
    analysis: Analysis | None = None

    def copy(self) -> Prediction:
        """Copy the arrays into memory of their own, for use after the slot runs again."""
        return Prediction(self.labels.copy(), None if self.confidence is None else self.confidence.copy())
