"""Precision and device that run are the ones proven: a run says where they are not, and ``verify`` proves them."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import edgeseg
from edgeseg.artifact import MANIFEST, Artifact
from edgeseg.cli import main
from edgeseg.errors import ArtifactError, GateFailed, OutputError, UserError
from edgeseg.proof.budget import Budget
from edgeseg.proof.proven import add_proof
from edgeseg.proof.publishing import ExportResult
from edgeseg.runtime.engines import openvino_core
from edgeseg.runtime.engines.engine import EngineOptions, open_engine
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.runtime.engines.placement import (
    Placement,
    placement_of,
    proven_placements,
    unproven_event,
)
from edgeseg.runtime.engines.precision import RUNS_IN, model_digest, read_preferred
from edgeseg.runtime.events.event import Event

Captured = pytest.CaptureFixture[str]
Built = tuple[ExportResult, ExportResult, ExportResult]
LOOSE = Budget(50.0, 100, 100)


@pytest.fixture
def int8(built: Built, tmp_path: Path) -> Artifact:
    """A copy of the INT8 artifact, to be written into."""
    return Artifact.open(shutil.copytree(built[2].artifact.path, tmp_path / "blobs-int8-openvino"))


@pytest.fixture
def bfloat16() -> None:
    """OpenVINO chooses bfloat16 here when it may."""
    if shared_core().get_property("CPU", "INFERENCE_PRECISION_HINT").get_type_name() != "bf16":
        pytest.skip("this processor computes in float32 whatever it may choose")


def precision_of(artifact: Artifact) -> str:
    """What an engine computes in that is asked for nothing."""
    with closing(open_engine(Artifact.open(artifact.path))) as engine:
        return placement_of(engine, EngineOptions()).precision


class OnGpu:
    """An engine that says that it computes elsewhere."""

    placement = Placement("GPU", "f16", "Arc A770")


def proof_on(device: str, artifact: Artifact, precision: str = "f16", hardware: str = "Arc A770") -> dict[str, str]:
    return {"device": device, "precision": precision, "hardware": hardware, "model": model_digest(artifact)}


class TestPlacement:
    def test_engines_say_where_they_compute(self, built: Built, bfloat16: None) -> None:
        for artifact, asked, expected in (
            (built[0].artifact, "auto", "f32"),
            (built[1].artifact, "f32", "f32"),
            (built[1].artifact, "auto", "bf16"),
        ):
            options = EngineOptions(precision=asked)
            engine = open_engine(artifact, precision=asked)
            found = placement_of(engine, options)
            assert (found.device, found.precision) == ("CPU", expected)
            engine.close()

    def test_auto_is_the_device_that_openvino_takes(self, built: Built) -> None:
        if len(shared_core().available_devices) > 1:
            pytest.skip("AUTO may take another device than the CPU here")
        artifact, options = built[1].artifact, EngineOptions("AUTO")
        assert unproven_event(artifact, open_engine(artifact, "AUTO"), options) is None

    def test_another_device_is_said_with_the_command_that_proves_it(self, int8: Artifact) -> None:
        event = unproven_event(int8, OnGpu(), EngineOptions("GPU.0"))  # type: ignore[arg-type]
        assert event is not None
        assert (event.kind, event.reason, event.facts["hardware"]) == ("unproven", "device", "Arc A770")
        assert "are computed in f16 on GPU (Arc A770) and were proven in f32 on CPU" in event.message
        assert f"`edgeseg.verify([{str(int8.path)!r}], DIR, device='GPU.0')`" in event.message

    def test_a_proof_is_of_one_device_and_of_these_files(self, int8: Artifact) -> None:
        options = EngineOptions("GPU")
        proven = add_proof(int8, proof_on("GPU", int8))
        assert unproven_event(proven, OnGpu(), options) is None  # type: ignore[arg-type]
        for other in ({"hardware": "Iris Xe"}, {"precision": "f32"}, {"model": "of other files"}):
            changed = add_proof(int8, proof_on("GPU", int8) | other)
            changed = replace(changed, measured={"proven": changed.measured["proven"][-1:]})
            assert unproven_event(changed, OnGpu(), options) is not None, other  # type: ignore[arg-type]


@pytest.mark.usefixtures("bfloat16")
class TestBfloat16:
    """On a real engine: OpenVINO computes in bfloat16 on this processor when it may choose."""

    def test_a_run_says_it_once_until_it_is_proven(self, int8: Artifact, data: Path, capsys: Captured) -> None:
        words = ["run", str(int8.path), "--source", str(data / "images/val"), "--max-frames", "1", "--precision"]
        assert main([*words, "f32"]) == 0
        assert "proven" not in capsys.readouterr().err
        assert main([*words, "auto"]) == 0
        told = capsys.readouterr().err
        assert told.count("its masks are computed in bf16 on CPU") == 1
        assert f"edgeseg verify {int8.path} --data DIR --precision auto" in told
        assert main([*words, "auto", "--log-json"]) == 0
        event = json.loads(capsys.readouterr().err.splitlines()[0])
        assert (event["event"], event["precision"]) == ("unproven", "bf16")

        assert main(["verify", str(int8.path), "--data", str(data), "--precision", "auto", "--max-drop", "20"]) == 0
        told_by_verify = capsys.readouterr()
        assert "openvino int8, bf16 on CPU" in told_by_verify.out
        assert "written into its edgeseg.json" in told_by_verify.err
        assert main([*words, "auto"]) == 0
        assert "proven" not in capsys.readouterr().err

    def test_load_tells_the_logger(
        self, int8: Artifact, data: Path, caplog: pytest.LogCaptureFixture, capsys: Captured
    ) -> None:
        with caplog.at_level(logging.WARNING, "edgeseg"):
            edgeseg.load(int8, precision="auto").close()
            edgeseg.load(int8).close()
        assert [record.getMessage().count("computed in bf16 on CPU") for record in caplog.records] == [1]

    def test_the_proof_holds_what_was_compared(self, int8: Artifact, data: Path) -> None:
        comparison = edgeseg.verify([int8], data, precision="auto", budget=LOOSE)
        opened = Artifact.open(int8.path)
        (proof,) = opened.measured["proven"]
        after = comparison.stages[1]
        assert (proof["precision"], proof["device"], proof["images"], proof["split"]) == ("bf16", "CPU", 8, "val")
        assert proof["agreement"] == after.agreement > 0.98
        assert proof["mean_iou"] == after.confusion.mean_iou
        assert proof["reference"] == "openvino int8"
        assert set(proof["toolchain"]) == {"edgeseg", "openvino", "nncf"}
        kept = {name: value for name, value in opened.measured.items() if name not in ("proven", RUNS_IN)}
        assert (kept, opened.measured[RUNS_IN]) == (int8.measured, {"CPU": "bf16"}), "nothing else changed"
        assert [place.precision for place in proven_placements(opened)] == ["f32", "bf16"]

    def test_what_was_proven_in_bfloat16_runs_in_bfloat16(self, int8: Artifact, data: Path, capsys: Captured) -> None:
        words = ["evaluate", str(int8.path), "--data", str(data), "--json"]

        def score(*more: str) -> str:
            assert main([*words, *more]) == 0
            said = capsys.readouterr()
            assert "proven" not in said.err
            return str(json.loads(said.out)["mean_iou"])

        before = score()
        edgeseg.verify([int8], data, precision="bf16", budget=LOOSE)
        assert precision_of(int8) == "bf16"
        assert score() == score("--precision", "bf16")
        assert score("--precision", "f32") == before
        (stage,) = edgeseg.verify([int8.path], data).stages
        assert stage.name == "openvino int8, bf16"
        assert main(["bench", str(int8.path), "--seconds", "0.2"]) == 0
        assert capsys.readouterr().out.startswith("blobs-int8-openvino in bf16 on CPU")
        assert main(["check", str(int8.path)]) == 0
        edgeseg.verify([int8], data, precision="f32", budget=LOOSE)
        assert precision_of(int8) == "f32"
        assert [place.precision for place in proven_placements(Artifact.open(int8.path))] == ["f32", "bf16", "f32"]

    def test_a_processor_without_bfloat16_computes_in_float32_and_says_so(
        self, int8: Artifact, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        edgeseg.verify([int8], data, precision="bf16", budget=LOOSE)
        monkeypatch.setattr(openvino_core, "openvino_precisions", lambda device: ("f32",))
        told: list[Event] = []
        opened = edgeseg.load(int8.path, on_event=told.append)
        opened.close()
        (event,) = told
        assert (event.kind, event.reason, event.facts["proven"]) == ("precision", "precision", "bf16")
        assert event.message == "it was proven in bf16, which CPU has no instructions for; it is computed in f32."
        with pytest.raises(UserError, match=r"OpenVINO computes in f32 on CPU here; found `precision='bf16'`"):
            edgeseg.load(int8.path, precision="bf16")

    def test_a_preference_without_its_proof_is_not_followed(self, int8: Artifact, data: Path) -> None:
        edgeseg.verify([int8], data, precision="bf16", budget=LOOSE)
        proven = Artifact.open(int8.path)
        unproven = {**proven.measured, "proven": [{**proven.measured["proven"][0], "model": "of other files"}]}
        assert read_preferred(proven, "CPU") == "bf16"
        assert read_preferred(replace(proven, measured=unproven), "CPU") == "f32"
        assert read_preferred(proven, "GPU") == "f32"

    def test_a_second_proof_replaces_the_first(self, int8: Artifact, data: Path) -> None:
        for _ in range(2):
            edgeseg.verify([int8], data, precision="auto", budget=LOOSE)
        assert len(Artifact.open(int8.path).measured["proven"]) == 1

    def test_the_reference_runs_as_it_was_proven(self, built: Built, int8: Artifact, data: Path) -> None:
        comparison = edgeseg.verify([built[1].artifact, int8], data, precision="auto", budget=LOOSE)
        assert [stage.name for stage in comparison.stages] == ["openvino fp32", "openvino int8, bf16 on CPU"]
        assert "proven" not in Artifact.open(built[1].artifact.path).measured

    def test_what_loses_too_much_is_not_written(self, built: Built, int8: Artifact, data: Path) -> None:
        before = (int8.path / MANIFEST).read_bytes()
        with pytest.raises(GateFailed):
            edgeseg.verify([built[1].artifact, int8], data, precision="auto", budget=Budget(0.0, 0, 0))
        assert (int8.path / MANIFEST).read_bytes() == before


class TestWriting:
    def test_a_checkpoint_takes_no_proof(self, data: Path, tmp_path: Path, int8: Artifact) -> None:
        with pytest.raises(UserError, match=r"net\.pt is no artifact"):
            edgeseg.verify([int8, tmp_path / "net.pt"], data, precision="auto")

    def test_without_a_device_nothing_is_written(self, int8: Artifact, data: Path) -> None:
        before = (int8.path / MANIFEST).read_bytes()
        edgeseg.verify([int8], data)
        assert (int8.path / MANIFEST).read_bytes() == before

    def test_a_folder_that_cannot_be_written_is_said_before_the_work(
        self, int8: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
        with pytest.raises(OutputError, match=r"proof is written into the artifact, and .* cannot be written"):
            edgeseg.verify([int8], tmp_path / "no data is looked at", device="CPU")

    def test_proofs_of_several_processes_are_all_kept_and_readers_see_whole_ones(self, int8: Artifact) -> None:
        def prove(number: int) -> None:
            add_proof(int8, proof_on("GPU", int8, hardware=f"card {number}"))

        def read(_: int) -> None:
            Artifact.open(int8.path)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: prove(n) if n % 2 else read(n), range(48)))
        assert len(Artifact.open(int8.path).measured["proven"]) == 24

    def test_what_a_killed_writer_left_is_no_part_of_the_artifact(self, int8: Artifact) -> None:
        (int8.path / f".{MANIFEST}.0a1b2c3d.unfinished.json").write_text("{")
        Artifact.open(int8.path)
        (int8.path / ".model.xml.0a1b2c3d.unfinished.xml").write_text("<")
        with pytest.raises(ArtifactError, match="was added after"):
            Artifact.open(int8.path)

    def test_a_model_that_was_replaced_meanwhile_gets_no_proof(self, int8: Artifact) -> None:
        with pytest.raises(ArtifactError, match="replaced by another model"):
            add_proof(replace(int8, files={**int8.files, "model.bin": "another"}), proof_on("GPU", int8))

    def test_a_changed_manifest_is_not_written_over(self, int8: Artifact) -> None:
        manifest = int8.path / MANIFEST
        manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 1'))
        with pytest.raises(ArtifactError, match="was changed after it was written"):
            add_proof(int8, proof_on("GPU", int8))
