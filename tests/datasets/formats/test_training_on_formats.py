"""``edgeseg train --data`` on each format of labels that is read: the same drawn street, whoever wrote it down."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_labels import CAR, CLASSES, HEIGHT, ROAD, STRAY, WIDTH, street, write_picture

import edgeseg
from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.datasets.table import READERS, find_reader
from edgeseg.training.checkpoint import read_checkpoint

COUNT = 5
SHAPES = (("road", ROAD), ("car", CAR), ("car", STRAY))
VOC_MAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:128,0,0::\nroad:0,128,0::\n"
CITYSCAPES_IDS = np.array([0, 26, 7], np.uint8)


def write_json(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8-sig")


def write_mask(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), mask)


def pictures(folder: Path) -> list[Path]:
    return [write_picture(folder / f"s{number * 'x'}_{number}.png") for number in range(COUNT)]


def flat(points: Any) -> list[float]:
    return [value for point in points for value in point]


def write_ours(root: Path) -> None:
    for picture in pictures(root / "images/train"):
        write_mask(root / "masks/train" / picture.name, street())
    (root / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")


def write_beside(root: Path) -> None:
    for picture in pictures(root):
        write_mask(root / f"{picture.stem}_mask.png", street())
    (root / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")


def write_voc(root: Path) -> None:
    colors = np.array([[0, 0, 0], [0, 0, 128], [0, 128, 0]], np.uint8)
    names = [picture.stem for picture in pictures(root / "JPEGImages")]
    for name in names:
        write_mask(root / f"SegmentationClass/{name}.png", colors[street()])
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\r\n".join(names[1:]), encoding="utf-8")
    (lists / "val.txt").write_text(names[0], encoding="utf-8")
    (root / "labelmap.txt").write_text(VOC_MAP, encoding="utf-8-sig")


def write_cityscapes(root: Path) -> None:
    for split in ("train", "val"):
        for number in range(COUNT):
            name = f"berlin_{number:06}_000019"
            write_picture(root / f"leftImg8bit/{split}/berlin/{name}_leftImg8bit.png")
            write_mask(root / f"gtFine/{split}/berlin/{name}_gtFine_labelIds.png", CITYSCAPES_IDS[street()])


def write_coco(root: Path) -> None:
    images, objects = [], []
    for at, picture in enumerate(pictures(root / "train2017")):
        images.append({"id": 7 + at, "file_name": picture.name, "width": WIDTH, "height": HEIGHT})
        objects += [
            {"id": len(objects) + n, "image_id": 7 + at, "category_id": {"car": 3, "road": 90}[name],
             "segmentation": [flat(points)], "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}
            for n, (name, points) in enumerate(SHAPES)
        ]  # fmt: skip
    categories = [{"id": 3, "name": "car"}, {"id": 90, "name": "road"}]
    values = {"images": images, "annotations": objects, "categories": categories}
    write_json(root / "annotations/instances_train2017.json", values)


def write_yolo(root: Path) -> None:
    lines = [
        " ".join([str(CLASSES.index(name) - 1), *(f"{x / WIDTH:.9f} {y / HEIGHT:.9f}" for x, y in points)])
        for name, points in SHAPES
    ]
    for picture in pictures(root / "images/train"):
        label = root / "labels/train" / f"{picture.stem}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("\r\n".join(lines), encoding="utf-8-sig")
    said = "path: .\r\ntrain: images/train\r\nnames: [car, road]\r\n"
    (root / "data.yaml").write_text(said, encoding="utf-8-sig")


def write_supervisely(root: Path) -> None:
    classes = [{"title": name, "shape": "polygon", "color": "#ff0000"} for name in ("car", "road")]
    write_json(root / "meta.json", {"classes": classes, "tags": []})
    objects = [
        {"classTitle": name, "geometryType": "polygon", "points": {"exterior": points, "interior": []}}
        for name, points in SHAPES
    ]
    for picture in pictures(root / "train/img"):
        said = {"size": {"height": HEIGHT, "width": WIDTH}, "objects": objects}
        write_json(root / f"train/ann/{picture.name}.json", said)


def write_cvat(root: Path) -> None:
    labels = "".join(f"<label><name>{name}</name></label>" for name in ("car", "road"))
    shapes = "".join(
        f'<polygon label="{name}" points="{";".join(f"{x},{y}" for x, y in points)}" z_order="0"/>'
        for name, points in SHAPES
    )
    images = "".join(
        f'<image id="{at}" name="{picture.name}" width="{WIDTH}" height="{HEIGHT}">{shapes}</image>'
        for at, picture in enumerate(pictures(root / "images"))
    )
    text = f"<annotations><version>1.1</version><meta><job><labels>{labels}</labels></job></meta>{images}</annotations>"
    (root / "annotations.xml").write_text(text, encoding="utf-8-sig")


def write_labelme(root: Path) -> None:
    shapes = [{"label": name, "points": points, "shape_type": "polygon", "flags": {}} for name, points in SHAPES]
    for picture in pictures(root):
        said = {"version": "5", "shapes": shapes, "imagePath": picture.name, "imageData": None}
        write_json(picture.with_suffix(".json"), {**said, "imageHeight": HEIGHT, "imageWidth": WIDTH})


def write_label_studio(root: Path) -> None:
    tasks = []
    for at, picture in enumerate(pictures(root)):
        regions = [
            {"id": f"r{n}", "type": "polygonlabels", "from_name": "label", "to_name": "image", "image_rotation": 0,
             "original_width": WIDTH, "original_height": HEIGHT,
             "value": {"points": [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in points], "polygonlabels": [name]}}
            for n, (name, points) in enumerate(SHAPES)
        ]  # fmt: skip
        data = {"image": f"/data/upload/1/1a2b3c4d-{picture.name}"}
        tasks.append({"id": at, "data": data, "annotations": [{"id": at, "result": regions}]})
    write_json(root / "project-1.json", tasks)


def write_via(root: Path) -> None:
    entries = {}
    for picture in pictures(root):
        regions = []
        for name, points in SHAPES:
            x, y = zip(*points, strict=True)
            shape = {"name": "polygon", "all_points_x": list(x), "all_points_y": list(y)}
            regions.append({"shape_attributes": shape, "region_attributes": {"class": name}})
        entries[picture.name] = {"filename": picture.name, "size": 9, "regions": regions, "file_attributes": {}}
    write_json(root / "via_region_data.json", entries)


def table_of_pictures(root: Path) -> Any:
    arrow = pytest.importorskip("pyarrow", reason="tables of Hugging Face need the extra `huggingface`")
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    mask = cv2.imencode(".png", street())[1].tobytes()
    images = [{"bytes": picture.read_bytes(), "path": picture.name} for picture in pictures(root / "unused")]
    masks = [{"bytes": mask, "path": None} for _ in images]
    write_json(root / "id2label.json", dict(enumerate(CLASSES)))
    return arrow.table([arrow.array(images, kind), arrow.array(masks, kind)], names=["image", "label"])


def write_parquet(root: Path) -> None:
    table = table_of_pictures(root)
    (root / "data").mkdir()
    pytest.importorskip("pyarrow.parquet").write_table(table, root / "data/train-00000-of-00001.parquet")


def write_saved(root: Path) -> None:
    table = table_of_pictures(root)
    write_json(root / "train/state.json", {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]})
    arrow = pytest.importorskip("pyarrow", reason="tables of Hugging Face need the extra `huggingface`")
    with arrow.ipc.new_stream(str(root / "train/data-00000-of-00001.arrow"), table.schema) as stream:
        stream.write_table(table)


def write_image_folder(root: Path) -> None:
    rows = []
    for picture in pictures(root / "train/photos"):
        write_mask(root / "train/drawn" / f"m{picture.name}", street())
        names = {"image_file_name": f"photos/{picture.name}", "label_file_name": f"drawn/m{picture.name}"}
        rows.append(json.dumps(names, ensure_ascii=False))
    (root / "train/metadata.jsonl").write_text("\r\n".join(rows), encoding="utf-8-sig")
    (root / "classes.txt").write_text("\r\n".join(CLASSES), encoding="utf-8-sig")


def write_shards(root: Path) -> None:
    write_ours(root.with_name("unpacked"))
    edgeseg.shard_dataset(root.with_name("unpacked"), out=root, shard_mb=0.02)


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "ours": ("edgeseg", write_ours),
    "pictures beside masks": ("beside", write_beside),
    "Pascal VOC": ("voc", write_voc),
    "Cityscapes": ("cityscapes", write_cityscapes),
    "COCO": ("coco", write_coco),
    "YOLO": ("yolo", write_yolo),
    "Supervisely": ("supervisely", write_supervisely),
    "CVAT": ("cvat", write_cvat),
    "LabelMe": ("labelme", write_labelme),
    "Label Studio": ("label-studio", write_label_studio),
    "VIA": ("via", write_via),
    "parquet": ("huggingface", write_parquet),
    "imagefolder": ("imagefolder", write_image_folder),
    "shards": ("shards", write_shards),
    "save_to_disk": ("huggingface", write_saved),
}
NOT_TRAINED_ON = {"archive"}


def test_every_reader_is_in_the_table() -> None:
    assert {name for name, _ in WRITERS.values()} | NOT_TRAINED_ON == {reader.name for reader in READERS}


@pytest.mark.parametrize("format", WRITERS)
def test_training_reads_what_was_drawn(format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, write = WRITERS[format]
    root, out = tmp_path / "a set é", tmp_path / "out"
    write(root)
    reader = find_reader(root)
    assert reader is not None
    assert reader.name == name
    words = [
        "--width",
        "0.25",
        "--batch",
        "2",
        "--epochs",
        "1",
        "--imgsz",
        "32",
        "32",
        "--amp",
        "no",
        "--device",
        "cpu",
    ]
    assert main(["train", "--data", str(root), "--out", str(out), *words]) == 0
    assert "Traceback" not in capsys.readouterr().err
    spec = read_checkpoint(out / "best.pt")["spec"]
    data = Dataset.open(out / "data" if (out / "data").is_dir() else root)
    order = np.array([0, 1, 2], np.uint8)
    if format == "Cityscapes":
        order = np.array([255, data.classes.index("car"), data.classes.index("road")], np.uint8)
    else:
        assert data.classes == CLASSES
    assert tuple(json.loads(spec)["classes"]) == data.classes
    for split in ("train", "val"):
        pairs = data.pairs(split)
        assert pairs
        # COCO's own programs round corners to a fifth of a pixel.
        most_other = 0.005 * HEIGHT * WIDTH if format == "COCO" else 0
        assert all((data.read(pair)[1] != order[street()]).sum() <= most_other for pair in pairs)


def test_what_was_guessed_is_told_by_training_and_from_the_cache(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for at in range(COUNT):
        picture = write_picture(tmp_path / "set/images" / f"{at * 'x'}_{at}.png")
        write_mask(tmp_path / "set/masks" / picture.name, np.where(street() > 0, 255, 0).astype(np.uint8))
    words = [
        "--width",
        "0.25",
        "--batch",
        "2",
        "--epochs",
        "1",
        "--imgsz",
        "32",
        "32",
        "--amp",
        "no",
        "--device",
        "cpu",
    ]
    for out in ("first", "again"):
        assert main(["train", "--data", str(tmp_path / "set"), "--out", str(tmp_path / out), *words]) == 0
        told = capsys.readouterr().err
        assert told.count("255 is 'foreground'") == 1
        assert f"warning: {tmp_path / 'set'}, read as pictures and masks of their names: " in told
    with pytest.warns(edgeseg.errors.DataWarning, match="255 is 'foreground'"):
        Dataset.open(tmp_path / "set")
