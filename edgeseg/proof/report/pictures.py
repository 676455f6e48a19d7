"""Pictures of the proof as ``data:`` URIs: small enough to travel inside the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.draw import color_table, overlay
from edgeseg.image import UInt8
from edgeseg.palette import parse_color
from edgeseg.proof.worst_images import WorstImage
from edgeseg.spec import ModelSpec

WIDTHS = (360, 280, 200, 140)
MAX_BYTES = 1_200_000
CHART_WIDTH = 1400
JPEG_QUALITY = 82
ALPHA = 0.55
DIFFERENCES = {
    "lost": ("#ff6a13", "fp32 was right, INT8 is wrong"),
    "won": ("#56b4e9", "INT8 is right, fp32 was wrong"),
    "other": ("#f0e442", "different, and neither is right or nobody knows"),
}
"""Colours that people with any colour vision tell apart (Okabe and Ito), and what they mean."""

Bool = npt.NDArray[np.bool_]
Cells = dict[str, str]
"""``data:`` URIs by what they show."""


def worst_cells(worst: Sequence[WorstImage], spec: ModelSpec) -> list[Cells]:
    """Show input, truth, fp32, INT8 and difference of each image, as wide as the size of the page allows."""
    cells: list[Cells] = []
    for width in WIDTHS:
        cells = [_cells(one, spec, width) for one in worst]
        if sum(len(uri) for row in cells for uri in row.values()) <= MAX_BYTES:
            break
    return cells


def _cells(one: WorstImage, spec: ModelSpec, width: int) -> Cells:
    table = color_table(spec, hide=spec.unknown_label)
    masks = {"truth": one.truth, "fp32": one.before, "int8": one.after}
    pictures = {
        "input": one.image,
        **{name: overlay(one.image, labels, table, ALPHA) for name, labels in masks.items() if labels is not None},
    }
    cells = {name: jpeg_uri(_narrow(picture, width)) for name, picture in pictures.items()}
    return {**cells, "difference": jpeg_uri(difference(one, width))}


def difference(one: WorstImage, width: int) -> UInt8:
    """Dim and grey the picture, pixels whose label changed in the colours of :data:`DIFFERENCES`.

    Changes are grown to 3x3 after scaling down: INT8 moves edges by a pixel, which nobody would see.
    """
    small = _narrow(one.image, width)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY) // 3
    picture = np.repeat(grey[..., np.newaxis], 3, 2)
    for name, where in _differing(one).items():
        red, green, blue = parse_color(DIFFERENCES[name][0])
        picture[_grown(where, small.shape[0], small.shape[1])] = (blue, green, red)
    return np.asarray(picture, np.uint8)


def _differing(one: WorstImage) -> Mapping[str, Bool]:
    """Where which kind of difference is; the most important last, so that it is drawn on top."""
    differs = np.asarray(one.before != one.after)
    if one.truth is None:
        return {"other": differs}
    lost, won = differs & (one.before == one.truth), differs & (one.after == one.truth)
    return {"other": differs & ~lost & ~won, "won": won, "lost": lost}


def _grown(where: Bool, height: int, width: int) -> Bool:
    share = cv2.resize(where.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.dilate((share > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def jpeg_uri(picture: UInt8) -> str:
    """Encode a BGR picture as a JPEG ``data:`` URI."""
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def png_uri(picture: UInt8) -> str:
    """Encode a BGR chart as a PNG ``data:`` URI."""
    data = cv2.imencode(".png", _narrow(picture, CHART_WIDTH))[1].tobytes()
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def _narrow(picture: UInt8, width: int) -> UInt8:
    """At most ``width`` wide."""
    if picture.shape[1] <= width:
        return picture
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
