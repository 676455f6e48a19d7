from __future__ import annotations

import dataclasses
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from engine_contract import EngineContract, picture
from fake_engine import FakeEngine
from linear_model import ArtifactMaker

from edgeseg.artifact import Artifact
from edgeseg.errors import ArtifactError, EngineError, UserError
from edgeseg.image import fit
from edgeseg.runtime.engines.engine import Engine, EngineOptions, open_engine
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.runtime.engines.openvino_engine import OpenVinoEngine, default_cache_dir
from edgeseg.runtime.engines.ort_engine import OrtEngine
from edgeseg.spec import ModelSpec

pytestmark = pytest.mark.isa


class TestFakeEngine(EngineContract):
    def open(self, spec: ModelSpec, confidence: bool = True, slots: int = 1) -> Engine:
        return FakeEngine(spec, confidence)


class RealEngineContract(EngineContract):
    """Adds what holds for engines that read files."""

    format: str
    other_format: str
    engine: Callable[[Artifact, EngineOptions], Engine]

    @pytest.fixture(autouse=True)
    def _artifacts(self, tiny_artifact: ArtifactMaker) -> None:
        self.artifact = tiny_artifact

    def open(self, spec: ModelSpec, confidence: bool = True, slots: int = 1) -> Engine:
        return open_engine(self.artifact(self.format, spec, confidence), slots=slots)

    def assert_answers(self, engine: Engine, spec: ModelSpec) -> None:
        slot = engine.open_slot()
        fit(picture(0), spec, out=slot.input)
        self._assert_answers(slot.run(), slot.input, spec)

    def test_the_format_chooses_the_engine(self, tiny_spec: ModelSpec) -> None:
        assert isinstance(self.open(tiny_spec), type(self).engine)  # type: ignore[arg-type]

    @pytest.mark.parametrize("precision", ["fp32", "int8"])
    def test_a_file_made_for_another_engine_is_refused(self, precision: str) -> None:
        foreign = dataclasses.replace(self.artifact(self.other_format), precision=precision)
        with pytest.raises(ArtifactError, match=f"made for {self.other_format} .{precision}."):
            type(self).engine(foreign, EngineOptions())

    @pytest.mark.parametrize("engine", ["tensorrt", "abacus"])
    def test_a_file_that_says_it_is_for_another_engine_is_refused(self, engine: str, tmp_path: Path) -> None:
        """Whatever its manifest says: somebody may have moved the file."""
        moved = dataclasses.replace(self.artifact(self.format), path=tmp_path)
        tag(self.artifact(self.format).model_path, tmp_path, engine)
        with pytest.raises(ArtifactError, match=f"was quantised for {engine} and is not run by"):
            open_engine(moved, cache_dir=tmp_path / "cache")

    def test_a_file_that_says_it_is_for_this_engine_runs(self, tmp_path: Path, tiny_spec: ModelSpec) -> None:
        moved = dataclasses.replace(self.artifact(self.format), path=tmp_path)
        tag(self.artifact(self.format).model_path, tmp_path, {"onnx": "onnxruntime"}.get(self.format, self.format))
        self.assert_answers(open_engine(moved, cache_dir=tmp_path / "cache"), tiny_spec)

    def test_a_device_that_is_not_there_is_named(self) -> None:
        with pytest.raises(UserError, match="'TOASTER'"):
            open_engine(self.artifact(self.format), device="TOASTER")

    def test_a_graph_that_contradicts_its_spec_is_refused(self, tiny_spec: ModelSpec) -> None:
        wrong = dataclasses.replace(self.artifact(self.format), spec=tiny_spec.replace(width=40))
        with pytest.raises(ArtifactError, match=r"uint8 \(1, 24, 40, 3\).*found uint8 \(1, 24, 32, 3\)"):
            open_engine(wrong)

    def test_a_model_that_is_no_model_is_an_engine_error(self, tmp_path: Path) -> None:
        whole = self.artifact(self.format)
        (tmp_path / whole.model_path.name).write_bytes(whole.model_path.read_bytes()[:200])
        with pytest.raises(EngineError, match=r"cannot (load|compile)"):
            open_engine(dataclasses.replace(whole, path=tmp_path))


class TestOrtEngine(RealEngineContract):
    format, other_format, engine = "onnx", "openvino", OrtEngine


