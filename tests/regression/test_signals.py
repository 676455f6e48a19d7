"""A signal after engines have come and gone is handled; OpenVINO on AMX once made it a crash."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

CODE = """
import gc, os, signal, sys
from pathlib import Path
from edgeseg.artifact import Artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.int8_ir_from_ir import int8_ir_from_ir
from edgeseg.graphs.ir_file import read_ir
from edgeseg.runtime.engines.engine import open_engine

demo = Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: print("handled", flush=True))
fp32, int8 = (Artifact.open(demo / f"cells-{p}-openvino") for p in ("fp32", "int8"))
first, second = open_engine(fp32), open_engine(int8)
int8_ir_from_ir(read_ir(fp32.model_path), load_set(demo / "scenes", fp32.spec, 4))
for engine in (first, second):
    engine.close()
    gc.collect()
del first, second, engine
gc.collect()
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_after_engines_were_closed_in_order_is_handled(demo: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CODE, demo], capture_output=True, text=True, check=False)
    assert done.returncode != -signal.SIGSEGV, "the signal stack of a closed engine is still in place"
    assert done.returncode == 0, done.stderr
    assert "handled" in done.stdout
