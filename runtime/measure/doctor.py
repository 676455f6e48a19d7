"""What this machine can run, what it lacks, and what INT8 will bring on it."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeseg.console.installation import install_line, reinstall_line
from edgeseg.runtime.engines.diagnosis import engine_rows, installed_version
from edgeseg.runtime.system.machine import Cpu, this_cpu
from edgeseg.runtime.trt.install import jetpack
from edgeseg.version import __version__

NO_CAMERA = "no /dev/video*: plug one in, or add this user to the group 'video'; files and folders need none"
UNTOLD_CAMERAS = "this system tells of none without opening them: try `source='0'`, which is the first"
_BENCH = "`compare_speed(int8=INT8, fp32=FP32)`"
NO_ENCODER = "its wheels bring libx264, which recording needs: {}"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        name: what.
        found: version and details, or None where it is missing.
        hint: how to get it; empty where it is there or cannot be had.
    """

    name: str
    found: str | None
    hint: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Everything ``edgeseg doctor`` tells."""

    system: dict[str, str]
    cpu: Cpu
    engines: list[Finding]
    tools: list[Finding]
    devices: list[Finding]
    int8: str
    bf16: str

    @property
    def can_run(self) -> bool:
        """At least one engine works here."""
        return any(engine.found for engine in self.engines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "can_run": self.can_run}


def diagnose() -> Diagnosis:
    """Look at this machine; takes as long as importing the engines."""
    cpu = this_cpu()
    system = {"edgeseg": __version__, "python": platform.python_version(), "system": platform.platform()}
    if (number := jetpack()) is not None:
        system["JetPack"] = str(number)
    engines = [Finding(*row) for row in engine_rows()]
    tools = [_package("torch", "train"), _package("nncf", "export"), _package("onnx", "export")]
    return Diagnosis(system, cpu, engines, tools, [_cameras(), _encoder()], int8_forecast(cpu), bf16_note(cpu))


def int8_forecast(cpu: Cpu) -> str:
    """Say what INT8 brings on a CPU, by its instructions, in honest words."""
    if cpu.isa is None:
        return f"Unknown: this system does not list the CPU's instructions. Measure: {_BENCH}"
    if units := cpu.integer_units:
        verb = "multiplies" if len(units) == 1 else "multiply"
        return (
            f"Expect a gain: {', '.join(units)} {verb} 8-bit integers directly. How much depends on the network, since "
            f"upsampling and ArgMax stay in float. Measure it: {_BENCH}"
        )
    if "AVX2" in cpu.isa:
        return (
            "Expect a model a quarter of the size and no speed: AVX2 without VNNI has no 8-bit dot product "
            "(measured on such a CPU: 62.9 ms INT8 against 67.2 ms fp32). Keep fp32 unless size matters."
        )
    return "Expect no speed: no 8-bit dot product instructions were found. Keep fp32 unless size matters."


def bf16_note(cpu: Cpu) -> str:
    """Say what OpenVINO would do to fp32 models on this CPU unless it is told otherwise."""
    if not cpu.isa or "AMX-BF16" not in cpu.isa:
        return "No AMX-BF16 here: fp32 models run in fp32."
    return (
        "AMX-BF16: OpenVINO runs fp32 models in bfloat16 here unless told otherwise, and masks then differ from the "
        "verified ones. edgeseg asks for f32; `precision='auto'` lets OpenVINO choose."
    )


def _package(name: str, extra: str) -> Finding:
    found = installed_version(name)
    return Finding(name, found, "" if found else install_line(extra))


def _cameras(folder: Path = Path("/dev"), names: Path = Path("/sys/class/video4linux")) -> Finding:
    if sys.platform != "linux":
        return Finding("cameras", None, UNTOLD_CAMERAS)
    found = sorted(folder.glob("video[0-9]*"))
    named = [f"{path} ({_camera_name(names / path.name / 'name')})" for path in found]
    return Finding("cameras", ", ".join(named) or None, "" if named else NO_CAMERA)


def _camera_name(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return "unnamed"


def _encoder() -> Finding:
    import av

    try:
        av.Codec("libx264", "w")
    except ValueError:
        return Finding("H.264 encoder", None, NO_ENCODER.format(reinstall_line("av")))
    return Finding("H.264 encoder", f"libx264 in PyAV {av.__version__}")
