"""The factors of a file's channels, written into the file: whoever compares its layers with others' takes them off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseg.calibration.equalisation.free_channels import Ints

ONNX_KEY = "edgeseg.channel_exponents"
IR_KEY = ("edgeseg", "channel_exponents")


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
