"""Built engines: found by what decides them, built once, private, whole, and never loaded before their digest."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from linear_model import ArtifactMaker
from tensorrt_artifacts import ORIN, bound_to_a_gpu, for_tensorrt, place, rtx

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.errors import ArtifactError, EngineError, EnvironmentFault, OutputError, TamperedError
from edgeseg.runtime.trt import engine_cache as tensorrt_store
from edgeseg.runtime.trt.build_settings import BuildSettings
from edgeseg.runtime.trt.device_engine import adopt_engine, device_engine
from edgeseg.runtime.trt.engine_cache import EngineStore, default_root
from edgeseg.runtime.trt.engine_file import inspect_engine_file
from edgeseg.runtime.trt.engine_key import ANY, engine_key
from edgeseg.runtime.trt.versions import Library

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")


@pytest.fixture
def tiny(tiny_artifact: ArtifactMaker, tmp_path: Path) -> Artifact:
    return for_tensorrt(tiny_artifact("onnx"), tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "engines"


class TestFinding:
    def test_an_engine_is_built_once_and_found_again(self, tiny: Artifact, root: Path) -> None:
        first, second = (device_engine(tiny, place(root)) for _ in range(2))
        assert (first.is_new, second.is_new) == (True, False)
        assert first.plan == second.plan == first.path.read_bytes()

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": "RTX 4090"}, r"gpu \(Orin, here RTX 4090\)"),
            ({"sm": "8.9"}, r"compute capability \(8.7, here 8.9\)"),
            ({"driver": "13.2"}, r"CUDA of the driver \(12, here 13\)"),
        ],
    )
    def test_without_building_the_field_that_differs_is_named(
        self, change: dict[str, str], field: str, tiny: Artifact, root: Path
    ) -> None:
        device_engine(tiny, place(root))
        with pytest.raises(
            EngineError, match=f"`may_build=False` forbids building one. The nearest differs in: {field}"
        ):
            device_engine(tiny, place(root, gpu=dataclasses.replace(ORIN, **change)), may_build=False)

    def test_another_version_or_file_differs_too(self, tiny: Artifact, root: Path) -> None:
        device_engine(tiny, place(root))
        newer = dataclasses.replace(bound_to_a_gpu(), version="10.16.1")
        with pytest.raises(EngineError, match=r"TensorRT version \(10.3.0, here 10.16.1\)"):
            device_engine(tiny, place(root, newer), may_build=False)
        with pytest.raises(EngineError, match=r"settings .*\"level\": null.*here .*\"level\": 5"):
            device_engine(tiny, place(root), may_build=False, settings=BuildSettings(level=5))

    def test_there_may_be_none_at_all(self, tiny: Artifact, root: Path) -> None:
        with pytest.raises(EngineError, match="There is no engine in"):
            device_engine(tiny, place(root), may_build=False)

    def test_compatible_engines_have_wider_keys(self, tiny: Artifact) -> None:
        wide = engine_key(
            tiny, bound_to_a_gpu(), ORIN, BuildSettings(version_compatible=True, hardware_compatible=True)
        )
        assert (wide.version, wide.gpu, wide.sm) == ("10", ANY, "8.0 or newer")
        assert engine_key(tiny, rtx(), ORIN, BuildSettings()).gpu == ANY

    def test_the_settings_of_the_artifact_count(self, tiny_artifact: ArtifactMaker, tmp_path: Path, root: Path) -> None:
        artifact = for_tensorrt(tiny_artifact("onnx"), tmp_path, {"level": 1, "half": False})
        assert '"level": 1' in device_engine(artifact, place(root)).key.settings


class TestTrust:
    def test_folder_and_files_are_private(self, tiny: Artifact, root: Path) -> None:
        made = device_engine(tiny, place(root)).path
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (root, made.parent, *made.parent.iterdir())}
        modes.pop("lock")
        assert modes == {root.name: 0o700, made.parent.name: 0o700, "engine.plan": 0o600, "engine.json": 0o600}

    @pytest.mark.parametrize("damage", ["truncated", "changed"])
    def test_a_damaged_engine_is_not_loaded(self, damage: str, tiny: Artifact, root: Path) -> None:
        made = device_engine(tiny, place(root))
        data = bytearray(made.plan)
        data[100] ^= 1
        made.path.write_bytes(made.plan[:500] if damage == "truncated" else bytes(data))
        with pytest.raises(TamperedError, match="changed or cut short after it was built"):
            device_engine(tiny, place(root), may_build=False)
        again = device_engine(tiny, place(root))
        assert again.is_new
        assert again.path.read_bytes()[1:4] == b"trt"

    def test_an_engine_that_was_replaced_half_is_none_and_not_called_damaged(
        self, tiny: Artifact, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made, real = device_engine(tiny, place(root)), tensorrt_store.write_private

        def plan_only(path: Path, data: bytes) -> None:
            if path.name != "engine.plan":
                raise OSError(errno.EIO, "Input/output error")
            real(path, data)

        monkeypatch.setattr(tensorrt_store, "write_private", plan_only)
        with pytest.raises(OutputError):
            EngineStore(root).put(made.key, b"new")
        assert EngineStore(root).get(made.key) is None

    def test_an_engine_whose_facts_name_another_key_is_none(self, tiny: Artifact, root: Path) -> None:
        made = device_engine(tiny, place(root))
        facts = json.loads((made.path.parent / "engine.json").read_text())
        facts["key"]["gpu"] = "another"
        (made.path.parent / "engine.json").write_text(json.dumps(facts))
        assert device_engine(tiny, place(root)).is_new

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"key": {}}', '{"key": {"library": 1}}', "x" * 70000])
    def test_damaged_facts_are_none(self, text: str, tiny: Artifact, root: Path) -> None:
        made = device_engine(tiny, place(root))
        (made.path.parent / "engine.json").write_text(text)
        assert device_engine(tiny, place(root)).is_new

    def test_a_folder_that_is_a_link_is_refused(self, tiny: Artifact, tmp_path: Path) -> None:
        (tmp_path / "theirs").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "theirs")
        with pytest.raises(EnvironmentFault, match="belongs to another user or is a link"):
            device_engine(tiny, place(tmp_path / "link"))

    @pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no users as POSIX knows them")
    def test_a_folder_of_somebody_else_is_refused(
        self, tiny: Artifact, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        device_engine(tiny, place(root))
        monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
        with pytest.raises(EnvironmentFault, match="belongs to another user"):
            device_engine(tiny, place(root))

    def test_an_open_folder_is_closed(self, tiny: Artifact, root: Path) -> None:
        root.mkdir(mode=0o777)
        root.chmod(0o777)
        device_engine(tiny, place(root))
        assert stat.S_IMODE(root.stat().st_mode) == 0o700

    def test_a_model_file_that_changed_after_opening_is_refused(self, tiny: Artifact, root: Path) -> None:
        tiny.model_path.write_bytes(tiny.model_path.read_bytes() + b" ")
        with pytest.raises(TamperedError, match="was changed after the artifact was opened"):
            device_engine(tiny, place(root))


BUILDER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from tensorrt_artifacts import place
from edgeseg.artifact import Artifact
from edgeseg.runtime.trt import device_engine as tensorrt_engines
real = tensorrt_engines.build_engine
def slow(job, library):
    time.sleep(1.0)
    return real(job, library)
tensorrt_engines.build_engine = slow
print(tensorrt_engines.device_engine(Artifact.open({artifact!r}), place(Path({root!r}))).is_new)
"""


