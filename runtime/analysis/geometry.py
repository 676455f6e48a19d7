"""Where a label map lies in its frame, and how large its pixels are, in pixels of the frame and in millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8, placement
from edgeseg.runtime.analysis.settings import AnalysisSettings
from edgeseg.runtime.analysis.shapes import Plane, Point, scale_points
from edgeseg.spec import ModelSpec

Float32 = npt.NDArray[np.float32]


class Geometry:
    """Turns places in a label map into places in its frame, and the other way round.

    Args:
        size: height and width of the frame.
        shape: height and width of the label map: those of the network, or those of the frame.
        spec: says how frames are fitted into the network.
        settings: give real sizes, if any.

    Attributes:
        size: as given.
        shape: height and width of the label map without the border of a letterbox.

    Raises:
        UserError: the plane of real sizes leaves the picture.

    >>> spec = ModelSpec("binary", ("no", "yes"), 30, 40)
    >>> geometry = Geometry((90, 160), (30, 40), spec, AnalysisSettings(mm_per_px=2))
    >>> geometry.pixel_area, geometry.has_real_size, geometry.to_frame(np.array([[0.0, 0.0]])).tolist()
    (12.0, True, [[2.0, 1.5]])
    """

    def __init__(
        self, size: tuple[int, int], shape: tuple[int, int], spec: ModelSpec, settings: AnalysisSettings
    ) -> None:
        self.size = size
        is_whole = shape == size and shape != (spec.height, spec.width)
        at = placement(size, spec)
        self._top, self._left = (0, 0) if is_whole else (at.top, at.left)
        self.shape = shape if is_whole else (at.height, at.width)
        self._x, self._y = size[1] / self.shape[1], size[0] / self.shape[0]
        self._mm_per_px, self._plane = settings.mm_per_px, settings.plane
        self._homography = None if self._plane is None else self._find_homography(self._plane)

    @property
    def pixel_area(self) -> float:
        """Pixels of the frame in one of the label map."""
        return self._x * self._y

    @property
    def has_real_size(self) -> bool:
        """Whether millimetres are known."""
        return self._mm_per_px is not None or self._plane is not None

    def cut(self, labels: UInt8) -> UInt8:
        """Cut the border of a letterbox away; the last two axes are height and width."""
        height, width = self.shape
        return labels[..., self._top : self._top + height, self._left : self._left + width]

    def to_frame(self, points: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Turn centres of pixels of the label map, (N, 2), into places in the frame."""
        return (np.asarray(points, np.float64) + 0.5) * (self._x, self._y)

    def from_frame(self, what: str, points: Sequence[Point]) -> npt.NDArray[np.float64]:
        """Turn places in the frame, in pixels or parts, into places in the label map in which centres are whole.

        Raises:
            UserError: one of them is outside; the message begins with ``what``.
        """
        return np.array(scale_points(what, points, self.size)) / (self._x, self._y) - 0.5

    def box(self, left: int, top: int, width: int, height: int) -> tuple[int, int, int, int]:
        """Turn a box of whole pixels of the label map into one of the frame."""
        x0, y0 = round(left * self._x), round(top * self._y)
        return x0, y0, max(1, round((left + width) * self._x) - x0), max(1, round((top + height) * self._y) - y0)

    def measure_mm2(self, contour: npt.NDArray[Any], area: float, pixels: float) -> float:
        """Compute the real size of an area with its outline.

        Args:
            contour: (N, 1, 2) int32, through the centres of its border's pixels.
            area: within that, in pixels of the label map.
            pixels: of the label map in all, those of holes left out.
        """
        if self._mm_per_px is not None:
            return pixels * self.pixel_area * self._mm_per_px**2
        points = self.to_frame(contour[:, 0]).astype(np.float32)
        if area < 1:
            return pixels * float(self._sizes_at(points.mean(0, keepdims=True))[0])
        assert self._homography is not None
        flat = cv2.perspectiveTransform(points[:, None], self._homography)
        return cv2.contourArea(flat.astype(np.float32)) * pixels / area

    @cached_property
    def pixel_sizes_mm2(self) -> Float32:
        """HW float32: square millimetres of each pixel of the label map."""
        if self._mm_per_px is not None:
            return np.full(self.shape, self.pixel_area * self._mm_per_px**2, np.float32)
        rows, columns = np.mgrid[: self.shape[0], : self.shape[1]]
        points = self.to_frame(np.stack([columns.ravel(), rows.ravel()], 1))
        return self._sizes_at(points).reshape(self.shape)

    def _sizes_at(self, points: npt.NDArray[Any]) -> Float32:
        """Square millimetres of a pixel of the label map at places of the frame: the determinant of the Jacobian.

        Of x' = Hx / w it is det(H) / w^3 (Hartley and Zisserman, Multiple View Geometry, 2nd edition, A4.4).
        """
        matrix = self._homography
        assert matrix is not None
        depth = matrix[2, 0] * points[:, 0] + matrix[2, 1] * points[:, 1] + matrix[2, 2]
        sizes = abs(float(np.linalg.det(matrix))) / np.maximum(np.abs(depth), 1e-9) ** 3
        return np.asarray(sizes * self.pixel_area, np.float32)

    def _find_homography(self, plane: Plane) -> npt.NDArray[np.float64]:
        corners = scale_points("The plane of real sizes", plane.points, self.size)
        matrix = cv2.getPerspectiveTransform(np.array(corners, np.float32), np.array(plane.places_mm, np.float32))
        return np.asarray(matrix, np.float64)
