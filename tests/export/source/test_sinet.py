"""A real third-party network: SINet portrait segmentation, opset 12, weights listed as inputs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from sinet_spec import AUTHORS

from edgeseg.errors import SpecError
from edgeseg.export.build import onnx_artifact, openvino_artifact, reference_stage
from edgeseg.export.graphs.opset import read_opset
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.specs.foreign_spec import SpecFlags
from edgeseg.proof.compare import compare
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.samples import samples_from
from edgeseg.proof.stage import Stage

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "sinet.py"


def test_it_is_refused_without_a_spec(data_dir):
    with pytest.raises(SpecError, match=r"`classes=.*`color_order=.*`mean="):
        source_net(data_dir / "models" / "sinet_320.onnx", SpecFlags())


def test_it_is_brought_to_opset_17_with_fewer_nodes_and_no_weights_as_inputs(data_dir):
    given = onnx.load(str(data_dir / "models" / "sinet_320.onnx"))
    net = source_net(data_dir / "models" / "sinet_320.onnx", AUTHORS).proto
    assert (read_opset(given), len(given.graph.input), len(given.graph.node)) == (12, 380, 243)
    assert (read_opset(net), len(net.graph.input)) == (17, 1)
    assert len(net.graph.node) < 0.9 * len(given.graph.node)
    norms = [sum(node.op_type == "BatchNormalization" for node in model.graph.node) for model in (given, net)]
    assert norms == [58, 20], "the other 20 stand behind a Concat, an Add or a Resize and have nowhere to go"


def test_it_finds_people_with_the_authors_preprocessing(data_dir, tmp_path):
    source = source_net(data_dir / "models" / "sinet_320.onnx", AUTHORS)
    samples = samples_from(data_dir / "person_voc", source.spec).spread(6)
    place = OutputOptions(tmp_path, source.name)
    first = onnx_artifact(source, place, None, samples)
    second = openvino_artifact(source, first.artifact, place, samples)
    assert second.comparison.labelled
    assert second.comparison.stages[1].confusion.iou[1] > 0.5
    assert second.comparison.stages[1].agreement > 0.9999


@pytest.fixture
def people(data_dir, tmp_path):
    """Twelve pictures of people, without their masks."""
    images = sorted((data_dir / "person_voc" / "images" / "train").iterdir())[::20][:12]
    (tmp_path / "people").mkdir()
    for image in images:
        shutil.copyfile(image, tmp_path / "people" / image.name)
    return tmp_path / "people"


def person_iou(comparison) -> float:
    """IoU of the person masks of the last stage against those of the first."""
    return comparison.stages[-1].confusion.iou[1]


def test_its_float_masks_move_with_noise_that_nobody_sees(data_dir, people):
    """Why INT8 cannot give its masks: +-4 of 255 grey levels of noise move 2 to 3 % of the person masks' area."""
    source = source_net(data_dir / "models" / "sinet_320.onnx", AUTHORS)
    stage = reference_stage(source)
    rng = np.random.default_rng(0)

    def noisy(image):
        return stage.predict(np.clip(image + rng.integers(-4, 5, image.shape), 0, 255).astype(np.uint8))

    found = compare([stage, Stage("noisy", noisy)], samples_from(people, source.spec), source.spec)
    assert 0.9 < person_iou(found) < 0.99


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_search_keeps_enough_in_float_for_its_person_masks(data_dir, tmp_path):
    """0.97 is asked; plain INT8 reaches 0.89, see docs/results.md."""
    model = data_dir / "models" / "sinet_320.onnx"
    command = [sys.executable, str(BENCHMARK), str(model), "--data", str(data_dir / "person_voc")]
    command += ["--json", str(tmp_path / "found.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    plain, searched = json.loads((tmp_path / "found.json").read_text())
    assert plain["person_iou"] > 0.85
    assert searched["person_iou"] >= 0.97
    assert 0 < searched["layers_in_float"] <= searched["layers"] / 2
