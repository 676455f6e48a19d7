"""Inspect shows what is inside, and executes nothing of it."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
from linear_model import ArtifactMaker

from edgeseg.cli import main
from edgeseg.runtime.measure.layer_precision import Layer, executed_layers, headline, summary
from edgeseg.spec import ModelSpec

Captured = pytest.CaptureFixture[str]


def told_json(path: Path, capsys: Captured, *flags: str) -> dict[str, object]:
    assert main(["inspect", str(path), "--json", *flags]) == 0
    values: dict[str, object] = json.loads(capsys.readouterr().out)
    return values


class TestArtifact:
    @pytest.mark.parametrize("model_format", ["onnx", "openvino"])
    def test_spec_outputs_and_digests(self, tiny_artifact: ArtifactMaker, capsys: Captured, model_format: str) -> None:
        artifact = tiny_artifact(model_format)
        values = told_json(artifact.path, capsys)
        assert ModelSpec.from_dict(values["spec"]) == artifact.spec  # type: ignore[arg-type]
        assert values["files"] == dict(artifact.files)
        assert values["outputs"] == ["labels", "confidence"]
        assert values["precision"] == "fp32"

    def test_a_float_network_runs_no_layer_in_int8(self, tiny_artifact: ArtifactMaker, capsys: Captured) -> None:
        values = told_json(tiny_artifact("openvino").path, capsys, "--layers")
        layers = values["layers"]
        assert isinstance(layers, dict)
        assert layers["executed"] == "0 of 1 convolutions and matrix products run in INT8 on this CPU"
        assert any(line.startswith("Convolution  f32") for line in layers["each"].values())

    def test_a_tampered_artifact_is_an_error_that_names_the_file(
        self, tiny_artifact: ArtifactMaker, tmp_path: Path, capsys: Captured
    ) -> None:
        shutil.copytree(tiny_artifact("openvino").path, tmp_path / "copy")
        (tmp_path / "copy/model.xml").write_text("<net/>")
        assert main(["inspect", str(tmp_path / "copy")]) == 2
        assert "model.xml was changed" in capsys.readouterr().err

    def test_people_get_lines(self, tiny_artifact: ArtifactMaker, capsys: Captured) -> None:
        assert main(["inspect", str(tiny_artifact("onnx").path)]) == 0
        told = capsys.readouterr().out
        assert "  classes       sky, road, tree\n" in told
        assert "every file has the digest that was written" in told


class TestLayers:
    LAYERS = (
        Layer("a", "Convolution", "u8", "amx"),
        Layer("b", "Convolution", "f32", "avx"),
        Layer("c", "Interpolate", "f32", "avx"),
    )

    def test_the_headline_counts_where_the_time_goes(self) -> None:
        assert headline(self.LAYERS) == "1 of 2 convolutions and matrix products run in INT8 on this CPU"

    def test_the_summary_counts_by_kind(self) -> None:
        assert summary(self.LAYERS) == {"Convolution": {"f32": 1, "u8": 1}, "Interpolate": {"f32": 1}}

    def test_constants_and_moves_are_no_layers(self, tiny_artifact: ArtifactMaker) -> None:
        kinds = {layer.kind for layer in executed_layers(tiny_artifact("openvino"))}
        assert "Convolution" in kinds
        assert not kinds & {"Const", "Input", "Output", "Reorder"}


class TestOtherFiles:
    def test_an_onnx_file_without_a_spec(self, tiny_artifact: ArtifactMaker, tmp_path: Path, capsys: Captured) -> None:
        bare = shutil.copy(tiny_artifact("onnx").model_path, tmp_path / "bare.onnx")
        values = told_json(Path(bare), capsys)
        assert values["opset"] == {"ai.onnx": 17}
        assert values["inputs"] == {"image": "uint8 [1, 24, 32, 3]"}
        assert "edgeseg export " in str(values["spec"])

    def test_a_third_partys_onnx_file(self, data_dir: Path, capsys: Captured) -> None:
        values = told_json(data_dir / "models/sinet_320.onnx", capsys)
        assert values["inputs"] == {"data": "float [1, 3, 320, 320]"}

    @pytest.mark.parametrize("name", ["empty.onnx", "truncated_half.onnx"])
    def test_a_broken_onnx_file_is_one_sentence(self, sample_data: Path, capsys: Captured, name: str) -> None:
        assert main(["inspect", str(sample_data / "malformed/onnx" / name)]) == 2
        assert capsys.readouterr().err.count("\n") == 1

    def test_a_pickle_is_never_executed(self, tmp_path: Path, capsys: Captured) -> None:
        bomb, mark = tmp_path / "bomb.pt", tmp_path / "executed"
        bomb.write_bytes(pickle.dumps(_Bomb(mark)))
        assert main(["inspect", str(bomb)]) == 2
        assert not mark.exists()
        assert capsys.readouterr().err.startswith("edgeseg inspect: ")

    def test_something_else_says_what_is_taken(self, tmp_path: Path, capsys: Captured) -> None:
        (tmp_path / "notes.txt").write_text("hello")
        assert main(["inspect", str(tmp_path / "notes.txt")]) == 2
        assert "is no model that" in capsys.readouterr().err
        assert main(["inspect", str(tmp_path / "gone")]) == 2
        assert "There is no" in capsys.readouterr().err


class _Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)
