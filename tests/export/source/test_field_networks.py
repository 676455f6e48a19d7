"""Files from public reports: each gives its author's masks, pixel by pixel, or one sentence with a way forward."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from field_files import NETWORKS, THREE, TWO, FieldFile
from PIL import Image

from edgeseg.cli import main

pytestmark = pytest.mark.long
PICTURES = 6
NEAR_TIES = {"06-fp16/fp16_io.onnx": 1e-3}
"""Part of the pixels that may differ: float16 is computed in float32, where two classes that were equal are not."""


@pytest.fixture(scope="module")
def field(data_dir: Path) -> Path:
    folder = data_dir / "field"
    if not folder.is_dir():
        pytest.skip("the folder field of the sample data is not there")
    return folder


def pictures(field: Path, size: tuple[int, int], folder: Path) -> list[Path]:
    """Real pictures at a network's size, so that nothing is resized on the way."""
    folder.mkdir()
    chosen = sorted((field / "three" / "images" / "val").iterdir())[::4][:PICTURES]
    for path in chosen:
        picture = cv2.resize(cv2.imread(str(path)), size[::-1], interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{path.stem}.png"), picture)
    return sorted(folder.iterdir())


def run_masks(file: FieldFile, field: Path, folder: Path, model_format: str) -> list[Path]:
    """Export and run, as it is typed."""
    export = ["export", str(field / file.path), *file.command(), "--format", model_format, "--out", str(folder / "out")]
    assert main([*export, "--name", "net"]) == 0
    artifact = str(folder / "out" / f"net-fp32-{model_format}")
    assert main(["run", artifact, "--source", str(folder / "in"), "--save-masks", str(folder / "masks")]) == 0
    return sorted((folder / "masks").iterdir())


@pytest.mark.parametrize("model_format", ["onnx", "openvino"])
@pytest.mark.parametrize("file", NETWORKS, ids=lambda file: file.path)
def test_masks_are_those_of_the_file_in_onnx_runtime(file, model_format, field, tmp_path):
    given = pictures(field, file.size, tmp_path / "in")
    found = [np.array(Image.open(path)) for path in run_masks(file, field, tmp_path, model_format)]
    wanted = [file.mask(field, cv2.imread(str(path))) for path in given]
    assert len(found) == len(wanted) == PICTURES
    assert len(np.unique(wanted)) > 1, "masks of one label would prove nothing"
    limit = NEAR_TIES.get(file.path, 0 if model_format == "onnx" else 1e-4)
    assert np.mean(np.array(found) != np.array(wanted)) <= limit


REFUSED = [
    ("01-checkpoints/checkpoint_epoch5.pth", THREE, (), "checkpoint of another project.*build\\(\\)' --weights"),
    ("01-checkpoints/epoch=4.ckpt", THREE, (), "PyTorch Lightning checkpoint.*--weights"),
    ("01-checkpoints/model.safetensors", THREE, (), "safetensors.*--weights"),
    ("01-checkpoints/model_best.pth.tar", THREE, (), "checkpoint of another project.*build\\(\\)' --weights"),
    ("01-checkpoints/whole_model.pth", THREE, (), "pickled classes.*state_dict.*export 'nets:UNet\\(\\)' --weights"),
    ("02-u2net/u2net.onnx", TWO, (), "this file has 7: .*--logits NAME"),
    ("03-argmax/bi_aux.onnx", THREE, (), "this file has 2: out .*aux .*--logits NAME"),
    (
        "04-segformer/segformer.onnx",
        THREE,
        ("--imgsz", "144", "192"),
        "36x48 where .*Give --upsample",
    ),
    ("05-nhwc/uint8_nhwc.onnx", THREE, ("--mean", "0.485", "0.456", "0.406"), "prepares them itself.*Leave both out"),
    ("11-inputs/rgbn_4band.onnx", THREE, (), "takes 4 channels.*must take 1 or 3 channels"),
    ("16-foreign-kinds/yolo-seg.onnx", THREE, (), "instance segmentation network .*YOLO-seg.*semantic segmentation"),
    ("16-foreign-kinds/yolo-seg.onnx", THREE, ("--logits", "output1"), "instance segmentation network .*YOLO-seg"),
    ("16-foreign-kinds/recurrent.onnx", TWO, (), "a recurrent network.*whose only input is the image"),
    ("16-foreign-kinds/ir.xml", TWO, (), "gives 3 channel.*3 classes"),
    ("16-foreign-kinds/ir.bin", TWO, (), "weights of some model.*give the ONNX file or the checkpoint"),
    ("17-prob-resize/sigmoid_times_255.onnx", TWO, (), "prepares its pixels itself.*--value-range 255"),
    ("03-argmax/bi_argmax.onnx", ("a", "b"), (), "gives 3 channel.*3 classes"),
]


@pytest.mark.parametrize(("path", "classes", "flags", "message"), REFUSED)
def test_what_cannot_be_read_is_declined_in_one_sentence(path, classes, flags, message, field, tmp_path, capsys):
    said = ["--classes", ",".join(classes), "--color-order", "rgb", "--mean", "0", "0", "0", "--std", "1", "1", "1"]
    code = main(["export", str(field / path), *said, *flags, "--out", str(tmp_path / "out")])
    error = capsys.readouterr().err
    assert code == 2
    assert re.search(message, error), error
    assert len(error.strip().splitlines()) == 1
    assert not list((tmp_path / "out").glob("*"))
