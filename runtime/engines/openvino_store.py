"""Compiled OpenVINO models on disk, loaded only when their bytes are those that were written.

OpenVINO's own cache notices a damaged file only by chance: some load and give wrong masks from then on. So a file here
begins with the SHA-256 of the rest, and its name is the digest of all that decides what the rest is.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.errors import EnvironmentFault, OutputError
from edgeseg.files.cache_folder import private_folder, read_private, write_private
from edgeseg.runtime.engines.openvino_core import load_openvino
from edgeseg.runtime.events.event import Event, OnEvent
from edgeseg.runtime.system.machine import this_cpu

_DIGEST_BYTES = 32


class ModelStore:
    """Compiles models, or takes what was compiled before.

    Args:
        core: OpenVINO's.
        root: the cache folder; where it cannot be made or is not this user's alone, everything is compiled again.
        on_event: is told of a damaged file, which is removed and made again.
    """

    def __init__(self, core: Any, root: Path, on_event: OnEvent) -> None:
        self._core, self._root, self._on_event = core, root, on_event

    def compile(self, artifact: Artifact, device: str, config: Mapping[str, Any]) -> Any:
        """Give the model of ``artifact`` for ``device``.

        Raises:
            RuntimeError: OpenVINO cannot compile it.
        """
        path = self._path(artifact, device, config)
        if path is not None and (model := self._kept(path, device, config)) is not None:
            return model
        model = self._core.compile_model(str(artifact.model_path), device, dict(config))
        if path is not None:
            _keep(path, model)
        return model

    def _kept(self, path: Path, device: str, config: Mapping[str, Any]) -> Any:
        """None where there is nothing that can be used; what is damaged is said and removed."""
        try:
            data = read_private(path)
        except OSError:
            return None
        blob = memoryview(data)[_DIGEST_BYTES:]
        if hashlib.sha256(blob).digest() == data[:_DIGEST_BYTES]:
            with contextlib.suppress(RuntimeError):  # another build of the same version
                return self._core.import_model(io.BytesIO(blob), device, dict(config))
            what = "is refused by OpenVINO"
        else:
            what = f"was changed or cut short after it was written ({len(data)} bytes with another SHA-256)"
        with contextlib.suppress(OSError):
            path.unlink()
        message = f"the compiled model {path} {what}; it is not used, and the model is compiled again."
        self._on_event(Event("cache-damaged", "cache", message, "damaged", {"path": str(path)}))
        return None

    def _path(self, artifact: Artifact, device: str, config: Mapping[str, Any]) -> Path | None:
        """Where the compiled form of exactly these files is, in a folder an artifact; None where it cannot be kept."""
        folder = self._root / _digest(dict(artifact.files))
        try:
            private_folder(self._root)
            private_folder(folder)
        except EnvironmentFault as fault:
            message = f"Compiled models are not kept, so each start compiles anew: {fault}"
            self._on_event(Event("cache-refused", "cache", message, "open to others", {"path": str(folder)}))
            return None
        except OSError:
            return None
        return folder / f"{_digest([device, dict(config), self._machine(device)])}.blob"

    def _machine(self, device: str) -> list[str]:
        cpu = this_cpu()
        known = [load_openvino().__version__, cpu.name, str(cpu.isa)]
        for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES"):
            with contextlib.suppress(RuntimeError):
                known.append(str(self._core.get_property(device, name)))
        return known


def _keep(path: Path, model: Any) -> None:
    """A disk that is full or read-only costs the next start its time, and a device that gives nothing away too."""
    with contextlib.suppress(OutputError, RuntimeError):
        blob = model.export_model()
        data = blob.getvalue() if hasattr(blob, "getvalue") else bytes(blob)
        write_private(path, hashlib.sha256(data).digest() + data)


def _digest(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
