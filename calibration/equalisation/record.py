"""The factors of a file's channels, written into the file: whoever compares its layers with others' takes them off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseg.calibration.equalisation.free_channels import Ints

ONNX_KEY = "edgeseg.channel_exponents"
IR_KEY = ("edgeseg", "channel_exponents")


NOT_ASKED_FOR = "left out, as it was not asked for"
NO_GAIN = "left out: no channel that could be scaled lies so far from the range of its tensor that a factor would help"
OTHER_LOGITS = "left out: with the factors the float network gave other logits, so the network is quantised as it is"


class Exponents(dict[str, Ints]):
    """Exponents (channels,) by tensor; where there are none, why.

    Attributes:
        reason: a sentence's end, or empty.

    >>> describe_equalised(Exponents(reason=NO_GAIN))["equalized_tensors"]
    0
    """

    def __init__(self, found: Mapping[str, Ints] | None = None, reason: str = "") -> None:
        super().__init__(found or {})
        self.reason = reason


def describe_equalised(exponents: Mapping[str, Ints]) -> dict[str, Any]:
    """Say for the report how many tensors carry factors, and why none does.

    >>> describe_equalised({})["equalization"]
    'left out, as it was not asked for'
    """
    count = len(exponents)
    if count:
        return {"equalized_tensors": count, "equalization": f"the channels of {count} tensors carry powers of two"}
    return {"equalized_tensors": 0, "equalization": getattr(exponents, "reason", "") or NOT_ASKED_FOR}


def write_into_onnx(model: Any, exponents: Mapping[str, Ints]) -> None:
    """Write exponents (channels,) by tensor into the metadata of an ``onnx.ModelProto``; none are not written."""
    if exponents:
        entry = model.metadata_props.add()
        entry.key, entry.value = ONNX_KEY, _text(exponents)


def read_from_onnx(model: Any) -> dict[str, Ints]:
    """Read the exponents by tensor; empty where channels were not scaled."""
    return _values(next((entry.value for entry in model.metadata_props if entry.key == ONNX_KEY), ""))


def write_into_ir(model: Any, exponents: Mapping[str, Ints]) -> None:
    """Write exponents (channels,) by output into the ``rt_info`` of an ``openvino.Model``; none are not written."""
    if exponents:
        model.set_rt_info(_text(exponents), list(IR_KEY))


def read_from_ir(model: Any) -> dict[str, Ints]:
    """Read the exponents by output; empty where channels were not scaled."""
    return _values(model.get_rt_info(list(IR_KEY)).astype(str) if model.has_rt_info(list(IR_KEY)) else "")


def _text(exponents: Mapping[str, Ints]) -> str:
    return json.dumps({name: values.tolist() for name, values in exponents.items()}, separators=(",", ":"))


def _values(text: str) -> dict[str, Ints]:
    return {name: np.array(values, np.int64) for name, values in json.loads(text or "{}").items()}
