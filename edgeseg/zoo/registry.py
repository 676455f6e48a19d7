"""The networks of the zoo. Every figure is from docs/zoo.md, which says on what machine and how."""

from __future__ import annotations

from pathlib import Path

from edgeseg.files.model_name import ZOO_PREFIX
from edgeseg.spec import ModelSpec
from edgeseg.zoo.entry import CELLS, PERSONS, Figures, Shipped, Wheel, ZooEntry

PEOPLE = ZooEntry(
    name="people",
    summary="near persons, as on a webcam",
    limits="Persons that are small in the picture are missed: it was made for one or two in front of a camera.",
    classes=("background", "person"),
    height=256,
    width=256,
    weights=106_000,
    licence="Apache-2.0",
    data="MediaPipe Selfie Segmentation (Google); its model card names pictures of its own and their terms",
    figures=Figures(
        0.796,
        "person_voc, 240 pictures",
        {"under 16²": 0.41, "16² to 32²": 0.27, "32² to 64²": 0.31, "64² to 128²": 0.60, "128² and more": 0.79},
        core_ms={"OpenVINO fp32": 7.0, "OpenVINO INT8": 7.8, "ONNX Runtime fp32": 5.0},
    ),
    source=Wheel(
        "mediapipe==0.10.14",
        "a807328339e7356fda0bb14df12fedbf1d33bdf81649c5f8666b0026b1cc30b4",
        "3.11",
        "cp311",
        "manylinux_2_17_x86_64",
        35.7,
        "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
        (
            "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
            "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",  # npm @mediapipe/selfie_segmentation
        ),
    ),
    spec=ModelSpec("binary", ("background", "person"), 256, 256, mean=(0, 0, 0), std=(1, 1, 1)),
    proof=PERSONS,
)
PEOPLE_HD = ZooEntry(
    name="people-hd",
    summary="persons of every size",
    limits="Trained on 192 pictures: a start for a network of your own rather than a finished one.",
    classes=("background", "person"),
    height=320,
    width=320,
    weights=748_000,
    licence="not given away",
    data="pictures of PASCAL VOC, whose terms allow research and no republishing",
    figures=Figures(
        0.810,
        "person_voc, 48 pictures that it was not trained on",
        {"under 16²": 0.20, "16² to 32²": 0.20, "32² to 64²": 0.61, "64² to 128²": 0.70, "128² and more": 0.79},
    ),
    source=None,
    train="edgeseg.train('PERSON_VOC', model='lite-unet', imgsz=(320, 320), crop=(256, 256), batch=8, epochs=16, "
    "val_every=4, lr=0.003, out='runs/people-hd')",
)
ROADS = ZooEntry(
    name="roads",
    summary="11 classes of a street, from a car",
    limits="Poles and signs stay weak; it knows one town in daylight.",
    classes=(
        *("sky", "building", "pole", "road", "pavement", "tree"),
        *("sign_symbol", "fence", "car", "pedestrian", "bicyclist"),
    ),
    height=360,
    width=480,
    weights=748_000,
    licence="research only",
    data="CamVid, for research only, and so are weights trained on it",
    figures=Figures(
        0.624,
        "CamVid, 233 pictures that trained and chose nothing",
        {"under 16²": 0.11, "16² to 32²": 0.38, "32² to 64²": 0.58, "64² to 128²": 0.73, "128² and more": 0.92},
        "CamVid, the 101 pictures of its split val",
        {"OpenVINO fp32": 65.6, "OpenVINO INT8": 41.3, "ONNX Runtime fp32": 73.0},
    ),
    source=Shipped(
        "examples/camvid/lite-unet.pt", "f091e9016817d278819ba1a2f71d9186c13a87b4bd9ed0818feeefb75bf7a3bc", True
    ),
    train="edgeseg.train('CAMVID', ignore_index=11, model='lite-unet', crop=(288, 384), batch=8, epochs=45, lr=0.003, "
    "out='runs/roads')",
)
CELLS_ENTRY = ZooEntry(
    name="cells",
    summary="cells under a microscope, rendered",
    limits="It knows the rendered look and nothing else: not for real microscopy.",
    classes=("background", "cell", "border"),
    height=256,
    width=256,
    weights=250_000,
    licence="Apache-2.0",
    data="scenes that edgeseg renders, with exact masks",
    figures=Figures(
        0.963,
        "60 rendered scenes",
        {"under 16²": 0.78, "16² to 32²": 0.95, "32² to 64²": 0.97, "64² to 128²": 0.96, "128² and more": 1.00},
        core_ms={"OpenVINO fp32": 30.3, "OpenVINO INT8": 12.7, "ONNX Runtime fp32": 45.6},
    ),
    source=Shipped("assets/cells.pt", "b72cd5391a8f9404a83d6f1e99b08f41cf4d6b7dfac2f3ee2ef6b0d9084eee6a"),
    proof=CELLS,
)
ZOO = {entry.name: entry for entry in (PEOPLE, PEOPLE_HD, ROADS, CELLS_ENTRY)}


def find_entry(source: object) -> ZooEntry | None:
    """Find the network that ``source`` names, whether or not something of that name lies here; None for anything else.

    Example:
        >>> find_entry("people").licence, find_entry("zoo:people").name, find_entry("./people")
        ('Apache-2.0', 'people', None)
    """
    if not isinstance(source, str | Path):
        return None
    return ZOO.get(str(source).removeprefix(ZOO_PREFIX))
