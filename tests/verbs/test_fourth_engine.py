"""An engine from outside the package: the one that docs/engines.md shows, through every verb and contract."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_contract import EngineContract
from fitted import SPEC
from fourth_engine import install_page
from linear_model import weights
from planted import ChainNet, chain_net, with_outlier
from quantizer_contract import EncodingContract

from edgeseg.artifact import Artifact, artifact_dir, writing_artifact
from edgeseg.cli import main
from edgeseg.errors import ArtifactError, UserError
from edgeseg.export.build import converted_artifact, onnx_artifact
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.export.source.own_source import torch_forward
from edgeseg.export.source.source_net import SourceNet
from edgeseg.formats import find_format
from edgeseg.image import read_mask
from edgeseg.proof.publishing import ExportResult, OutputOptions
from edgeseg.proof.samples import samples_from
from edgeseg.runtime.engines.engine import EngineOptions, open_engine
from edgeseg.spec import ModelSpec

pytestmark = pytest.mark.long

CHANNELS = 12
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = install_page(tmp_path_factory.mktemp("site"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder
    sys.modules.pop("tiny_engine", None)


@pytest.fixture(scope="module")
def floats(site: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """fp32 artifacts of a fitted chain of convolutions."""
    return float_artifacts(chain_net(width=CHANNELS, clips=False), tmp_path_factory.mktemp("floats"), data)


def float_artifacts(net: ChainNet, folder: Path, data: Path) -> dict[str, Artifact]:
    source = SourceNet("chain", SPEC, onnx_from_checkpoint(net, SPEC), torch_forward(net), "torch", {})
    place, samples = OutputOptions(folder, "chain"), samples_from(data, SPEC)
    first = onnx_artifact(source, place, ["labels", "confidence"], samples)
    second = converted_artifact(source, first.artifact, place, samples, find_format("tiny"))
    return {"onnx": first.artifact, "tiny": second.artifact}


class TestEngine(EngineContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def open(self, spec: ModelSpec, confidence: bool = True, slots: int = 1) -> Any:
        return open_engine(linear_artifact(self.folder, spec, confidence), slots=slots)


def linear_artifact(folder: Path, spec: ModelSpec, confidence: bool = True, engine: str = "") -> Artifact:
    """The network of linear_model in the format of the page."""
    import tiny_engine

    weight, bias = weights(spec)
    layer = tiny_engine.Layer("net/conv", weight[..., None, None], bias, 0, False, np.zeros(0, np.float32))
    outputs = ["labels", "confidence"] if confidence else ["labels"]
    manifest = {"name": "tiny", "precision": "fp32", "format": "tiny", "outputs": outputs, "spec": spec}
    with writing_artifact(artifact_dir(folder, "tiny", "fp32", "tiny"), manifest) as staged:
        tiny_engine.save_layers([layer], staged, engine)
    return Artifact.open(artifact_dir(folder, "tiny", "fp32", "tiny"))


class TestQuantizer(EncodingContract):
    format = "tiny"

    @pytest.fixture(scope="class")
    @classmethod
    def parent(cls, floats: dict[str, Artifact]) -> Artifact:
        return floats["tiny"]

    def layer(self, folder: Path, name: str) -> Any:
        import tiny_engine

        return next(one for one in tiny_engine.load_layers(folder / "model.npz")[0] if one.name == name)

    def is_float(self, folder: Path, layer: str) -> bool:
        return self.layer(folder, layer).weight.dtype == np.float32

    def engine_tag(self, folder: Path) -> str:
        import tiny_engine

        return str(tiny_engine.load_layers(folder / "model.npz")[1])

    def _channels_in(self, parent: Artifact, layer: str) -> int:
        return int(self.layer(parent.path, layer).weight.shape[1])

    def with_weight(self, parent: Artifact, place: Path, value: float, layer: int) -> Artifact:
        import tiny_engine

        place.mkdir()
        layers, _ = tiny_engine.load_layers(parent.model_path)
        layers[layer].weight.flat[0] = value
        tiny_engine.save_layers(layers, place)
        return dataclasses.replace(parent, path=place)


class TestFiles:
    def test_a_file_quantised_for_another_engine_is_refused(self, tmp_path: Path, tiny_spec: ModelSpec) -> None:
        with pytest.raises(ArtifactError, match="was quantised for abacus and is not run by tiny"):
            open_engine(linear_artifact(tmp_path, tiny_spec, engine="abacus"))

    def test_a_device_that_is_not_there_is_named(self, tmp_path: Path, tiny_spec: ModelSpec) -> None:
        with pytest.raises(UserError, match="'TOASTER'"):
            open_engine(linear_artifact(tmp_path, tiny_spec), device="TOASTER")

    def test_a_network_that_it_cannot_hold_is_refused(self, built: tuple[ExportResult, ...], tmp_path: Path) -> None:
        """The fitted network has a stride and a branch."""
        path = built[0].artifact.model_path
        with pytest.raises(ArtifactError, match=r"Tiny has no Conv as in net/\S+\. Export this network for another"):
            find_format("tiny").load("convert")(path, tmp_path, SPEC, ["labels"])
        assert list(tmp_path.iterdir()) == []

    def test_it_is_no_artifact_of_the_other_engines(self, floats: dict[str, Artifact]) -> None:
        engine = find_format("openvino").load("engine")
        with pytest.raises(ArtifactError, match=r"made for tiny .fp32. and is not run as openvino"):
            engine(floats["tiny"], EngineOptions())


@pytest.fixture(scope="module")
def exported(floats: dict[str, Artifact], data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``edgeseg export --format tiny --int8`` leaves."""
    out = tmp_path_factory.mktemp("exported")
    words = ["--format", "tiny", "--int8", "--data", str(data), "-n", "8", "--out", str(out)]
    assert main(["export", str(floats["onnx"].path), *words]) == 0
    return out


