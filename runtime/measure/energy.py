"""Energy, where the machine measures it: Intel's and AMD's counters, sensors of the board, NVIDIA's tegrastats.

A counter (RAPL, ``energy*_input`` of hwmon) is read before and after; a sensor of power is read twenty times a second
in a thread and summed up. What is measured is the whole package or board, not this process alone, so whatever else
runs is in it. Sources: Linux ``powercap/powercap.rst`` and ``hwmon/sysfs-interface.rst`` of the Linux documentation.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

SAMPLE_S = 0.05
BOARD_RAILS = ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0", "SYS_VIN_HV")
"""What NVIDIA's boards call the rail that feeds everything."""
_RAIL = re.compile(rf"\b({'|'.join(BOARD_RAILS)}) (\d+)(?:mW)?/\d+")
_SYSTEM = Path("/sys")
NOTHING = "energy is not known: neither RAPL (/sys/class/powercap), hwmon (/sys/class/hwmon) nor tegrastats is here"


class Meter(Protocol):
    """Counts joules from its opening on."""

    name: str

    def read_joules(self) -> float:
        """Read how many joules were used since it was opened."""

    def close(self) -> None:
        """Stop counting; a second call does nothing."""


@dataclass
class Counter:
    """Counters in microjoules that begin anew at a limit.

    Attributes:
        name: of what counts, for people.
        counters: file and limit of each; 0 where it has none.
    """

    name: str
    counters: Sequence[tuple[Path, int]]
    _last: list[int] = field(default_factory=list)
    _sum_uj: int = 0

    def __post_init__(self) -> None:
        self._last = [_read_number(path) for path, _ in self.counters]

    def read_joules(self) -> float:
        """Read joules since the opening; to be called at least once a round of the counter, which takes minutes."""
        now = [_read_number(path) for path, _ in self.counters]
        for before, after, (_, limit) in zip(self._last, now, self.counters, strict=True):
            self._sum_uj += after - before + (limit if after < before else 0)
        self._last = now
        return self._sum_uj / 1e6

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""


class Sensor:
    """Watts, read again and again in a thread and summed up.

    Args:
        name: of the sensor, for people.
        watts: yields a reading each time it is asked; its end ends the counting.
        stop: called to end ``watts`` while it waits.
    """

    def __init__(self, name: str, watts: Iterator[float], stop: Callable[[], object] = lambda: None) -> None:
        self.name, self._watts, self._stop = name, watts, stop
        self._joules, self._last, self._at = 0.0, next(watts), time.monotonic()
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._sum_up, name="edgeseg-energy", daemon=True)
        self._thread.start()

    def read_joules(self) -> float:
        """Read joules since the opening."""
        with self._lock:
            return self._joules + self._last * (time.monotonic() - self._at)

    def close(self) -> None:
        """End the thread; a second call does nothing."""
        self._ended.set()
        self._stop()
        self._thread.join(timeout=2)

    def _sum_up(self) -> None:
        for watts in self._watts:
            with self._lock:
                now = time.monotonic()
                self._joules += (self._last + watts) / 2 * (now - self._at)
                self._last, self._at = watts, now
            if self._ended.is_set():
                return


def find_meter(system: Path = _SYSTEM, tegrastats: str = "tegrastats") -> tuple[Meter | None, str]:
    """Find what measures energy here.

    Args:
        system: where sysfs is.
        tegrastats: the program.

    Returns:
        The meter, or None, and a sentence about it.

    >>> find_meter(Path("/nowhere"), "no such program")[0] is None
    True
    """
    refused = ""
    for find in (_find_rapl, _find_hwmon_counter, _find_hwmon_power):
        try:
            if (meter := find(system)) is not None:
                return meter, f"energy is that of {meter.name}"
        except PermissionError as error:
            refused = refused or f"energy is not known: {error.filename} may not be read by this user"
        except (OSError, ValueError) as error:
            refused = refused or f"energy is not known: what measures it cannot be read ({error})"
    if (program := shutil.which(tegrastats)) is not None and (meter := _open_tegrastats(program)) is not None:
        return meter, f"energy is that of {meter.name}"
    return None, refused or NOTHING


def _find_rapl(system: Path) -> Meter | None:
    zones = sorted((system / "class" / "powercap").glob("*-rapl:*"))
    packages = [zone for zone in zones if _read_text(zone / "name").startswith("package")]
    counters = [(zone / "energy_uj", _read_number(zone / "max_energy_range_uj")) for zone in packages]
    return Counter(f"{len(packages)} processor package(s), by RAPL", counters) if counters else None


def _find_hwmon_counter(system: Path) -> Meter | None:
    for device in _list_hwmon(system):
        found = sorted(device.glob("energy*_input"))
        sockets = [path for path in found if _read_text(_label(path)).lower().startswith("esocket")]
        if sockets or found:
            return Counter(f"{_read_text(device / 'name')}, by hwmon", [(path, 0) for path in sockets or found])
    return None


def _find_hwmon_power(system: Path) -> Meter | None:
    for device in _list_hwmon(system):
        for volts in sorted(device.glob("in*_input")):
            amperes = device / volts.name.replace("in", "curr", 1)
            if _read_text(_label(volts)) in BOARD_RAILS and amperes.is_file():
                name = f"the rail {_read_text(_label(volts))} of {_read_text(device / 'name')}, by hwmon"
                return Sensor(name, _poll(lambda v=volts, a=amperes: _read_number(v) * _read_number(a) / 1e6))  # type: ignore[misc]
        if _read_text(device / "name").startswith("ina") and (power := sorted(device.glob("power*_input"))):
            name = f"{_read_text(device / 'name')}, by hwmon"
            return Sensor(name, _poll(lambda path=power[0]: _read_number(path) / 1e6))  # type: ignore[misc]
    return None


def _open_tegrastats(program: str) -> Meter | None:
    words = [program, "--interval", str(int(1000 * SAMPLE_S))]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def readings() -> Iterator[float]:
        with process:
            for line in process.stdout or ():
                if (found := _RAIL.search(line)) is not None:
                    yield int(found[2]) / 1000

    watts = readings()
    try:
        return Sensor("the board, by tegrastats", watts, process.kill)
    except StopIteration:
        process.kill()
        return None


def _poll(read: Callable[[], float]) -> Iterator[float]:
    while True:
        yield read()
        time.sleep(SAMPLE_S)


def _list_hwmon(system: Path) -> list[Path]:
    return sorted((system / "class" / "hwmon").glob("hwmon*"))


def _label(path: Path) -> Path:
    return path.with_name(path.name.replace("_input", "_label"))


def _read_text(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8", errors="replace").strip()
    return ""


def _read_number(path: Path) -> int:
    return int(_read_text(path) or 0)
