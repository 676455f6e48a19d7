"""One builder for every TensorRT: what it says when it cannot, and how it speaks to versions that are not here."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from linear_model import ArtifactMaker, onnx_model
from onnx import TensorProto, helper
from tensorrt_artifacts import rtx

from edgeseg.console.installation import install_line
from edgeseg.errors import ArtifactError, EngineError, EnvironmentFault, MissingExtra, UserError
from edgeseg.runtime.trt.build_settings import BuildSettings, read_settings
from edgeseg.runtime.trt.cuda import load_cuda
from edgeseg.runtime.trt.engine_from_onnx import BuildJob, build_engine
from edgeseg.runtime.trt.install import install_advice, jetpack
from edgeseg.runtime.trt.onnx_header import read_onnx_header
from edgeseg.runtime.trt.trt_log import KEPT, errors_since, open_log, plain
from edgeseg.runtime.trt.versions import FEATURES, TENSORRT, Library, find_features, find_library
from edgeseg.spec import ModelSpec

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
FLOAT_LAYERS = ("SOFTMAX", "TOPK", "REDUCE", "RESIZE")


@pytest.fixture(scope="module")
def model() -> bytes:
    spec = ModelSpec("multiclass", ("sky", "road", "tree"), 24, 32)
    data: bytes = onnx_model(spec, True).SerializeToString()
    return data


def graph(*nodes: Any, opset: int = 17) -> bytes:
    sides = [1, 3, 8, 8]
    pixels = helper.make_tensor_value_info("x", TensorProto.FLOAT, sides)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, sides)
    made = helper.make_graph(list(nodes), "g", [pixels], [result])
    data: bytes = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
    ).SerializeToString()
    return data


class TestBuild:
    def test_an_engine_is_a_plan(self, model: bytes) -> None:
        assert build_engine(BuildJob(model, "fp32"), rtx())[1:4] == b"trt"

    def test_an_unsupported_operation_is_named_with_its_node(self) -> None:
        data = graph(
            helper.make_node("MaxPool", ["x"], ["p", "i"], kernel_shape=[2, 2], strides=[2, 2], name="net/pool"),
            helper.make_node("MaxUnpool", ["p", "i"], ["y"], kernel_shape=[2, 2], strides=[2, 2], name="net/unpool"),
        )
        with pytest.raises(ArtifactError, match=r"node 'net/pool' \(MaxPool\): .*node 'net/unpool' \(MaxUnpool\)"):
            build_engine(BuildJob(data, "fp32"), rtx())

    def test_an_opset_that_is_too_new_is_named(self) -> None:
        data = graph(helper.make_node("Relu", ["x"], ["y"]), opset=25)
        with pytest.raises(ArtifactError, match="takes ONNX opsets up to 24, and this file has 25"):
            build_engine(BuildJob(data, "fp32"), rtx())

    @pytest.mark.parametrize("cut", [1, 100, -1])
    def test_a_truncated_file_is_no_onnx(self, model: bytes, cut: int) -> None:
        with pytest.raises(ArtifactError, match="not a whole ONNX file"):
            build_engine(BuildJob(model[:cut], "fp32"), rtx())

    def test_an_empty_file_holds_no_graph(self) -> None:
        with pytest.raises(ArtifactError, match="holds no ONNX graph"):
            build_engine(BuildJob(b"", "fp32"), rtx())

    def test_too_little_workspace_says_which_flag(self, tmp_path: Path) -> None:
        """A wide convolution: no way to compute it within one MB of scratch memory."""
        weight = onnx.numpy_helper.from_array(np.ones((64, 64, 3, 3), np.float32), "w")
        sides = [1, 64, 96, 96]
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in ("x", "y")]
        conv = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
        made = helper.make_graph([conv], "g", [infos[0]], [infos[1]], [weight])
        data = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
        assert build_engine(BuildJob(data, "fp32"), rtx())
        with pytest.raises(
            EngineError, match=r"ran out of memory .*\(`workspace_mb=1`\).*with a larger `workspace_mb`"
        ):
            build_engine(BuildJob(data, "fp32", BuildSettings(workspace_mb=1)), rtx())

    def test_a_dla_where_there_is_none(self, model: bytes) -> None:
        with pytest.raises(UserError, match="`dla=0`: this device has no DLA cores"):
            build_engine(BuildJob(model, "int8", BuildSettings(dla=0)), rtx())

    @pytest.mark.parametrize("wish", ["version_compatible", "hardware_compatible"])
    def test_compatibility_where_it_has_no_meaning(self, model: bytes, wish: str) -> None:
        with pytest.raises(UserError, match="leave out `version_compatible`"):
            build_engine(BuildJob(model, "fp32", BuildSettings(**{wish: True})), rtx())

    def test_a_bar_counts_the_outer_phases_on_a_terminal(
        self, model: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        build_engine(BuildJob(model, "fp32"), rtx())
        shown = capsys.readouterr().err
        counts = [(int(done), int(total)) for done, total in re.findall(r"(\d+)/(\d+) \[", shown)]
        assert f"build {rtx().title} engine" in shown
        assert counts
        assert all(done <= total for done, total in counts)
        assert max(done for done, _ in counts) > 1

    def test_ctrl_c_stops_a_build(self, model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("tqdm.tqdm.update", interrupt)
        with pytest.raises(KeyboardInterrupt):
            build_engine(BuildJob(model, "fp32"), rtx())


class TestSettings:
    @pytest.mark.parametrize("values", [{"workspace_mb": 0}, {"dla": 8}, {"level": 6}, {"level": "3"}])
    def test_out_of_range(self, values: dict[str, Any]) -> None:
        with pytest.raises(UserError, match=f"`{next(iter(values))}` must be a whole number"):
            BuildSettings(**values)

    def test_a_dla_and_every_gpu_exclude_each_other(self) -> None:
        with pytest.raises(UserError, match="use no DLA"):
            BuildSettings(dla=0, hardware_compatible=True)

    def test_what_costs_something_says_so(self) -> None:
        assert BuildSettings().costs == []
        assert "carries its own runtime" in BuildSettings(version_compatible=True).costs[0]

    @pytest.mark.parametrize("text", ["{", "[]", '{"dla": 99}', '{"level": "high"}'])
    def test_unusable_settings_in_an_artifact(self, text: str, tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
        from edgeseg.artifact import Artifact, writing_artifact

        parent = tiny_artifact("onnx")
        manifest = {"name": "x", "precision": "fp32", "format": "tensorrt", "spec": parent.spec, "outputs": ["labels"]}
        with writing_artifact(tmp_path / "x", manifest) as staged:
            (staged / "model.onnx").write_bytes(parent.model_path.read_bytes())
            (staged / "tensorrt.json").write_text(text)
        with pytest.raises(ArtifactError, match=r"tensorrt.json is unusable: .* Export the model again"):
            read_settings(Artifact.open(tmp_path / "x"))


class TestHeader:
    def test_it_is_what_onnx_reads(self, model: bytes) -> None:
        proto = onnx.ModelProto.FromString(model)
        helper.set_model_props(proto, {"edgeseg.engine": "tensorrt", "ü": "ß"})
        proto.opset_import.add(domain="com.other", version=3)
        header = read_onnx_header(proto.SerializeToString())
        assert (header.opset, dict(header.metadata)) == (17, {"edgeseg.engine": "tensorrt", "ü": "ß"})


class Recorder:
    """Stands for an object of a TensorRT that is not here: remembers what was set and called."""

    def __init__(self, **known: Any) -> None:
        self.__dict__.update(known)
        self.__dict__["said"] = []

    def __setattr__(self, name: str, value: Any) -> None:
        self.said.append((name, value))

    def __getattr__(self, name: str) -> Any:
        if name == "progress_monitor":
            raise AttributeError(name)
        return lambda *arguments: self.said.append((name, *arguments)) or True


def old_tensorrt(dla_cores: int = 0) -> tuple[Library, Recorder, list[Any], list[int]]:
    """TensorRT 8.6 as far as a build speaks to it, in the names of its documentation."""
    layers = [SimpleNamespace(type=kind, precision=None) for kind in ("CONVOLUTION", *FLOAT_LAYERS)]
    network = SimpleNamespace(num_layers=len(layers), get_layer=layers.__getitem__)
    config, created = Recorder(get_timing_cache=lambda: SimpleNamespace(serialize=lambda: b"timings")), []
    builder = SimpleNamespace(
        create_network=lambda flags: created.append(flags) or network,
        create_builder_config=lambda: config,
        build_serialized_network=lambda *_: b"ptrt engine",
        num_DLA_cores=dla_cores,
    )
    severity = {"INTERNAL_ERROR": 0, "ERROR": 1, "WARNING": 2}
    module = ModuleType("tensorrt")
    names = SimpleNamespace(
        ILogger=type("ILogger", (), severity),
        Builder=lambda log: builder,
        OnnxParser=lambda network, log: SimpleNamespace(parse=lambda data: True),
        NetworkDefinitionCreationFlag=SimpleNamespace(EXPLICIT_BATCH=0),
        BuilderFlag=SimpleNamespace(
            FP16="FP16",
            INT8="INT8",
            OBEY_PRECISION_CONSTRAINTS="OBEY",
            GPU_FALLBACK="FALLBACK",
            VERSION_COMPATIBLE="VC",
        ),
        LayerType=SimpleNamespace(**{name: name for name in FLOAT_LAYERS}),
        MemoryPoolType=SimpleNamespace(WORKSPACE="WORKSPACE"),
        HardwareCompatibilityLevel=SimpleNamespace(AMPERE_PLUS="AMPERE_PLUS"),
        DeviceType=SimpleNamespace(DLA="DLA"),
        float32="float32",
    )
    module.__dict__.update(vars(names))
    return Library(module, TENSORRT, "8.6.1", find_features("8.6.1")), config, layers, created


class TestVersions:
    @pytest.mark.parametrize(
        ("version", "first"),
        [("8.6.1", (8, 6)), ("10.3.0", (10,)), ("10.13.3.9", (10, 13)), ("10.16.1", (10, 13)), ("11.4.0.106", (11,))],
    )
    def test_the_newest_row_that_is_not_newer(self, version: str, first: tuple[int, ...]) -> None:
        assert find_features(version) is FEATURES[first]

    @pytest.mark.parametrize("version", ["8.5.2", "7.1", "dev"])
    def test_too_old(self, version: str) -> None:
        with pytest.raises(EnvironmentFault, match=f"needs TensorRT 8.6 or newer; found {version}"):
            find_features(version)

    @pytest.mark.parametrize(
        ("precision", "flags"),
        [("fp32", []), ("fp16", ["FP16", "OBEY"]), ("int8", ["INT8", "FP16", "OBEY"])],
    )
    def test_8_6_is_told_by_flags_what_others_read_in_the_graph(
        self, precision: str, flags: list[str], model: bytes
    ) -> None:
        library, config, layers, created = old_tensorrt()
        kept: list[bytes] = []
        assert build_engine(BuildJob(model, precision, keep_timings=kept.append), library) == b"ptrt engine"
        assert [said[1] for said in config.said if said[0] == "set_flag"] == flags
        assert created == [1 << 0]
        held = [layer.type for layer in layers if layer.precision == "float32"]
        assert held == (list(FLOAT_LAYERS) if flags else [])
        assert kept == [b"timings"]

    def test_8_6_does_not_take_half_scales(self) -> None:
        data = graph(helper.make_node("Relu", ["x"], ["y"]), opset=19)
        with pytest.raises(ArtifactError, match=r"TensorRT 8\.6\.1 takes ONNX opsets up to 17.* without `half=True`"):
            build_engine(BuildJob(data, "int8"), old_tensorrt()[0])

    def test_every_wish_reaches_the_builder(self, model: bytes) -> None:
        library, config, *_ = old_tensorrt(dla_cores=2)
        wishes = BuildSettings(workspace_mb=256, dla=1, level=5, version_compatible=True)
        build_engine(BuildJob(model, "fp16", wishes, timings=b"old"), library)
        assert ("set_memory_pool_limit", "WORKSPACE", 256 << 20) in config.said
        assert ("builder_optimization_level", 5) in config.said
        assert {("default_device_type", "DLA"), ("DLA_core", 1)} <= set(config.said)
        assert {("set_flag", "FALLBACK"), ("set_flag", "VC"), ("create_timing_cache", b"old")} <= set(config.said)

    @pytest.mark.parametrize("refuses", ["to make it", "to use it"])
    def test_a_timing_cache_that_is_refused_is_replaced_by_an_empty_one(self, refuses: str, model: bytes) -> None:
        library, config, *_ = old_tensorrt()
        kept: list[bytes] = []
        config.__dict__["create_timing_cache"] = lambda data: None if data and refuses == "to make it" else data
        used: list[bytes] = []
        config.__dict__["set_timing_cache"] = lambda cache, ignore: used.append(cache) or cache == b""
        build_engine(BuildJob(model, "fp32", timings=b"of another GPU", keep_timings=kept.append), library)
        assert used == ([b""] if refuses == "to make it" else [b"of another GPU", b""])
        assert kept == [b"timings"]

    @pytest.mark.parametrize("precision", ["fp32", "int8"])
    def test_a_dla_runs_float16_only(self, precision: str, model: bytes) -> None:
        with pytest.raises(UserError, match=f"float16 only, not {precision}: it takes INT8 only from TensorRT's own"):
            build_engine(BuildJob(model, precision, BuildSettings(dla=0)), old_tensorrt(dla_cores=1)[0])

    def test_names_of_the_table_are_those_of_the_library(self) -> None:
        """Of the strongly typed versions; the flags of 8.6 are gone from what can be installed."""
        assert hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")
        for name in ("GPU_FALLBACK", "VERSION_COMPATIBLE"):
            assert hasattr(trt.BuilderFlag, name)
        assert set(FLOAT_LAYERS) == set(find_features("8.6").float_layers) <= set(dir(trt.LayerType))
        for name in ("AMPERE_PLUS",):
            assert hasattr(trt.HardwareCompatibilityLevel, name)


class TestStart:
    """A TensorRT for a newer CUDA than the driver's: its bindings raise a TypeError, the log has the reason."""

    def test_a_builder_that_does_not_start_says_why(self, model: bytes) -> None:
        library, *_ = old_tensorrt()

        def builder(log: Any) -> None:
            log.log(library.module.ILogger.WARNING, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")

        library.module.Builder = builder
        with pytest.raises(EngineError, match=r"8\.6\.1 does not start: CUDA initialization failure with error: 35\. "):
            build_engine(BuildJob(model, "fp32"), library)

    def test_without_a_word_in_the_log_the_exception_is_told(self, model: bytes) -> None:
        library, *_ = old_tensorrt()
        library.module.Builder = int  # refuses a logger with a TypeError
        with pytest.raises(EngineError, match=r"it gave no reason \(int\(\) .*`diagnose\(\)` tells"):
            build_engine(BuildJob(model, "fp32"), library)


@pytest.mark.parametrize("before", [0, 3, KEPT - 1, KEPT, 5 * KEPT])
def test_errors_are_found_however_many_messages_came_before(before: int) -> None:
    module = old_tensorrt()[0].module
    log = open_log(module)
    for number in range(before):
        log.log(module.ILogger.ERROR, f"old {number}")
    mark = log.count
    assert errors_since(log, module, mark) == []
    log.log(module.ILogger.WARNING, "skipped")
    log.log(module.ILogger.ERROR, "no memory")
    assert errors_since(log, module, mark) == ["no memory"]


NO_TACTIC = "Error Code 10: Internal Error (Could not find any implementation for node Conv_1.)"
SKIPPED = "Tactic Device request: 806MB Available: 187MB. Device memory is insufficient to use tactic."


def talking_tensorrt(plan: bytes | None, *said: tuple[str, str]) -> Library:
    """TensorRT 8.6 whose builder logs (severity, text) and gives ``plan``."""
    library, *_ = old_tensorrt()
    builder, severities = library.module.Builder(None), library.module.ILogger

    def build(*_: Any) -> bytes | None:
        for severity, text in said:
            open_log(library.module).log(getattr(severities, severity), text)
        return plan

    builder.build_serialized_network = build
    return library


class TestMemory:
    """What Jetsons say when memory is short, as users of TensorRT 8.5 to 10.3 reported it."""

    @pytest.mark.parametrize(
        "said",
        [
            [("WARNING", SKIPPED), ("ERROR", NO_TACTIC)],
            [("WARNING", "Skipping tactic 3 due to insuficient memory on requested size of 806"), ("ERROR", NO_TACTIC)],
            [("ERROR", "Requested amount of GPU memory (1073741824 bytes) could not be allocated.")],
            [("ERROR", "[virtualMemoryBuffer.cpp::resizePhysical::145] Error Code 2: OutOfMemory (no information)")],
            [("ERROR", "Error Code 1: Cuda Runtime (out of memory)")],
            [("WARNING", SKIPPED)],
        ],
    )
    def test_a_failed_build_says_memory_and_what_frees_it(self, said: list[tuple[str, str]], model: bytes) -> None:
        with pytest.raises(EngineError, match=r"ran out of memory .*\(no `workspace_mb`\).*Free memory: .*add swap"):
            build_engine(BuildJob(model, "fp32"), talking_tensorrt(None, *said))

    def test_a_limit_of_the_user_is_named_first(self, model: bytes) -> None:
        job = BuildJob(model, "fp32", BuildSettings(workspace_mb=16))
        with pytest.raises(
            EngineError, match=r"\(`workspace_mb=16`\).*Export with a larger `workspace_mb`, or without it"
        ):
            build_engine(job, talking_tensorrt(None, ("WARNING", SKIPPED), ("ERROR", NO_TACTIC)))

    @pytest.mark.parametrize("text", ["Error Code 4: node /zoom/Conv is wrong", "Error Code 9: weights are broken"])
    def test_another_failure_is_not_blamed_on_memory(self, text: str, model: bytes) -> None:
        with pytest.raises(EngineError, match=r"could not build the engine: Error Code .*Export with `format="):
            build_engine(BuildJob(model, "fp32"), talking_tensorrt(None, ("WARNING", SKIPPED), ("ERROR", text)))

    def test_an_engine_without_the_tactics_that_were_skipped_comes_with_a_note(
        self, model: bytes, capsys: pytest.CaptureFixture[str]
    ) -> None:
        library = talking_tensorrt(b"ptrt engine", ("WARNING", "Weights are tiny"), *[("WARNING", SKIPPED)] * 500)
        assert build_engine(BuildJob(model, "fp32"), library) == b"ptrt engine"
        told = capsys.readouterr().err
        assert told.startswith("edgeseg: TensorRT 8.6.1 built the engine without tactics that need more memory")
        assert told.count("806MB") == told.count("\n") == 1

    def test_other_warnings_are_no_note(self, model: bytes, capsys: pytest.CaptureFixture[str]) -> None:
        build_engine(BuildJob(model, "fp32"), talking_tensorrt(b"ptrt", ("WARNING", "Weights are tiny")))
        assert capsys.readouterr().err == ""


class TestInstall:
    @pytest.mark.parametrize(
        ("text", "number", "advice"),
        [
            ("# R36 (release), REVISION: 4.3, GCID: 1", 6, '"cuda-bindings>=12.6,<13"'),
            ("# R39 (release), REVISION: 2.0, GCID: 1", 7, '"cuda-bindings>=13"'),
            ("# R35 (release), REVISION: 4.1, GCID: 1", 5, "update the device to JetPack 6"),
        ],
    )
    def test_on_a_jetson(self, text: str, number: int, advice: str, tmp_path: Path) -> None:
        (tmp_path / "release").write_text(text)
        assert jetpack(tmp_path / "release") == number
        assert advice in install_advice(release=tmp_path / "release")

    def test_on_a_pc_and_on_other_arm_machines(self, tmp_path: Path) -> None:
        assert install_line("tensorrt", "tensorrt") in install_advice(False, tmp_path / "none", "x86_64")
        assert install_line("tensorrt", "tensorrt-rtx") in install_advice(True, tmp_path / "none", "x86_64")
        assert "JetPack 6 or 7" in install_advice(False, tmp_path / "none", "aarch64")

    def test_what_is_not_installed_comes_with_its_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "tensorrt", None)
        monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
        with pytest.raises(MissingExtra, match="TensorRT is needed for this but is not installed"):
            find_library()
        with pytest.raises(MissingExtra, match="TensorRT-RTX is needed"):
            find_library("tensorrt_rtx")


