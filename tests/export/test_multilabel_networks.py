"""Somebody else's network of independent sigmoids, from its file to the masks that a run saves."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from shared_folder import FillOnce

import edgeseg
from edgeseg.calibration.quantizers.ir_in_float import IrInFloat
from edgeseg.calibration.search.sensitivity import layer_risk
from edgeseg.cli import main
from edgeseg.image import UInt8, fit, read_mask

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
HOW = ["--color-order", "rgb", "--mean", "0.485", "0.456", "0.406", "--std", "0.229", "0.224", "0.225"]
SKY_ROAD = ("12-multilabel/sky_road_logits.onnx", "sky,road", ("--task", "multilabel"))
SIGMOIDS = ("11-inputs/multilabel_sigmoid.onnx", "other,sky,road", ())
Network = tuple[str, str, tuple[str, ...]]


@pytest.fixture(scope="session")
def field(data_dir: Path) -> Path:
    if not (data_dir / "field" / "12-multilabel").is_dir():
        pytest.skip("the sample data has no networks of the field")
    return data_dir / "field"


@pytest.fixture(scope="session")
def images(field: Path) -> Path:
    return field / "12-multilabel" / "imgs"


def export(field: Path, network: Network, fmt: str, out: Path, *further: str) -> None:
    file, classes, task = network
    words = ["export", str(field / file), "--classes", classes, *task, *HOW, "--format", fmt, "--out", str(out)]
    assert main([*words, "--name", "net", *further]) == 0


@pytest.fixture
def artifact(field: Path, images: Path, fill_once: FillOnce, request: pytest.FixtureRequest) -> Path:
    """An artifact of (network, format, precision)."""
    network, fmt, precision = request.param
    int8 = ("--int8", "--data", str(images), "--max-drop", "2") if precision == "int8" else ()
    folder = fill_once(
        f"multilabel-{Path(network[0]).stem}-{fmt}-{precision}", lambda into: export(field, network, fmt, into, *int8)
    )
    return folder / f"net-{precision}-{fmt}"


def probabilities(file: Path, picture: UInt8) -> np.ndarray:
    """(K, H, W) of the original file in ONNX Runtime, by plain numpy."""
    session = onnxruntime.InferenceSession(file)
    height, width = session.get_inputs()[0].shape[2:]
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    planes = ((small[..., ::-1].astype(np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)[None]
    values = session.run(None, {session.get_inputs()[0].name: planes})[0][0]
    return values if "sigmoid" in file.name else 1 / (1 + np.exp(-values))


def truth(file: Path, image: Path) -> UInt8:
    """(K, H, W) 0 or 1 at the picture's size."""
    picture = cv2.imread(str(image))
    shown = (probabilities(file, picture) >= 0.5).astype(np.uint8)
    size = picture.shape[1::-1]
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST_EXACT) for plane in shown])


IDS = ["sigmoids-onnx", "logits-onnx", "logits-openvino", "sigmoids-openvino"]
FLOATS = [
    (SIGMOIDS, "onnx", "fp32"),
    (SKY_ROAD, "onnx", "fp32"),
    (SKY_ROAD, "openvino", "fp32"),
    (SIGMOIDS, "openvino", "fp32"),
]