class TestVerbs:
    def test_export_proves_what_it_made(self, exported: Path) -> None:
        int8 = Artifact.open(exported / "chain-int8-tiny")
        assert set(int8.files) == {"model.npz", "report.html", "report.json", "images.json", "masks.zip"}
        assert int8.measured["agreement"] > 0.98
        assert int8.measured["speed"]["int8_p50_ms"] > 0
        assert int8.toolchain["tiny-engine"] == "1.0"
        report = json.loads((int8.path / "report.json").read_text())
        assert report["verdict"]["engine"] == "Tiny"
        assert report["verdict"]["passed"] is True

    def test_calibrate_takes_its_float_artifact(self, exported: Path, data: Path, tmp_path: Path) -> None:
        words = ["--data", str(data), "-n", "8", "--out", str(tmp_path)]
        assert main(["calibrate", str(exported / "chain-fp32-tiny"), *words]) == 0
        again = Artifact.open(tmp_path / "chain-int8-tiny").files["model.npz"]
        assert again == Artifact.open(exported / "chain-int8-tiny").files["model.npz"]

    def test_a_search_gives_layers_back_to_float(self, data: Path, tmp_path: Path) -> None:
        """One channel is a hundred times larger than the others, which eight bits cannot hold."""
        parent = float_artifacts(with_outlier(chain_net(width=CHANNELS, clips=False)), tmp_path, data)["tiny"]
        words = ["calibrate", str(parent.path), "--data", str(data), "-n", "8", "--max-class-drop", "5"]
        assert main([*words, "--no-search"]) == 1
        assert main(words) == 0
        found = Artifact.open(tmp_path / "chain-int8-tiny")
        assert found.measured["drop_points"] <= 0.5
        assert found.calibration["keep_float"]
        assert found.measured["ladder"]

    @pytest.mark.parametrize("words", [["--method", "entropy"], ["--keep-float", "conv9"]])
    def test_what_its_quantizer_lacks_is_refused(
        self, words: list[str], exported: Path, data: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        given = ["calibrate", str(exported / "chain-fp32-tiny"), "--data", str(data), "--out", str(tmp_path), *words]
        assert main(given) == 2
        assert words[1] in capsys.readouterr().err

    def test_verify_compares_it(self, exported: Path, data: Path, capsys: Captured) -> None:
        paths = [str(exported / f"chain-{name}") for name in ("fp32-onnx", "fp32-tiny", "int8-tiny")]
        assert main(["verify", *paths, "--data", str(data), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["stages"]
        stages = {name: stage["agreement"] for name, stage in found.items()}
        assert set(stages) == {"onnx fp32", "tiny fp32", "tiny int8"}
        assert stages["tiny fp32"] > 0.9999
        assert stages["tiny int8"] > 0.98

    def test_a_trace_says_that_it_shows_no_layers(self, exported: Path, data: Path, capsys: Captured) -> None:
        paths = [str(exported / f"chain-{name}") for name in ("fp32-onnx", "int8-tiny")]
        assert main(["verify", *paths, "--data", str(data), "--trace"]) == 2
        assert "no engine 'tiny' to trace in; there is onnx, openvino, tensorrt" in capsys.readouterr().err

    def test_evaluate_scores_it(self, exported: Path, data: Path, capsys: Captured) -> None:
        assert main(["evaluate", str(exported / "chain-int8-tiny"), "--data", str(data), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["mean_iou"] == pytest.approx(Artifact.open(exported / "chain-int8-tiny").measured["iou"]["int8"])

    def test_bench_times_it(self, exported: Path, capsys: Captured) -> None:
        int8, fp32 = (str(exported / f"chain-{name}-tiny") for name in ("int8", "fp32"))
        assert main(["bench", int8, "--seconds", "0.2", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["throughput_fps"] > 0
        assert main(["bench", int8, "--against", fp32, "--seconds", "0.2", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["ratio"] > 0

    def test_check_runs_it(self, exported: Path) -> None:
        assert main(["check", str(exported / "chain-int8-tiny")]) == 0

    def test_inspect_says_what_it_does_not_tell(self, exported: Path, capsys: Captured) -> None:
        assert main(["inspect", str(exported / "chain-int8-tiny"), "--layers", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["layers"] == {"executed": "the engine does not tell; the file's precision is int8"}

    def test_doctor_lists_it(self, capsys: Captured) -> None:
        assert main(["doctor", "--json"]) == 0
        rows = {row["name"]: row["found"] for row in json.loads(capsys.readouterr().out)["engines"]}
        assert rows["Tiny"] == "tiny-engine 1.0"

    def test_run_segments_with_it_as_a_user_starts_it(
        self, exported: Path, data: Path, site: Path, tmp_path: Path
    ) -> None:
        artifact, images = exported / "chain-int8-tiny", data / "images" / "val"
        words = ["run", artifact, "--source", images, "--save-masks", tmp_path / "masks", "--slots", "2"]
        environment = {**os.environ, "PYTHONPATH": str(site)}
        told = subprocess.run(
            [sys.executable, "-m", "edgeseg", *words], env=environment, capture_output=True, text=True, check=False
        )
        assert told.returncode == 0, told.stderr
        masks = {path.stem: read_mask(path) for path in (tmp_path / "masks").rglob("*.png")}
        assert len(masks) == len(list(images.iterdir()))
        truth = {path.stem: read_mask(path) for path in (data / "masks" / "val").iterdir()}
        assert np.mean([np.mean(masks[name] == truth[name]) for name in truth]) > 0.9

    def test_prefer_times_it_beside_the_others(
        self, floats: dict[str, Artifact], data: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        words = ["--prefer", "size", "--data", str(data), "-n", "8", "--out", str(tmp_path), "--json"]
        assert main(["export", str(floats["onnx"].path), *words]) == 0
        candidates = json.loads(capsys.readouterr().out)["preferred"]["candidates"]
        assert {one["name"] for one in candidates if not one["out"]} >= {"fp32 tiny", "int8 tiny", "fp32 onnx"}

    def test_without_the_package_its_artifacts_are_a_sentence(self, exported: Path) -> None:
        words = [sys.executable, "-m", "edgeseg", "bench", exported / "chain-int8-tiny"]
        told = subprocess.run(words, capture_output=True, text=True, check=False)
        assert told.returncode == 2
        assert "No engine runs 'tiny' artifacts; known formats are onnx, openvino, tensorrt." in told.stderr
