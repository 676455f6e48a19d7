"""What a model says about one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgeseg.draw import color_table, overlay
from edgeseg.errors import OutputError, UserError
from edgeseg.files.atomic import atomic_file
from edgeseg.image import UInt8, check_image, unfit
from edgeseg.legend import draw_legend
from edgeseg.mask_png import mask_png
from edgeseg.multilabel import Bool, class_plane, label_names, label_palette
from edgeseg.polygon import Polygon, trace_polygons
from edgeseg.runtime.frames.analysis import Analysis
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.spec import ModelSpec

UNKNOWN = "unknown"
"""What pixels under the threshold are called where no class of the model means that."""


class Area(NamedTuple):
    """How much of a picture a class covers.

    Attributes:
        share: part of the picture, 0..1.
        pixels: how many pixels.
    """

    share: float
    pixels: int


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """The label map of one image, and what follows from it.

    Attributes:
        labels: HW uint8, the class of every pixel at the image's own size. A pixel under the threshold holds
            ``spec.unknown_label``, which is 255 where no class means that. Of a multilabel model a label is a set:
            bit k is set where the pixel shows class k, so that :meth:`mask` is what to read.
        image: HWC uint8, the image in the channel order in which it was given, BGR when it was read from a file.
        spec: the model's contract.
        prediction: the same at the network's size, as the engine gave it; at the image's size where that was cut into
            tiles.
        rgb: whether ``image`` is RGB.
        path: the file that the image was read from, or None.

    Example:
        >>> result = model("photo.png")
        >>> result.labels.shape, result.labels.dtype.name
        ((360, 480), 'uint8')
        >>> result.classes
        ('background', 'cell', 'border')
        >>> 0 < result.areas()["cell"].share < 1
        True
    """

    labels: UInt8
    image: UInt8
    spec: ModelSpec
    prediction: Prediction
    rgb: bool = False
    path: Path | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; the position is the label, or its bit (multilabel)."""
        return self.spec.classes

    @property
    def reused(self) -> bool:
        """Whether the labels are those of an earlier frame of a stream, since which nothing changed that counts."""
        return self.prediction.reused

    @property
    def analysis(self) -> Analysis | None:
        """Regions, zones and alarms of a frame of a stream; None where nothing was looked for."""
        return self.prediction.analysis

    @property
    def names(self) -> Mapping[int, str]:
        """Name of every label that can occur, ``unknown`` included where no class has that meaning.

        Of a multilabel model ``none`` and every set of classes, ``sky+road``.
        """
        names = label_names(self.spec)
        names.setdefault(self.spec.unknown_label, UNKNOWN)
        return names

    @cached_property
    def confidence(self) -> UInt8 | None:
        """HW uint8 at the image's own size, ``round(255 * p)``; None where the model has no such output.

        ``p`` is the largest probability of a pixel, or that of the foreground for a binary task. Of a multilabel model
        KHW, each class's own probability.
        """
        whole = self.prediction.confidence
        if whole is None or whole.ndim == 2:
            return None if whole is None else self._unfit(whole)
        return np.stack([self._unfit(plane) for plane in whole])

    def mask(self, name: str | int) -> Bool:
        """Give the pixels of one class: HW bool at the image's own size.

        Args:
            name: a class by its name or its position in :attr:`classes`.

        Raises:
            UserError: there is no such class.

        Example:
            >>> result = model("photo.png")
            >>> int(result.mask("cell").sum()) == result.areas()["cell"].pixels
            True
        """
        if self.spec.task != "multilabel":
            return np.asarray(self.labels == self._label(name))
        return class_plane(self.labels, self.spec, self._find(name, dict(enumerate(self.classes))))

    @property
    def masks(self) -> dict[str, Bool]:
        """HW bool of every class by its name, see :meth:`mask`; masks of a multilabel model may overlap.

        Example:
            >>> list(model("photo.png").masks)
            ['background', 'cell', 'border']
        """
        return {name: self.mask(name) for name in self.classes}

    def areas(self) -> dict[str, Area]:
        """Give share and pixels of every class, in the order of the labels.

        Shares add up to 1, but to less or more where a pixel shows none or several of them (multilabel).

        Example:
            >>> sum(area.pixels for area in model("photo.png").areas().values()) == 360 * 480
            True
        """
        if self.spec.task == "multilabel":
            pixels = {name: int(np.count_nonzero(mask)) for name, mask in self.masks.items()}
        else:
            counts = np.bincount(self.labels.ravel(), minlength=256)
            pixels = {name: int(counts[label]) for label, name in self.names.items()}
        return {name: Area(count / self.labels.size, count) for name, count in pixels.items()}

    def polygons(self, name: str | int, *, min_area: float = 0, tolerance: float = 1.0) -> list[Polygon]:
        """Outline every connected area of a class, the largest first.

        Args:
            name: a class by its name or its label.
            min_area: areas of fewer pixels are left out.
            tolerance: how far an outline may lie from the pixels' edges, in pixels; 0 follows them exactly.

        Returns:
            Simple polygons with their holes, in pixels of the image: see :class:`edgeseg.polygon.Polygon`.

        Raises:
            UserError: there is no such class, or a number is negative.

        Example:
            >>> largest = model("photo.png").polygons("cell", min_area=50)[0]
            >>> largest.points.shape[1], largest.area >= 50
            (2, True)
        """
        for field, value in (("min_area", min_area), ("tolerance", tolerance)):
            if not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise UserError(f"`{field}` is a number of pixels from 0 on; found {value!r}.")
        return trace_polygons(self.mask(name), min_area, tolerance)

    def overlay(self, image: UInt8 | None = None, *, alpha: float = 0.5, legend: bool = False) -> UInt8:
        """Blend the classes in their colours over a picture; the background is left as it is.

        A pixel of several classes (multilabel) has the mean of their colours.

        Args:
            image: HWC uint8 in the channel order of :attr:`image`, any size; None takes :attr:`image`.
            alpha: 0 shows the picture alone, 1 the colours alone.
            legend: draw the names of the classes into the top left corner.

        Returns:
            HWC uint8, a new picture in the same channel order.

        Raises:
            DataError: not an HWC uint8 picture.

        Example:
            >>> picture = model("photo.png").overlay(legend=True)
            >>> picture.shape, picture.dtype.name
            ((360, 480, 3), 'uint8')
        """
        image = self.image if image is None else image
        check_image(image)
        if not isinstance(alpha, int | float) or not 0 <= alpha <= 1:
            raise UserError(f"`alpha` lies between 0 and 1; found {alpha!r}.")
        table = color_table(self.spec, hide=self.spec.unknown_label)
        picture = overlay(flip_channels(image, self.rgb), self.labels, table, alpha)
        if legend:
            draw_legend(picture, self.spec)
        return flip_channels(picture, self.rgb)

    def save_mask(self, path: Path | str) -> Path:
        """Write the labels as a palette PNG: viewers show colours, and the pixels are the labels.

        Of a multilabel model they are sets of classes, as in :attr:`labels`.

        Args:
            path: ends in ``.png``; missing folders are made, a file there is replaced.

        Raises:
            OutputError: another ending, or it cannot be written.

        Example:
            >>> from edgeseg.image import read_mask
            >>> result = model("photo.png")
            >>> bool((read_mask(result.save_mask("mask.png")) == result.labels).all())
            True
        """
        target = Path(path)
        if target.suffix.lower() != ".png":
            raise OutputError(f"A mask is saved as PNG, which changes no label; found {str(path)!r}.")
        with atomic_file(target) as staged:
            staged.write_bytes(mask_png(self.labels, label_palette(self.spec)))
        return target

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON: the size, and share and pixels of every class.

        Example:
            >>> sorted(model("photo.png").to_dict())
            ['classes', 'height', 'path', 'width']
        """
        height, width = self.labels.shape
        classes = {name: area._asdict() for name, area in self.areas().items()}
        return {"path": self.path and str(self.path), "height": height, "width": width, "classes": classes}

    def __repr__(self) -> str:
        height, width = self.labels.shape
        found = sorted(((area.share, name) for name, area in self.areas().items() if area.pixels), reverse=True)
        return f"Result({width}x{height}: {', '.join(f'{name} {share:.1%}' for share, name in found)})"

    def _unfit(self, plane: UInt8) -> UInt8:
        if plane.shape == self.labels.shape:  # of a picture that was cut into tiles
            return plane
        return unfit(plane, self.spec, (self.labels.shape[0], self.labels.shape[1]))

    def _label(self, name: str | int) -> int:
        return self._find(name, self.names)

    @staticmethod
    def _find(name: str | int, names: Mapping[int, str]) -> int:
        by_name = {text: label for label, text in names.items()}
        if isinstance(name, str) and name in by_name:
            return by_name[name]
        if isinstance(name, int) and name in names:
            return int(name)
        near = get_close_matches(str(name), by_name, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(f"There is no class {name!r}; the classes are {', '.join(by_name)}.{hint}")


def flip_channels(image: UInt8, rgb: bool) -> UInt8:
    """Turn RGB to BGR or the other way round when ``rgb``; else return the picture itself.

    Raises:
        DataError: not an HWC uint8 picture.
    """
    check_image(image)
    return np.ascontiguousarray(image[..., ::-1]) if rgb else image