@pytest.mark.parametrize("artifact", FLOATS, indirect=True, ids=IDS)
def test_saved_masks_are_those_of_the_original_file(
    artifact: Path, field: Path, images: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    file = field / request.node.callspec.params["artifact"][0][0]
    lines = tmp_path / "lines.jsonl"
    saved = ["--save-masks", str(tmp_path / "masks"), "--jsonl", str(lines)]
    assert main(["run", str(artifact), "--source", str(images), *saved]) == 0
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    for image, record in zip(sorted(images.iterdir()), records, strict=True):
        expected = truth(file, image)
        labels = read_mask(tmp_path / "masks" / f"{image.stem}.png")
        assert np.array_equal(labels, (expected << np.arange(len(expected))[:, None, None]).sum(0))
        assert record["classes"] == pytest.approx(
            {name: plane.mean() for name, plane in zip(record["classes"], expected, strict=True)}, abs=0.005
        )


@pytest.mark.parametrize("artifact", [FLOATS[1]], indirect=True)
def test_pixels_that_are_neither_sky_nor_road_are_neither(artifact: Path, images: Path) -> None:
    with edgeseg.load(artifact) as model:
        results = list(model.predict(images))
    neither = np.mean([np.mean(~(result.mask("sky") | result.mask("road"))) for result in results])
    assert 0.5 < neither < 0.75
    for result in results:
        shares = [area.share for area in result.areas().values()]
        assert result.mask("sky").mean() == pytest.approx(shares[0])
        assert sum(shares) < 0.9
        assert result.prediction.confidence is not None
        assert result.prediction.confidence.shape == (2, 144, 192)


@pytest.mark.parametrize("artifact", [FLOATS[2]], indirect=True)
def test_each_class_has_its_own_threshold(artifact: Path, field: Path, images: Path, tmp_path: Path) -> None:
    words = ["run", str(artifact), "--source", str(images), "--save-masks", str(tmp_path), "--conf", "road=0.9,sky=0.2"]
    assert main(words) == 0
    image = min(images.iterdir())
    picture = cv2.imread(str(image))
    given = probabilities(field / SKY_ROAD[0], picture)
    labels = read_mask(tmp_path / f"{image.stem}.png")
    for bit, threshold in enumerate((0.2, 0.9)):
        shown = (given[bit] >= threshold).astype(np.uint8)
        expected = cv2.resize(shown, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        assert np.mean((labels >> bit & 1) != expected) < 0.002, "a threshold is met to within 1/510"


def test_a_task_that_is_given_wins_over_the_sigmoid(field: Path, tmp_path: Path) -> None:
    export(field, (SIGMOIDS[0], SIGMOIDS[1], ("--task", "multiclass")), "onnx", tmp_path)
    assert edgeseg.Artifact.open(tmp_path / "net-fp32-onnx").spec.task == "multiclass"


def test_logits_that_are_all_negative_where_no_class_shows_are_asked_about(
    field: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(field / SKY_ROAD[0])
    assert main(["export", file, "--classes", "sky,road", *HOW, "--format", "onnx", "--out", str(tmp_path)]) == 2
    assert "Say which is meant: --task multilabel, or --task multiclass" in capsys.readouterr().err
    export(field, (SKY_ROAD[0], "sky,road", ("--task", "multiclass")), "onnx", tmp_path)


@pytest.mark.parametrize("file", ["06-fp16/fp32.onnx", "03-argmax/bi_softmax.onnx", "10-int8/lraspp.onnx"])
def test_networks_of_one_class_a_pixel_are_not_asked_about(field: Path, tmp_path: Path, file: str) -> None:
    export(field, (file, "building,sky,road", ()), "onnx", tmp_path)
    assert edgeseg.Artifact.open(tmp_path / "net-fp32-onnx").spec.task == "multiclass"


def test_thresholds_go_into_the_graph(field: Path, images: Path, tmp_path: Path) -> None:
    export(field, SKY_ROAD, "onnx", tmp_path, "--conf", "road=0.9")
    artifact = edgeseg.Artifact.open(tmp_path / "net-fp32-onnx")
    assert artifact.spec.thresholds == (0.5, 0.9)
    image = min(images.iterdir())
    with edgeseg.load(artifact) as model:
        labels = model(image).prediction.labels
    given = probabilities(field / SKY_ROAD[0], cv2.imread(str(image)))
    assert np.array_equal(labels >> 1 & 1, given[1] >= 0.9)


@pytest.mark.parametrize("artifact", [FLOATS[2]], indirect=True)
def test_the_search_ranks_layers_by_the_logits(artifact: Path, field: Path, images: Path) -> None:
    parent = edgeseg.Artifact.open(artifact)
    image = fit(cv2.imread(str(min(images.iterdir()))), parent.spec)
    found = IrInFloat(parent, parent).logits((), [image[np.newaxis]])[0]
    given = probabilities(field / SKY_ROAD[0], cv2.imread(str(min(images.iterdir()))))
    assert found.shape == (1, 2, 144, 192)
    np.testing.assert_allclose(1 / (1 + np.exp(-found[0])), given, atol=1e-4)


def test_noise_counts_by_each_class_of_a_multilabel_network() -> None:
    """A shift that all classes share moves no ArgMax, and moves every threshold."""

    class Shifted:
        layers = ("conv",)

        def logits(self, kept: frozenset[str], tensors: object) -> list[np.ndarray]:
            wanted = np.random.default_rng(1).normal(0, 1, (1, 3, 8, 8)).astype(np.float32)
            return [wanted if kept else wanted + 7]

    assert layer_risk(Shifted(), [])["conv"] == pytest.approx(0, abs=1e-6)  # type: ignore[arg-type]
    assert layer_risk(Shifted(), [], independent=True)["conv"] > 0.9  # type: ignore[arg-type]


@pytest.mark.slow
def test_tensorrt_builds_the_graph_of_bits(field: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
    export(field, SKY_ROAD, "engine-rtx", tmp_path)
    assert edgeseg.Artifact.open(tmp_path / "net-fp32-tensorrt").outputs == ("labels", "confidence")


@pytest.mark.slow
@pytest.mark.parametrize("fmt", ["onnx", "openvino", "tensorrt"])
def test_int8_is_proven_class_by_class(field: Path, images: Path, tmp_path: Path, fmt: str) -> None:
    proof = ["--int8", "--data", str(images), "--max-drop", "2"]
    export(field, SKY_ROAD, fmt, tmp_path, *proof)
    artifact = edgeseg.Artifact.open(tmp_path / f"net-int8-{fmt}")
    stage = artifact.measured["stages"][f"{fmt} int8"]
    assert set(stage["iou"]) == {"sky", "road"}
    assert min(stage["iou"].values()) > 0.95
    assert artifact.spec.task == "multilabel"
