"""What is said of networks that do not compute finite numbers, for every quantizer alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def is_finite(values: npt.NDArray[Any]) -> bool:
    """Tell whether no value is NaN or infinite; quicker than ``isfinite(values).all()``, and without an array."""
    return not values.size or bool(np.isfinite(values.min()) and np.isfinite(values.max()))


def describe_broken_weights(layer: str, tensor: str) -> str:
    """Word the sentence about weights called ``tensor`` that ``layer`` reads."""
    return (
        f"The layer {layer} has weights that are NaN or infinite ({tensor}), so the network cannot segment and no "
        "INT8 range can be found. Train it again, or export an earlier checkpoint."
    )


def describe_broken_values(layer: str, operation: str, values: npt.NDArray[Any], image: str) -> str:
    """Word the sentence about ``values``, which ``layer`` gives for ``image``."""
    kind = "NaN" if np.isnan(values).any() else "infinite"
    return (
        f"The layer {layer} ({operation}) gives {kind} values on {image}, so no INT8 range can be found. "
        "Check mean and std of the spec and the weights of the layers before it; a float model that does this "
        "cannot be trusted either."
    )