def builder(tiny: Artifact, root: Path) -> list[str]:
    """A command that builds, one second slower than usual, and prints whether the engine is new."""
    code = BUILDER.format(tests=str(Path(__file__).parent), artifact=str(tiny.path), root=str(root))
    return [sys.executable, "-c", textwrap.dedent(code)]


def test_two_processes_build_once(tiny: Artifact, root: Path) -> None:
    running = [subprocess.Popen(builder(tiny, root), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=120)[0].strip() for process in running)
    assert said == ["False", "True"]


def test_a_builder_that_is_killed_leaves_no_lock_and_no_engine(tiny: Artifact, root: Path) -> None:
    with subprocess.Popen(builder(tiny, root), stdout=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not list(root.glob("*/lock")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    assert list(root.glob("*/engine.*")) == []
    assert device_engine(tiny, place(root)).is_new


class TestDiskFull:
    @pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare(1) here for a small disk")
    def test_on_a_real_full_disk_nothing_is_left_and_the_sentence_says_why(
        self, tiny: Artifact, tmp_path: Path
    ) -> None:
        (tmp_path / "disk").mkdir()
        build = shlex.join(builder(tiny, tmp_path / "disk" / "engines"))
        script = (
            f"mount -t tmpfs -o size=32k tmpfs {tmp_path / 'disk'} || exit 77\n{build}\nls {tmp_path}/disk/engines/*"
        )
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)
        if done.returncode == 77 or "unshare failed" in done.stderr:
            pytest.skip("this system gives no private tmpfs")
        assert "OutputError: The disk is full" in done.stderr
        assert done.stdout.split() == ["lock"]

    def test_the_engine_is_built_again_when_there_is_room(
        self, tiny: Artifact, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="The disk is full"):
            device_engine(tiny, place(root))
        monkeypatch.undo()
        assert [path.name for path in root.glob("*/*")] == ["lock"]
        assert device_engine(tiny, place(root)).is_new

    def test_a_root_that_cannot_be_made(self, tiny: Artifact, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="Cannot write"):
            device_engine(tiny, place(tmp_path / "file" / "engines"))


def test_timings_are_kept_by_version_and_gpu(tiny: Artifact, root: Path) -> None:
    store, key = EngineStore(root), engine_key(tiny, bound_to_a_gpu(), ORIN, BuildSettings())
    assert store.timings(key) == b""
    store.keep_timings(key, b"measured")
    assert store.timings(key) == b"measured"
    assert store.timings(dataclasses.replace(key, onnx="other")) == b"measured"
    assert store.timings(dataclasses.replace(key, gpu="other")) == b""
    assert stat.S_IMODE(store.timings_path(key).stat().st_mode) == 0o600


def test_the_usual_root_is_the_users_cache() -> None:
    assert default_root() == Path(os.environ["XDG_CACHE_HOME"], "edgeseg", "tensorrt")


def test_inspect_does_not_speak_of_onnx_runtime(tiny: Artifact, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(tiny.path)]) == 0
    told = capsys.readouterr().out
    assert "decided when TensorRT builds the engine on the device; the file's precision is fp32" in told
    assert "ONNX Runtime" not in told


