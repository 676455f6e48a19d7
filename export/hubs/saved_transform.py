"""The transform that lies beside the weights: ``albumentations_config_eval.json``.

segmentation_models.pytorch's own way of keeping how pixels are prepared is ``transform.save_pretrained(folder)`` of
albumentations. Its JSON names each step and what it was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgeseg.errors import SpecError
from edgeseg.export.hubs.folder_files import read_config
from edgeseg.export.hubs.hub_net import Note

FILE = "albumentations_config_eval.json"
_NOTHING = ("ToTensorV2", "NoOp")


def read_transform(path: Path) -> tuple[dict[str, Any], list[Note]]:
    """Read what the transform of a folder says of size, mean and std, and a sentence for each step that is not kept.

    Raises:
        ArtifactError: the file is no JSON.
        SpecError: a step that prepares each picture by its own values, or that makes no sense.
    """
    said: dict[str, Any] = {}
    notes: list[Note] = []
    for name, step in _steps(read_config(path, FILE).get("transform")):
        if name in _READ:
            said.update(_READ[name](step, said))
        if (note := _remark(name, step, said)) is not None:
            notes.append(("", f"{FILE}: {note}"))
    return said, notes


def _steps(transform: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and arguments of every step, those of a Compose inside another included."""
    if not isinstance(transform, Mapping):
        return
    inner = transform.get("transforms")
    if isinstance(inner, list):
        for one in inner:
            yield from _steps(one)
        return
    yield str(transform.get("__class_fullname__", "")).rpartition(".")[2], transform


def _normalize(step: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    kind = step.get("normalization", "standard")
    if kind != "standard":
        raise SpecError(
            f"{FILE} normalises each picture by its own values ('normalization' is {kind!r}), which no graph of fixed "
            "mean and std does. Train with Normalize(normalization='standard')."
        )
    whole = float(step.get("max_pixel_value") or 255.0) / 255.0
    mean, std = (tuple(float(value) * whole for value in _values(step, name)) for name in ("mean", "std"))
    return {"mean": mean, "std": std}


def _values(step: Mapping[str, Any], name: str) -> list[float]:
    found = step.get(name)
    values: list[Any] = found if isinstance(found, list) else [found]
    if not all(isinstance(value, int | float) for value in values):
        raise SpecError(f"{FILE}: `{name}` of Normalize is a number a channel; found {found!r}.")
    return values * 3 if len(values) == 1 else values


def _to_float(step: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    whole = float(step.get("max_value") or 255.0) / 255.0
    return {} if "mean" in said else {"mean": (0.0,) * 3, "std": (whole,) * 3}


def _resize(step: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    size = (step.get("height"), step.get("width"))
    return {"imgsz": size, "resize": "stretch"} if all(type(side) is int for side in size) else {}


def _pad(step: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    size = (step.get("min_height"), step.get("min_width"))
    return {"imgsz": size, "resize": "letterbox"} if all(type(side) is int for side in size) else {}


_READ = {"Normalize": _normalize, "ToFloat": _to_float, "Resize": _resize, "PadIfNeeded": _pad, "CenterCrop": _resize}


def _remark(name: str, step: Mapping[str, Any], said: Mapping[str, Any]) -> str | None:
    if name == "PadIfNeeded":
        return (
            "PadIfNeeded is read as a letterbox: the picture is made as large as fits, and the rest is grey."
            if "imgsz" in said
            else "PadIfNeeded is left out; give `imgsz` in multiples of 32."
        )
    if name == "CenterCrop":
        return "CenterCrop cuts the edges off; edgeseg brings the whole picture to that size."
    if name in _READ or name in _NOTHING or name == "LongestMaxSize":
        return None
    return f"the step {name} is left out."