class TestOpenVinoEngine(RealEngineContract):
    format, other_format, engine = "openvino", "onnx", OpenVinoEngine

    def test_float_layers_are_not_computed_in_bfloat16(self, tiny_spec: ModelSpec) -> None:
        engine = self.open(tiny_spec)
        assert isinstance(engine, OpenVinoEngine)
        assert engine._model.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"

    def test_the_cache_belongs_to_the_user_alone(self, tmp_path: Path) -> None:
        open_engine(self.artifact("openvino"), cache_dir=tmp_path / "cache")
        folders = [tmp_path / "cache", *(tmp_path / "cache").iterdir()]
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
        assert list((tmp_path / "cache").rglob("*.blob"))

    def test_a_damaged_cache_is_made_again(self, tmp_path: Path, tiny_spec: ModelSpec) -> None:
        artifact = self.artifact("openvino")
        open_engine(artifact, cache_dir=tmp_path)
        (blob,) = tmp_path.rglob("*.blob")
        blob.chmod(0o600)
        blob.write_bytes(blob.read_bytes()[:100])
        self.assert_answers(open_engine(artifact, cache_dir=tmp_path), tiny_spec)

    def test_two_artifacts_in_the_same_place_do_not_share_a_cache(self, tmp_path: Path) -> None:
        artifact = self.artifact("openvino")
        open_engine(artifact, cache_dir=tmp_path)
        open_engine(dataclasses.replace(artifact, files={"model.xml": "0" * 64}), cache_dir=tmp_path)
        assert len(list(tmp_path.iterdir())) == 2

    def test_an_unwritable_cache_only_costs_time(self, tmp_path: Path, tiny_spec: ModelSpec) -> None:
        (tmp_path / "file").write_text("in the way")
        self.assert_answers(open_engine(self.artifact("openvino"), cache_dir=tmp_path / "file"), tiny_spec)
        assert (tmp_path / "file").read_text() == "in the way"

    def test_the_cache_is_in_the_users_cache_folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert default_cache_dir() == tmp_path / "edgeseg" / "openvino"


def test_opening_openvino_starts_no_telemetry(tiny_artifact: ArtifactMaker) -> None:
    code = (
        "import sys, threading; from edgeseg.artifact import Artifact; "
        "from edgeseg.runtime.engines.engine import open_engine;"
        "open_engine(Artifact.open(sys.argv[1]));"
        "print([t.name for t in threading.enumerate()], sys.modules.get('openvino_telemetry'))"
    )
    command = [sys.executable, "-c", code, str(tiny_artifact("openvino").path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["['MainThread']", "None"]


def test_both_engines_agree_on_every_label(tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec) -> None:
    slots = [open_engine(tiny_artifact(name)).open_slot() for name in ("onnx", "openvino")]
    for slot in slots:
        fit(picture(5), tiny_spec, out=slot.input)
    first, second = (slot.run() for slot in slots)
    assert np.array_equal(first.labels, second.labels)


def tag(model_path: Path, folder: Path, engine: str) -> None:
    """A copy of a model file that carries an engine's name inside."""
    if model_path.suffix == ".onnx":
        import onnx

        model = onnx.load(model_path)
        onnx.helper.set_model_props(model, {"edgeseg.engine": engine})
        onnx.save(model, folder / "model.onnx")
        return
    import openvino

    ir = shared_core().read_model(model_path)
    ir.set_rt_info(engine, ["edgeseg", "engine"])
    openvino.save_model(ir, folder / "model.xml", compress_to_fp16=False)


def test_a_format_without_an_engine_is_refused(tiny_artifact: ArtifactMaker) -> None:
    with pytest.raises(ArtifactError, match="No engine runs 'abacus' artifacts; known formats are onnx, openvino"):
        open_engine(dataclasses.replace(tiny_artifact("onnx"), format="abacus"))


@pytest.mark.parametrize("options", [{"slots": 0}, {"threads": 0}, {"slots": 5000}, {"precision": "fp4"}])
def test_options_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UserError, match=next(iter(options))):
        EngineOptions(**options)  # type: ignore[arg-type]


def test_opening_openvino_imports_no_converter_and_leaves_it_in_reach(tiny_artifact: ArtifactMaker) -> None:
    code = (
        "import sys; from edgeseg.artifact import Artifact; from edgeseg.runtime.engines.engine import open_engine;"
        "open_engine(Artifact.open(sys.argv[1])); before = 'openvino.tools.ovc' in sys.modules;"
        "import openvino, openvino.tools.ovc;"
        "model = openvino.convert_model(sys.argv[2]); print(before, len(model.inputs))"
    )
    paths = [str(tiny_artifact("openvino").path), str(tiny_artifact("onnx").model_path)]
    answer = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "1"]
