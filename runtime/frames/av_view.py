"""Pictures of PyAV as arrays, without the copy that ``to_ndarray()`` makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def bgr_view(converted: Any) -> npt.NDArray[np.uint8]:
    """Show a bgr24 frame of PyAV as (height, width, 3) uint8; the array lives as long as the frame.

    >>> import av
    >>> bgr_view(av.VideoFrame(5, 3, "bgr24")).shape
    (3, 5, 3)
    """
    plane, height, width = converted.planes[0], converted.height, converted.width
    rows = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)
    return rows[:, : width * 3].reshape(height, width, 3)
