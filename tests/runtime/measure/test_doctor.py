"""The doctor says what is there, how to get what is not, and what INT8 will honestly bring."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edgeseg.cli import main
from edgeseg.console.installation import install_line
from edgeseg.errors import EdgesegError, EngineError, MissingExtra
from edgeseg.runtime.measure.doctor import _cameras, bf16_note, diagnose, int8_forecast
from edgeseg.runtime.system.machine import Cpu, this_cpu
from edgeseg.runtime.trt.cuda import Cuda, Gpu
from edgeseg.runtime.trt.diagnosis import tensorrt_rows
from edgeseg.runtime.trt.versions import RTX_FEATURES, Library

X86 = "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nflags\t\t: fpu sse avx2 {}\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp {}\nCPU part\t: 0xd0b\n"


def cpu_of(tmp_path: Path, text: str) -> Cpu:
    (tmp_path / "cpuinfo").write_text(text)
    return this_cpu(tmp_path / "cpuinfo")


class TestCpu:
    @pytest.mark.parametrize(
        ("flags", "units"),
        [
            ("", ()),
            ("avx_vnni", ("AVX-VNNI",)),
            ("avx512f avx512_vnni", ("AVX512-VNNI",)),
            ("avx512f avx512_vnni amx_int8 amx_bf16", ("AMX-INT8", "AVX512-VNNI")),
        ],
    )
    def test_x86_instructions(self, tmp_path: Path, flags: str, units: tuple[str, ...]) -> None:
        cpu = cpu_of(tmp_path, X86.format(flags))
        assert cpu.name == "Some CPU @ 3 GHz"
        assert cpu.integer_units == units

    @pytest.mark.parametrize(("flags", "units"), [("", ("DOTPROD",)), ("i8mm", ("I8MM", "DOTPROD"))])
    def test_arm_instructions(self, tmp_path: Path, flags: str, units: tuple[str, ...]) -> None:
        assert cpu_of(tmp_path, ARM.format(flags)).integer_units == units

    def test_a_system_that_tells_nothing(self, tmp_path: Path) -> None:
        cpu = this_cpu(tmp_path / "nowhere")
        assert cpu.isa is None
        assert cpu.cores >= 1
        assert int8_forecast(cpu).startswith("Unknown")


class TestForecast:
    def test_no_gain_is_promised_without_integer_units(self) -> None:
        told = int8_forecast(Cpu("old", 2, ("AVX2",)))
        assert "no speed" in told
        assert "62.9 ms INT8 against 67.2 ms fp32" in told

    def test_a_gain_is_expected_with_vnni(self) -> None:
        told = int8_forecast(Cpu("new", 2, ("AVX2", "AVX-VNNI")))
        assert told.startswith("Expect a gain: AVX-VNNI multiplies")
        assert "upsampling and ArgMax stay in float" in told
        assert "AMX-INT8, AVX512-VNNI multiply" in int8_forecast(Cpu("newer", 2, ("AVX512-VNNI", "AMX-INT8")))

    def test_bfloat16_is_mentioned_only_where_openvino_would_use_it(self) -> None:
        assert "bfloat16 here unless told otherwise" in bf16_note(Cpu("new", 2, ("AMX-BF16",)))
        assert "in fp32" in bf16_note(Cpu("old", 2, ("AVX2",)))


def test_engines_here_are_found_with_versions_and_devices() -> None:
    found = {finding.name: finding.found for finding in diagnose().engines}
    assert "providers" in str(found["ONNX Runtime"])
    assert "devices CPU" in str(found["OpenVINO"])


def missing(kind: type[EdgesegError], sentence: str) -> Callable[..., Any]:
    def find(*_: object) -> Any:
        raise kind(sentence)

    return find


class TestTensorRt:
    GPU = Gpu(0, "Orin", "8.7", "12.6", 7620, True)

    def rows(self, *installed: str, gpu: bool = True) -> dict[str, tuple[str | None, str]]:
        def library(name: str) -> Library:
            if name not in installed:
                raise MissingExtra(f"{name} is not installed. Install it with: pip install {name}.")
            return Library(None, name, "10.3.0", RTX_FEATURES)

        cuda = SimpleNamespace(gpu=lambda: self.GPU if gpu else missing(EngineError, "No driver. Install one.")())
        return {name: (found, hint) for name, found, hint in tensorrt_rows(library, lambda: cast(Cuda, cuda))}

    def test_all_is_there(self) -> None:
        told = "10.3.0, Orin (SM 8.7, 7620 MB shared with the CPU), driver for CUDA 12.6"
        assert self.rows("tensorrt") == {"TensorRT": (told, "")}

    def test_everything_that_is_missing_is_said_at_once(self) -> None:
        found, hint = self.rows(gpu=False)["TensorRT"]
        assert found is None
        assert hint == "tensorrt is not installed. Install it with: pip install tensorrt. No driver. Install one."

    def test_only_the_library_is_missing(self) -> None:
        assert self.rows()["TensorRT"] == (None, "tensorrt is not installed. Install it with: pip install tensorrt.")

    def test_rtx_without_a_gpu_can_build(self) -> None:
        rows = self.rows("tensorrt_rtx", gpu=False)
        assert rows["TensorRT-RTX"] == (None, "it can build engines here, but not run them: No driver. Install one.")

    def test_missing_bindings_are_said(self) -> None:
        rows = tensorrt_rows(missing(MissingExtra, "no library."), missing(MissingExtra, "no cuda-bindings."))
        assert rows == [("TensorRT", None, "no library. no cuda-bindings.")]

    def test_it_is_told_on_this_machine(self) -> None:
        told = {finding.name: finding for finding in diagnose().engines}
        assert bool(told["TensorRT"].found) is not bool(told["TensorRT"].hint)


def test_a_jetson_is_called_by_its_jetpack(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "JetPack" not in diagnose().system or Path("/etc/nv_tegra_release").exists()
    monkeypatch.setattr("edgeseg.runtime.measure.doctor.jetpack", lambda: 6)
    assert diagnose().system["JetPack"] == "6"


def test_cameras_are_named(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    assert "no /dev/video" in _cameras(tmp_path / "dev", tmp_path / "sys").hint
    (tmp_path / "dev/video0").touch()
    (tmp_path / "sys/video0").mkdir(parents=True)
    (tmp_path / "sys/video0/name").write_text("HD Webcam\n")
    assert _cameras(tmp_path / "dev", tmp_path / "sys").found == f"{tmp_path}/dev/video0 (HD Webcam)"


def test_the_verb_prints_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["can_run"] is True
    assert main(["doctor"]) == 0
    assert told["int8"] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("blocked", "code"), [(("openvino",), 0), (("onnxruntime",), 0), (("openvino", "onnxruntime"), 3)]
)
def test_what_is_missing_comes_with_its_pip_line(blocked: tuple[str, ...], code: int) -> None:
    program = f"import sys\nfor name in {blocked!r}: sys.modules[name] = None\n"
    program += "from edgeseg.cli import main\nsys.exit(main(['doctor']))"
    told = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == code, told.stderr
    for name in blocked:
        assert f"missing: {install_line(name)}\n" in told.stdout
    assert ("No engine works here" in told.stdout) is (code == 3)


def test_the_doctor_needs_no_training_packages() -> None:
    program = "import sys\nfor name in ('torch', 'onnx', 'nncf', 'matplotlib'): sys.modules[name] = None\n"
    program += "from edgeseg.cli import main\nsys.exit(main(['doctor']))"
    told = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 0, told.stderr
