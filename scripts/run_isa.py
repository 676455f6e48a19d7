"""Run the tests that depend on the processor (marked ``isa``) at each instruction set that this CPU can imitate.

oneDNN, so convolutions of OpenVINO and torch, uses nothing above ``ONEDNN_MAX_CPU_ISA``. ONNX Runtime asks the
processor itself and has no such limit: it computes natively in every round. What it does elsewhere takes another
machine, or an emulator.

::

    run_isa.py [what pytest takes: paths, -k, -x ...]

The exit code is 0 when everything passed at each.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from run_tests import NOTHING_COLLECTED, Outcome, run_round

NATIVE = "native"
NEEDED_FLAG = {"AVX2": "avx2", "AVX512_CORE": "avx512bw", "AVX512_CORE_VNNI": "avx512_vnni"}
"""What ``/proc/cpuinfo`` must list for a value of ``ONEDNN_MAX_CPU_ISA`` to change anything but the name."""


def list_imitable(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """List the instruction sets that this CPU has, lowest first; none where the system does not tell."""
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    flags = next((line.split(":", 1)[1].split() for line in text.splitlines() if line.startswith("flags")), [])
    return [isa for isa, flag in NEEDED_FLAG.items() if flag in flags]


def main() -> int:
    outcomes = {}
    for isa in [*list_imitable(), NATIVE]:
        print(f"--- {isa}", flush=True)
        with tempfile.TemporaryDirectory(prefix="edgeseg-isa-") as folder:
            record = Path(folder, "record.xml")
            environment = {} if isa == NATIVE else {"ONEDNN_MAX_CPU_ISA": isa}
            code, seconds = run_round(["-m", "isa", "--timeout", "1800", *sys.argv[1:]], record, environment)
            outcomes[isa] = Outcome()
            outcomes[isa].add_round("isa", code, seconds, record)
    for isa, outcome in outcomes.items():
        print(f"--- {isa}: {outcome.summarize()}")
    return max((outcome.code for outcome in outcomes.values()), key=lambda code: code % NOTHING_COLLECTED)


if __name__ == "__main__":
    sys.exit(main())