class TestBrokenInstall:
    """Installed, but a library of the system is missing: packages of the same name that say so come first here."""

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("raise ImportError('libnvinfer.so.10: cannot open shared object file')", "libnvinfer.so.10"),
            ("raise OSError('libnvdla_compiler.so: file too short')", "libnvdla_compiler.so"),
            ("import tensorrt_bindings_of_nobody", "tensorrt_bindings_of_nobody"),
        ],
    )
    def test_tensorrt(self, body: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import_first(tmp_path, "tensorrt", body, monkeypatch)
        with pytest.raises(EnvironmentFault, match=f"'tensorrt' is installed but does not load: .*{said}.*[Ii]nstall"):
            find_library()

    @pytest.mark.parametrize("body", ["raise ImportError('libcudart.so.13: gone')", "import nothing_of_cudart"])
    def test_cuda_bindings(self, body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import_first(tmp_path, "cuda.bindings.runtime", body, monkeypatch)
        with pytest.raises(EngineError, match=r"'cuda-bindings' is installed but does not load: .*cudart.* Install"):
            load_cuda.__wrapped__()

    def test_no_cuda_bindings_come_with_the_pip_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "cuda.bindings", None)
        with pytest.raises(MissingExtra, match=re.escape(install_line("tensorrt"))):
            load_cuda.__wrapped__()


def import_first(folder: Path, name: str, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of that name, in front of the real one and not imported yet."""
    *packages, last = name.split(".")
    parent = folder.joinpath(*packages)
    parent.mkdir(parents=True, exist_ok=True)
    if packages:
        (parent / "__init__.py").write_text("")
    (parent / f"{last}.py").write_text(body)
    root = (packages or [last])[0]
    for known in [known for known in sys.modules if known.split(".", maxsplit=1)[0] == root]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.syspath_prepend(folder)


def test_source_locations_are_left_out_of_messages() -> None:
    said = plain(
        "IBuilder::build: Error Code 9 ([tactic.cpp:1676: f] Myelin no tactics; In compile at /_src/a/b.cpp:20)"
    )
    assert "cpp" not in said
    assert "no tactics" in said
