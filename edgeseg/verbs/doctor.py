"""``edgeseg doctor``: engines, devices and what INT8 will bring on this machine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeseg.console.installation import install_line
from edgeseg.console.terminal import say_lines
from edgeseg.console.wording import reword, reword_values

if TYPE_CHECKING:
    from edgeseg.runtime.measure.doctor import Diagnosis, Finding

NO_ENGINE = 3

EXAMPLES = (
    "edgeseg doctor",
    "edgeseg doctor --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg doctor``."""
    parser.add_argument_group("output").add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when at least one engine works, else 3."""
    from edgeseg.runtime.measure.doctor import diagnose

    diagnosis = diagnose()
    say_lines(json.dumps(reword_values(diagnosis.to_dict()), indent=2) if args.json else reword(_text(diagnosis)))
    return 0 if diagnosis.can_run else NO_ENGINE


def _text(diagnosis: Diagnosis) -> str:
    cpu = diagnosis.cpu
    isa = "not told by this system" if cpu.isa is None else ", ".join(cpu.isa) or "none of those that matter"
    lines = [f"{name:<14}{value}" for name, value in diagnosis.system.items()]
    lines += [f"{'CPU':<14}{cpu.name}, {cpu.cores} usable cores", f"{'instructions':<14}{isa}"]
    lines += ["", "engines", *_rows(diagnosis.engines)]
    lines += ["", "for training and export", *_rows(diagnosis.tools)]
    lines += ["", "devices", *_rows(diagnosis.devices)]
    lines += ["", f"INT8 here     {diagnosis.int8}", f"bfloat16      {diagnosis.bf16}"]
    if not diagnosis.can_run:
        lines += ["", f"No engine works here. Install one: {install_line('openvino')}"]
    return "\n".join(lines)


def _rows(findings: Sequence[Finding]) -> list[str]:
    return [f"  {f.name:<14}{f.found or f'missing: {f.hint}'}" for f in findings]
