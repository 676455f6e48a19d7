"""``ONEDNN_MAX_CPU_ISA`` is obeyed by OpenVINO's convolutions: what ``make isa`` and the canaries rest on.

Each process asks the executed graph which kernels it runs; they carry the instruction set in their names. Kernels of
OpenVINO's own (TopK, reductions) obey no limit in 2026.4.1; they compute in float.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from linear_model import ArtifactMaker

from edgeseg.runtime.system.machine import this_cpu

pytestmark = pytest.mark.isa

_KERNELS = """
import json, sys
from edgeseg.artifact import Artifact
from edgeseg.runtime.measure.layer_precision import executed_layers
print(json.dumps([one.kernel for one in executed_layers(Artifact.open(sys.argv[1])) if one.kind == "Convolution"]))
"""


def list_kernels(isa: str, artifact: str) -> list[str]:
    """List the kernels that the convolutions run in."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa}
    command = [sys.executable, "-c", _KERNELS, artifact]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=120)
    return list(json.loads(done.stdout))


def test_a_cap_at_avx2_leaves_no_kernel_of_avx512(tiny_artifact: ArtifactMaker) -> None:
    if "AVX2" not in (this_cpu().isa or ()):
        pytest.skip("this CPU has no AVX2")
    found = list_kernels("AVX2", str(tiny_artifact("openvino").path))
    assert found
    assert all("avx2" in kernel for kernel in found), found


def test_a_cap_at_avx512_uses_it_where_the_processor_has_it(tiny_artifact: ArtifactMaker) -> None:
    if "AVX512" not in (this_cpu().isa or ()):
        pytest.skip("this CPU has no AVX-512")
    found = list_kernels("AVX512_CORE", str(tiny_artifact("openvino").path))
    assert found
    assert all("avx512" in kernel and "amx" not in kernel for kernel in found), found
