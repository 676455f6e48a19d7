"""The same network in ONNX Runtime and in OpenVINO: what its channels become, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from small_nets import CLASSES, HELD, PASSED_ON, PLANTED, SIDE, Net, deployed

from edgeseg.calibration.equalisation.factors import choose_exponents, tensors_to_see
from edgeseg.calibration.equalisation.ir_equalised import equalise_ir
from edgeseg.calibration.equalisation.ir_equalised import see_channels as see_in_ir
from edgeseg.calibration.equalisation.ir_steps import steps_from_ir
from edgeseg.calibration.equalisation.onnx_equalised import equalise_onnx
from edgeseg.calibration.equalisation.onnx_equalised import see_channels as see_in_onnx
from edgeseg.calibration.equalisation.onnx_steps import steps_from_onnx
from edgeseg.calibration.equalisation.record import (
    NO_GAIN,
    OTHER_LOGITS,
    describe_equalised,
    read_from_ir,
    read_from_onnx,
    write_into_ir,
    write_into_onnx,
)
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.load_set import load_set
from edgeseg.export.graphs.ir_from_onnx import ir_from_onnx
from edgeseg.graphs.ir_file import logits_output, read_ir
from edgeseg.graphs.onnx_graph import load_graph
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.runtime.engines.ort_session import EVERYTHING, open_session
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("a", "b", "c"), SIDE, SIDE)
BUILD = {**PASSED_ON, **HELD}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> CalibrationSet:
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for at in range(8):
        picture = cv2.resize(random.integers(0, 256, (4, 4, 3), np.uint8), (SIDE, SIDE))
        cv2.imwrite(str(folder / f"{at}.png"), picture)
    return load_set(folder, SPEC, 8)


@dataclass(frozen=True)
class Engine:
    """One form of a network: how it is read, changed, looked into and run."""

    read: Callable[[Path], Any]
    equalise: Callable[[Any, CalibrationSet], tuple[Any, Any]]
    steps: Callable[[Any], Any]
    see: Callable[..., Any]
    run: Callable[[Any, Any], Any]


def read_converted(path: Path) -> Any:
    ir_from_onnx(path, path.with_suffix(".xml"), SPEC, ("labels", "logits"))
    return read_ir(path.with_suffix(".xml"))


def run_onnx(model: Any, tensor: Any) -> Any:
    return open_session(model.SerializeToString(), EVERYTHING).run(["logits"], {"image": tensor})[0]


def run_ir(model: Any, tensor: Any) -> Any:
    import openvino

    cut = openvino.Model([logits_output(model)], model.get_parameters())
    return shared_core().compile_model(cut, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(tensor)[0].copy()


ENGINES = {
    "onnx": Engine(load_graph, equalise_onnx, steps_from_onnx, see_in_onnx, run_onnx),
    "openvino": Engine(read_converted, equalise_ir, steps_from_ir, see_in_ir, run_ir),
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


def read(name: str, engine: Engine, folder: Path) -> Any:
    onnx.save_model(deployed(BUILD[name]), str(folder / "net.onnx"))
    return engine.read(folder / "net.onnx")


def channels_read_by_second_layer(engine: Engine, model: Any, images: CalibrationSet) -> Any:
    net = engine.steps(model)
    seen = engine.see(model, tensors_to_see(net), images)
    return seen[[step for step in net.steps if step.weights is not None][1].reads[0]].largest


@pytest.mark.parametrize("name", PASSED_ON)
def test_the_outlier_goes_and_no_bit_of_the_logits_changes(
    name: str, engine: Engine, images: CalibrationSet, tmp_path: Path
) -> None:
    model = read(name, engine, tmp_path)
    changed, exponents = engine.equalise(model, images)
    before, after = (channels_read_by_second_layer(engine, one, images) for one in (model, changed))
    assert before.argmax() == PLANTED
    assert before[PLANTED] > 30 * np.median(before)
    assert after[PLANTED] < 8 * np.median(after)
    assert exponents
    for path in images.images:
        tensor = images.tensor(path)
        expected = engine.run(model, tensor)
        assert expected.shape[1] == CLASSES
        np.testing.assert_array_equal(engine.run(changed, tensor), expected)


@pytest.mark.parametrize("name", HELD)
def test_what_passes_no_factor_on_stops_it(name: str, engine: Engine, images: CalibrationSet, tmp_path: Path) -> None:
    model = read(name, engine, tmp_path)
    changed, exponents = engine.equalise(model, images)
    assert not exponents
    assert changed is model


def test_the_logits_never_carry_a_factor(engine: Engine, images: CalibrationSet, tmp_path: Path) -> None:
    _, exponents = engine.equalise(read("Concat", engine, tmp_path), images)
    assert not {"logits", "labels", "net/input", "edgeseg/planes"}.intersection(exponents)


def test_an_even_network_is_left_alone(engine: Engine, images: CalibrationSet, tmp_path: Path) -> None:
    def even(net: Net, image: str) -> str:
        first = net.conv(image, inputs=3)
        for name in net.nodes[0].input[1:]:
            net.constants[name][:] = net.constants[name][:1]  # all channels alike
        return net.conv(net.node("Relu", first), outputs=CLASSES)

    onnx.save_model(deployed(even), str(tmp_path / "net.onnx"))
    model = engine.read(tmp_path / "net.onnx")
    kept, exponents = engine.equalise(model, images)
    assert kept is model
    assert describe_equalised(exponents) == {"equalized_tensors": 0, "equalization": NO_GAIN}


def test_values_that_are_not_finite_are_left_for_others_to_report(images: CalibrationSet, tmp_path: Path) -> None:
    model = read("ReLU", ENGINES["onnx"], tmp_path)
    net = steps_from_onnx(model)
    seen = see_in_onnx(model, tensors_to_see(net), images)
    next(iter(seen.values())).largest[0] = np.inf
    assert choose_exponents(net, seen) == {}


def test_a_rewrite_that_changes_a_mask_is_not_kept(
    images: CalibrationSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a rule were wrong: what stops a factor is taken for what passes it on."""
    from edgeseg.calibration.equalisation import onnx_steps

    model = read("ReLU6", ENGINES["onnx"], tmp_path)
    monkeypatch.setattr(onnx_steps, "PASSING", onnx_steps.PASSING | {"Clip"})
    kept, exponents = equalise_onnx(model, images)
    assert kept is model
    assert describe_equalised(exponents) == {"equalized_tensors": 0, "equalization": OTHER_LOGITS}
    monkeypatch.setattr("edgeseg.calibration.equalisation.onnx_equalised.computes_the_same", lambda *_: True)
    changed, exponents = equalise_onnx(model, images)
    assert exponents
    assert not np.array_equal(*(run_onnx(one, images.tensor(images.images[0])) for one in (model, changed)))


def test_factors_are_read_back_from_the_file(tmp_path: Path) -> None:
    exponents = {"net/t0": np.array([0, -8, 3]), "net/t1": np.array([1, 0])}
    model, ir = read("ReLU", ENGINES["onnx"], tmp_path), read("ReLU", ENGINES["openvino"], tmp_path)
    assert read_from_onnx(model) == read_from_ir(ir) == {}
    write_into_onnx(model, exponents)
    write_into_ir(ir, exponents)
    for found in (read_from_onnx(model), read_from_ir(ir)):
        assert {name: values.tolist() for name, values in found.items()} == {
            name: values.tolist() for name, values in exponents.items()
        }
