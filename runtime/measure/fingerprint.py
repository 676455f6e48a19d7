"""What of a device decides how fast a model is on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeseg.artifact import Artifact
from edgeseg.formats import find_format
from edgeseg.runtime.system.machine import this_cpu

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
UNTOLD = "not told"


@dataclass(frozen=True)
class Fingerprint:
    """A device, as far as it decides about speed.

    Attributes:
        cpu: name of the processor.
        isa: its instruction sets that matter.
        cores: how many this process may use.
        threads: how many the engine uses.
        governor: how the system sets the clock of the processor.
        engine: packages of the engine, with their versions.
    """

    cpu: str
    isa: tuple[str, ...]
    cores: int
    threads: int
    governor: str
    engine: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that are the same for the same device."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Fingerprint:
        """Read what :meth:`to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        isa, engine = (tuple(str(one) for one in values[name]) for name in ("isa", "engine"))
        numbers = int(values["cores"]), int(values["threads"])
        return cls(str(values["cpu"]), isa, *numbers, str(values["governor"]), engine)

    def differences(self, there: Fingerprint) -> list[str]:
        """List what another device has otherwise, each as a clause.

        >>> here = Fingerprint("A", ("AVX2",), 2, 1, "performance", ("openvino 2026.4.1",))
        >>> here.differences(Fingerprint("B", ("AVX2",), 2, 1, "performance", ("openvino 2026.3.0",)))
        ['cpu B there, A here', 'engine openvino 2026.3.0 there, openvino 2026.4.1 here']
        """
        ours, theirs = self.to_dict(), there.to_dict()
        return [
            f"{name} {_say(theirs[name])} there, {_say(ours[name])} here" for name in ours if ours[name] != theirs[name]
        ]


def _say(value: Any) -> str:
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)


def this_device(artifact: Artifact, threads: int = 1) -> Fingerprint:
    """Describe this device as it runs an artifact.

    Args:
        artifact: whose engine.
        threads: how many it uses.
    """
    cpu = this_cpu()
    return Fingerprint(cpu.name, cpu.isa or (), cpu.cores, threads, _governor(), _engine_versions(artifact))


def _governor() -> str:
    try:
        return GOVERNOR.read_text(encoding="ascii").strip() or UNTOLD
    except (OSError, ValueError):
        return UNTOLD


def _engine_versions(artifact: Artifact) -> tuple[str, ...]:
    import importlib.metadata

    found = []
    for name in find_format(artifact.format).packages[:1]:  # what else it records made it, and does not run it
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)
