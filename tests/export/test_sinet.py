"""A real third-party network: SINet portrait segmentation, opset 12, weights listed as inputs."""

from __future__ import annotations

import pytest

from edgeseg.errors import SpecError
from edgeseg.export.build import Place, onnx_artifact, openvino_artifact
from edgeseg.export.foreign_spec import SpecFlags
from edgeseg.export.samples import samples_from
from edgeseg.export.source_net import source_net

# The authors normalise (x - mean) / std on 0..255 and then divide by 255 once more.
AUTHORS = SpecFlags(
    classes=("background", "person"),
    color_order="bgr",
    mean=(102.890434, 111.25247, 126.91212),
    std=tuple(255 * s for s in (62.93292, 62.82138, 66.355705)),
    value_range=255,
)


def test_it_is_refused_without_a_spec(data_dir):
    with pytest.raises(SpecError, match=r"--classes .*--color-order .*--mean"):
        source_net(data_dir / "models" / "sinet_320.onnx", SpecFlags())


def test_it_finds_people_with_the_authors_preprocessing(data_dir, tmp_path):
    source = source_net(data_dir / "models" / "sinet_320.onnx", AUTHORS)
    samples = samples_from(data_dir / "person_voc", source.spec).spread(6)
    place = Place(tmp_path, source.name)
    first = onnx_artifact(source, place, None, samples)
    second = openvino_artifact(source, first.artifact, place, samples)
    assert second.comparison.labelled
    assert second.comparison.stages[1].confusion.iou[1] > 0.5
    assert second.comparison.stages[1].agreement > 0.9999
