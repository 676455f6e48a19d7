"""Labels where a pixel may show several classes at once, or none of them.

A label of a multilabel task is a sum of powers of two: ``1 << k`` stands for class k, and 0 for no class. Eight classes
fit into the eight bits of a label map, so everything that carries label maps carries these. What is asked class by
class is asked through :func:`class_plane`, which knows both kinds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8

if TYPE_CHECKING:
    from edgeseg.spec import Color, ModelSpec

Bool = npt.NDArray[np.bool_]

NO_CLASS = "none"
"""What the label 0 of a multilabel task is called."""


def class_plane(labels: UInt8, spec: ModelSpec, index: int) -> Bool:
    """Find the pixels that show class ``index``: HW bool from HW uint8 labels of any task.

    >>> import numpy as np
    >>> from edgeseg.spec import ModelSpec
    >>> spec = ModelSpec("multilabel", ("sky", "road"), 64, 64)
    >>> class_plane(np.uint8([[0, 1, 2, 3]]), spec, 1)
    array([[False, False,  True,  True]])
    """
    if spec.task == "multilabel":
        return np.asarray((labels & np.uint8(1 << index)) != 0)
    return np.asarray(labels == index)


def pack_planes(planes: Bool) -> UInt8:
    """Turn (K, H, W) bool, one plane a class, into HW uint8 labels of a multilabel task.

    >>> import numpy as np
    >>> pack_planes(np.array([[[False, True, False, True]], [[False, False, True, True]]]))
    array([[0, 1, 2, 3]], dtype=uint8)
    """
    return np.ascontiguousarray(np.packbits(planes, axis=0, bitorder="little")[0])


def unpack_planes(labels: UInt8, classes: int) -> UInt8:
    """Turn HW uint8 labels of a multilabel task into (K, H, W) uint8 of 0 and 1, one plane a class.

    >>> import numpy as np
    >>> unpack_planes(np.uint8([[0, 1, 2, 3]]), 2).tolist()
    [[[0, 1, 0, 1]], [[0, 0, 1, 1]]]
    """
    return np.unpackbits(labels[np.newaxis], axis=0, count=classes, bitorder="little")


def label_names(spec: ModelSpec) -> dict[int, str]:
    """Name every label that a network can give; of a multilabel task ``sky+road`` where a pixel shows both.

    >>> from edgeseg.spec import ModelSpec
    >>> label_names(ModelSpec("multilabel", ("sky", "road"), 64, 64))
    {0: 'none', 1: 'sky', 2: 'road', 3: 'sky+road'}
    """
    if spec.task != "multilabel":
        return dict(enumerate(spec.classes))
    return {label: "+".join(spec.classes[k] for k in _members(label, spec)) or NO_CLASS for label in _labels(spec)}


def label_palette(spec: ModelSpec) -> tuple[Color, ...]:
    """Choose a colour for every label: the mean of its classes' colours, and black where it has none.

    >>> from edgeseg.spec import ModelSpec
    >>> label_palette(ModelSpec("multilabel", ("a", "b"), 64, 64, palette=((200, 0, 0), (0, 100, 0))))
    ((0, 0, 0), (200, 0, 0), (0, 100, 0), (100, 50, 0))
    """
    if spec.task != "multilabel":
        return spec.palette
    return tuple(_mean_color([spec.palette[k] for k in _members(label, spec)]) for label in _labels(spec))


def _labels(spec: ModelSpec) -> range:
    return range(spec.num_labels)


def _members(label: int, spec: ModelSpec) -> list[int]:
    return [k for k in range(spec.num_classes) if label >> k & 1]


def _mean_color(colors: list[Color]) -> Color:
    red, green, blue = (sum(color[channel] for color in colors) // max(1, len(colors)) for channel in range(3))
    return red, green, blue
