"""The doctor says what is there, how to get what is not, and what INT8 will honestly bring."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg.cli import main
from edgeseg.runtime.doctor import _cameras, bf16_note, diagnose, int8_forecast
from edgeseg.runtime.machine import Cpu, this_cpu

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
        assert f'missing: pip install "edgeseg[{name}]"' in told.stdout
    assert ("No engine works here" in told.stdout) is (code == 3)


def test_the_doctor_needs_no_training_packages() -> None:
    program = "import sys\nfor name in ('torch', 'onnx', 'nncf', 'matplotlib'): sys.modules[name] = None\n"
    program += "from edgeseg.cli import main\nsys.exit(main(['doctor']))"
    told = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 0, told.stderr
