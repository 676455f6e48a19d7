"""The names that the runtime calls, looked up in NVIDIA's own bindings of the versions that Jetsons have.

TensorRT's lean runtime is on the package index, with the bindings of the full one, for every version. Its wheels are
downloaded and read, not installed. On demand only:  EDGESEG_ASK_INDEX=1 pytest tests/runtime/trt/test_wheels.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from gpu_double import ContextDouble, EngineDouble, RuntimeDouble

from edgeseg.runtime.trt.versions import OBEY, find_features

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("EDGESEG_ASK_INDEX"), reason="asks the package index; set EDGESEG_ASK_INDEX=1"
    ),
]
WHEELS = {
    "8.6.1": ("tensorrt_lean_bindings", "3.10"),
    "10.3.0": ("tensorrt_lean_cu12_bindings", "3.10"),
    "10.16.1.11": ("tensorrt_lean_cu12_bindings", "3.12"),
    "11.4.0.106": ("tensorrt_lean_cu12_bindings", "3.12"),
}
CALLED = sorted({n for double in (ContextDouble, EngineDouble, RuntimeDouble) for n in vars(double) if n[0] != "_"})


@pytest.fixture(scope="module", params=WHEELS)
def names(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, set[str]]:
    """A version, and every name that its compiled bindings contain."""
    package, python = WHEELS[request.param]
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", python, "--dest", str(folder), f"{package}=={request.param}"]
    command += [f"--platform=manylinux_2_{minor}_x86_64" for minor in (17, 28)]
    subprocess.run(command, check=True, timeout=280, capture_output=True)
    (wheel,) = Path(folder).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (library,) = [name for name in archive.namelist() if name.endswith(".so")]
        found = re.findall(rb"(?<=\0)[A-Za-z_]\w{3,}(?=\0)", archive.read(library))
    return request.param, {name.decode() for name in found}


def test_every_call_of_the_runtime_is_there(names: tuple[str, set[str]]) -> None:
    version, found = names
    assert not {"set_tensor_address", "execute_async_v3"} - set(CALLED)
    assert not set(CALLED) - found, version


def test_the_flags_of_the_table_are_there(names: tuple[str, set[str]]) -> None:
    version, found = names
    flags = {flag for kept in find_features(version).precision_flags.values() for flag in kept}
    assert all(any(name.endswith(flag) for name in found) for flag in flags), "linkers let INT8 be the end of UINT8"
    assert (OBEY in found) is (version < "11" or version.startswith("8"))
    assert {"VERSION_COMPATIBLE", "GPU_FALLBACK", "AMPERE_PLUS", "WORKSPACE"} <= found