class TestForeignFiles:
    @pytest.fixture
    def plan(self, tiny: Artifact, root: Path, tmp_path: Path) -> Path:
        path = tmp_path / "model.engine"
        path.write_bytes(device_engine(tiny, place(root)).plan)
        return path

    def test_a_bare_plan_is_known_by_its_first_bytes(self, plan: Path) -> None:
        found = inspect_engine_file(plan)
        assert (found.maker, found.version, found.start) == ("TensorRT-RTX", rtx().version, 0)

    def test_a_file_of_ultralytics_tells_what_is_in_it(self, plan: Path) -> None:
        header = json.dumps({"description": "YOLO26n-seg", "task": "segment", "imgsz": [640, 640]}).encode()
        plan.write_bytes(len(header).to_bytes(4, "little") + header + plan.read_bytes())
        found = inspect_engine_file(plan)
        assert found.start == 4 + len(header)
        assert "description YOLO26n-seg" in str(found)
        assert "task segment" in str(found)

    def test_it_is_taken_only_with_trust(self, plan: Path, tiny: Artifact, tmp_path: Path) -> None:
        elsewhere = place(tmp_path / "other", rtx())
        with pytest.raises(
            ArtifactError, match=r"It is not loaded\. Loading an engine runs the code in it.*`trust=True`"
        ):
            adopt_engine(tiny, elsewhere, plan)
        adopt_engine(tiny, elsewhere, plan, trust=True)
        assert device_engine(tiny, elsewhere, may_build=False).plan == plan.read_bytes()

    @pytest.mark.parametrize(
        ("magic", "library", "todo"), [(b"vtrt", bound_to_a_gpu, "engine-rtx"), (b"ptrt", rtx, "engine")]
    )
    def test_trust_does_not_make_it_an_engine_of_another_library(
        self, magic: bytes, library: Callable[[], Library], todo: str, tiny: Artifact, tmp_path: Path
    ) -> None:
        (tmp_path / "x.engine").write_bytes(magic + bytes(100))
        with pytest.raises(ArtifactError, match=f"engine by TensorRT.* does not load it. Use `format='{todo}'` where"):
            adopt_engine(tiny, place(tmp_path / "other", library()), tmp_path / "x.engine", trust=True)
        assert list((tmp_path / "other").glob("*/engine.*")) == []

    def test_inspect_tells_what_it_is_and_loads_nothing(self, plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["inspect", str(plan), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["maker"], told["version"], told["bytes"]) == ("TensorRT-RTX", rtx().version, plan.stat().st_size)
        assert told["loaded"].startswith("no. Loading an engine runs the code in it")

    @pytest.mark.parametrize("name", ["x.engine", "x.plan", "x.trt"])
    def test_inspect_says_what_is_no_engine(
        self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / name).write_bytes(b"<html>")
        assert main(["inspect", str(tmp_path / name)]) == 2
        assert "is not a TensorRT engine: it begins with b'<html>'" in capsys.readouterr().err

    @pytest.mark.parametrize("data", [b"", b"\x08\x01onnx", b"<html>", b"\x02\0\0\0{}", b"\x05\0\0\0[[[[[ptrt"])
    def test_what_is_no_engine_is_refused(self, data: bytes, tmp_path: Path) -> None:
        (tmp_path / "x.engine").write_bytes(data)
        with pytest.raises(ArtifactError, match="is not a TensorRT engine: it begins with"):
            inspect_engine_file(tmp_path / "x.engine")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match="There is no file"):
            inspect_engine_file(tmp_path / "none.engine")
