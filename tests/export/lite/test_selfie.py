"""MediaPipe's selfie network: TFLite, weights in float16, an operation that neither OpenVINO nor tf2onnx reads."""

from __future__ import annotations

import re
import shutil
from collections import Counter

import numpy as np
import pytest
from people import PEOPLE, RECORDED, SELFIE, picture
from your_network import run_blocks

import edgeseg
from edgeseg.export.build import onnx_artifact, openvino_artifact
from edgeseg.export.graphs.ort_session import make_run
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.tflite.read_lite import read_lite
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.samples import samples_from


@pytest.fixture(scope="module")
def selfie(data_dir):
    path = data_dir / SELFIE
    return read_lite(path.read_bytes(), path).model


def test_it_gives_what_the_interpreter_of_tflite_gave(selfie, data_dir):
    found = make_run(selfie)(picture(data_dir).transpose(0, 3, 1, 2).copy())[0]
    recorded = np.load(RECORDED / "selfie.npz")["every_fourth"]
    assert recorded.min() < 0.01
    assert recorded.max() > 0.99
    assert np.abs(found[0, 0, ::4, ::4] - recorded).max() < 1e-3


def test_no_transpose_is_left_in_it(selfie):
    kinds = Counter(node.op_type for node in selfie.graph.node)
    assert (kinds["Conv"], kinds["ConvTranspose"]) == (54, 1)
    assert not {"Transpose", "Reshape", "Cast"} & set(kinds)


def test_it_finds_people_as_onnx_and_as_openvino(data_dir, tmp_path):
    source = source_net(data_dir / SELFIE, PEOPLE)
    assert (source.spec.task, source.stage) == ("binary", "tflite file")
    samples = samples_from(data_dir / "person_voc", source.spec).spread(6)
    place = OutputOptions(tmp_path, source.name)
    first = onnx_artifact(source, place, None, samples)
    second = openvino_artifact(source, first.artifact, place, samples)
    assert first.comparison.stages[1].agreement == 1
    assert second.comparison.stages[1].agreement > 0.9999
    assert second.comparison.stages[1].confusion.iou[1] > 0.5
    assert source.parents.items() <= second.artifact.parents.items()


def test_the_page_exports_it(data_dir, tmp_path, monkeypatch, capsys):
    shutil.copyfile(data_dir / SELFIE, tmp_path / "selfie_segmentation.tflite")
    monkeypatch.chdir(tmp_path)
    run_blocks("TensorFlow Lite")
    assert re.search(r"openvino fp32 +100\.000 %", capsys.readouterr().out)
    assert (tmp_path / "artifacts" / "selfie_segmentation-fp32-openvino" / "edgeseg.json").is_file()


@pytest.mark.long
def test_it_labels_people_as_it_was_measured_to(data_dir, tmp_path):
    artifact = edgeseg.export_model(data_dir / SELFIE, spec=source_net(data_dir / SELFIE, PEOPLE).spec, out=tmp_path)
    found = edgeseg.evaluate(artifact, data_dir / "person_voc", split="train")
    assert found.confusion.mean_iou == pytest.approx(0.796, abs=0.002)
