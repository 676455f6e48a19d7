"""Latency ratios kept for later checks: one file, the models of several devices in it.

::

    {"edgeseg_baseline": 2,
     "devices": [{"fingerprint": {"cpu": ..., "isa": [...], "cores": 2, "threads": 1, "governor": ..., "engine": [...]},
                  "models": {"lite-unet int8 openvino": {"ratio": 2.31, "low": 2.28, "high": 2.34, ...}}}]}

A file of the first format holds one model of one device, and is read too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.errors import UserError
from edgeseg.files.atomic import atomic_file
from edgeseg.files.input_file import read_text
from edgeseg.given import checked
from edgeseg.runtime.measure.fingerprint import Fingerprint, this_device
from edgeseg.runtime.measure.latency_gate import LatencyRatio

FORMAT = 2
_FIRST_SPREAD = 1.02
"""Files of the first format do not say how sure their ratio was."""


@dataclass(frozen=True)
class _Device:
    fingerprint: Fingerprint | None
    cpu: str
    models: Mapping[str, LatencyRatio]


@checked
def save_baseline(path: Path, artifact: Artifact, ratio: LatencyRatio) -> None:
    """Write the ratio of a model on this device into a baseline, beside those of other models and devices in it.

    Raises:
        UserError: there is a file, and it is no baseline.
        OutputError: it cannot be written.
    """
    devices = _read(path) if path.exists() else []
    here = this_device(artifact)
    known = [one for one in devices if one.fingerprint is not None]
    of_here = next((one for one in known if one.fingerprint == here), _Device(here, here.cpu, {}))
    of_here = replace(of_here, models={**of_here.models, identity(artifact): ratio})
    others = [one for one in known if one.fingerprint != here]
    values = {
        "edgeseg_baseline": FORMAT,
        "devices": [
            {
                "fingerprint": one.fingerprint.to_dict(),
                "models": {name: asdict(found) for name, found in sorted(one.models.items())},
            }
            for one in (*others, of_here)
            if one.fingerprint is not None
        ],
    }
    with atomic_file(path) as staged:
        staged.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


@checked
def read_baseline(path: Path, artifact: Artifact) -> LatencyRatio:
    """Read the latency ratio that was saved for a model on this device.

    Raises:
        UserError: it cannot be read, or holds nothing of this model, or of this device.
    """
    devices, here = _read(path), this_device(artifact)
    mine = [one for one in devices if _same_device(one, here)]
    again = f"Save one here with: `save_baseline(artifact={str(artifact.path)!r}, path={str(path)!r})`"
    if not mine:
        there = min(devices, key=lambda one: len(_list_differences(one, here)), default=None)
        differs = "; ".join(_list_differences(there, here)) if there is not None else "it holds no device"
        raise UserError(f"{path} holds nothing of this device ({differs}). {again}")
    name = identity(artifact)
    for device in mine:
        if name in device.models:
            return device.models[name]
    held = ", ".join(sorted({one for device in mine for one in device.models})) or "none"
    raise UserError(f"{path} is of another model on this device ({held:.120}); here it is {name}. {again}")


def identity(artifact: Artifact) -> str:
    """Name a model over its exports; not a digest, as a baseline is to be compared with the next export of it."""
    return f"{artifact.name} {artifact.precision} {artifact.format}"


def _same_device(device: _Device, here: Fingerprint) -> bool:
    return device.cpu == here.cpu if device.fingerprint is None else device.fingerprint == here


def _list_differences(device: _Device, here: Fingerprint) -> list[str]:
    if device.fingerprint is None:
        return [f"cpu {device.cpu:.60} there, {here.cpu} here"]
    return here.differences(device.fingerprint)


def _read(path: Path) -> list[_Device]:
    text = read_text(path, UserError)
    try:
        values = json.loads(text)
        found = values.get("edgeseg_baseline", 1)
        if type(found) is not int or found not in (1, FORMAT):
            raise UserError(f"{path} is a baseline of format {found!r}; this edgeseg reads up to {FORMAT}. Update it.")
        return [_first_format(values)] if found == 1 else [_device(one) for one in values["devices"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path} is not a baseline ({type(error).__name__}: {error}). Give another file, or delete it and save one."
        ) from None


def _device(values: Mapping[str, Any]) -> _Device:
    fingerprint = Fingerprint.from_dict(values["fingerprint"])
    return _Device(fingerprint, fingerprint.cpu, {str(name): _ratio(one) for name, one in values["models"].items()})


def _first_format(values: Mapping[str, Any]) -> _Device:
    saved = values["latency"]
    ratio = float(saved["ratio"])
    low, high = ratio / _FIRST_SPREAD, ratio * _FIRST_SPREAD
    return _Device(None, str(values["cpu"]), {str(values["model"]): _ratio({**saved, "low": low, "high": high})})


def _ratio(values: Mapping[str, Any]) -> LatencyRatio:
    numbers = {name: float(values[name]) for name in ("ratio", "low", "high", "engine_ms", "reference_ms")}
    clock = values.get("clock_ratio")
    if clock is not None:
        numbers["clock"] = float(clock)
    if not all(math.isfinite(one) and one > 0 for one in numbers.values()):
        raise ValueError(f"a latency ratio is {values['ratio']!r}")
    numbers.pop("clock", None)
    return LatencyRatio(**numbers, clock_ratio=None if clock is None else float(clock), rounds=int(values["rounds"]))
