"""What an engine executed is listed kernel by kernel, and what is left in float says why."""

from __future__ import annotations

import json

import pytest
from linear_model import ArtifactMaker

from edgeseg.cli import main
from edgeseg.runtime.measure.executed import REASONS, UNKNOWN, _judge, execute_layers, find_notes


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_every_kernel_of_a_real_artifact_has_its_share(engine: str, tiny_artifact: ArtifactMaker) -> None:
    layers = execute_layers(tiny_artifact(engine), runs=3)
    assert sum(one.share for one in layers) == pytest.approx(1)
    assert any("Conv" in one.kind for one in layers)
    assert [one.ms for one in layers] == sorted((one.ms for one in layers), reverse=True)
    assert not [one for one in layers if "float" in one.notes], "an fp32 artifact"


def test_the_64_bits_of_onnx_are_named(tiny_artifact: ArtifactMaker) -> None:
    (best,) = [one for one in execute_layers(tiny_artifact("onnx"), runs=3) if one.kind == "ArgMax"]
    assert best.notes == ("64-bit",)


@pytest.mark.parametrize(
    ("kind", "kernel", "notes"),
    [
        ("Slice", "ref_f32", ("reference kernel", "float")),
        ("GroupConvolution", "brgconv_avx512_dw_f32", ("float",)),
        ("GroupConvolution", "brgconv_avx512_dw_I8", ()),
        ("Reorder", "jit_uni_f32", ("float", "reorder")),
        ("QLinearConv", "uint8 to uint8", ()),
        ("Resize", "float to float", ("float",)),
    ],
)
def test_notes_are_read_from_the_kernel(kind: str, kernel: str, notes: tuple[str, ...]) -> None:
    assert find_notes(kind, kernel, True) == notes
    assert _judge("net/x", kind, kernel, 1.0, 0.1, True).why == (REASONS[kind] if notes else "")


def test_a_kernel_that_nobody_knows_says_so() -> None:
    assert _judge("net/x", "Novel", "ref_f32", 1.0, 0.1, True).why == UNKNOWN
    assert _judge("edgeseg/x", "Novel", "ref_f32", 1.0, 0.1, True).why != UNKNOWN


def test_the_command_prints_a_row_a_layer_and_json(tiny_artifact: ArtifactMaker, capsys) -> None:
    path = str(tiny_artifact("openvino").path)
    assert main(["inspect", path, "--times"]) == 0
    assert "Convolution" in capsys.readouterr().out
    assert main(["inspect", path, "--times", "--json"]) == 0
    assert all(row["ms"] > 0 for row in json.loads(capsys.readouterr().out)["times"])


def test_a_file_that_no_engine_runs_is_refused(tmp_path, capsys) -> None:
    (tmp_path / "best.pt").write_bytes(b"x")
    assert main(["inspect", str(tmp_path / "best.pt"), "--times"]) == 2
    assert "--times are of an artifact" in capsys.readouterr().err
