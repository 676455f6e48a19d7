"""Folders that ``save_pretrained`` of segmentation_models.pytorch wrote.

``config.json`` holds the arguments of the network: its classes, its channels, its last activation and its encoder. How
pixels are prepared follows from the encoder and the weights it began with, as the library's
``get_preprocessing_params`` has it. Since version 0.5 that function asks the hub, so the facts are kept here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeseg.console.extras import require
from edgeseg.errors import CheckpointError, EdgesegError, SpecError
from edgeseg.export.hubs.folder_files import check_weights_file, first_line, read_weights
from edgeseg.export.hubs.hub_net import IMAGENET, USUAL_SIZE, HubNet, Note, name_classes, require_library, same_size
from edgeseg.export.hubs.saved_transform import read_transform
from edgeseg.export.hubs.timm_config import describe_config

LIBRARY, PACKAGE = "segmentation_models_pytorch", "segmentation-models-pytorch"
MAX_CLASSES = 254
_HALF: Mapping[str, Any] = {"color_order": "rgb", "mean": (0.5,) * 3, "std": (0.5,) * 3}
_DPN: Mapping[str, Any] = {
    "color_order": "rgb",
    "mean": (124 / 255, 117 / 255, 104 / 255),
    "std": (1 / (0.0167 * 255),) * 3,
}
_OTHERS = (
    (re.compile(r"inception|xception|timm-tf_efficientnet_lite"), _HALF),
    (re.compile(r"dpn"), _DPN),
)
"""Encoders whose own weights took another mean and deviation than ImageNet's, as version 0.4.0 lists them."""
_OF_TIMM = re.compile(r"tu-|timm-(regnet|res2|resnest|mobilenetv3|gernet)")
_NAME = re.compile(r"[\w.+-]+")
_ONE_CLASS_A_PIXEL = ("softmax", "softmax2d", "logsoftmax", "argmax", "argmax2d")


def is_smp(config: Mapping[str, Any]) -> bool:
    """Tell whether a folder's ``config.json`` is of segmentation_models.pytorch."""
    return "encoder_name" in config


def open_smp(path: Path, config: Mapping[str, Any]) -> HubNet:
    """Open a folder by the library itself.

    Raises:
        MissingExtra: the library is not installed.
        CheckpointError: it does not open the folder.
        SpecError: classes or channels that edgeseg does not run.
    """
    classes, channels = _count(config, "classes", 1), _count(config, "in_channels", 3)
    if channels not in (1, 3):
        raise SpecError(f"{path} takes {channels} channels ('in_channels'); edgeseg runs networks of colour or grey.")
    if not 1 <= classes <= MAX_CLASSES:
        raise SpecError(f"{path} has {classes} classes; edgeseg runs 1 to {MAX_CLASSES}.")
    encoder = str(config["encoder_name"])
    if not _NAME.fullmatch(encoder):
        raise CheckpointError(f"{path} names the encoder {encoder[:60]!r}, which is no name of one.")
    module = _load(path, config)
    pixels, notes = _read_pixels(path, config, encoder, channels)
    says, assumes = {**_say_task(config, classes), **pixels["says"]}, {**pixels["assumes"]}
    assumes.setdefault("imgsz", USUAL_SIZE)
    if "imgsz" not in says:
        size = "x".join(map(str, USUAL_SIZE))
        notes.append(("imgsz", f"The folder says no size: {size} is taken. `imgsz` gives that of training."))
    assumes["classes"] = name_classes(classes)
    called = _few(assumes["classes"])
    notes.append(("classes", f"The folder names no classes: they are called {called}. `classes` names them."))
    what = f"{path} ({config.get('_model_class')} of segmentation_models.pytorch, {encoder})"
    return HubNet(same_size(module), what, says, assumes, tuple(notes))


def _count(config: Mapping[str, Any], key: str, default: int) -> int:
    value = config.get(key, default)
    if type(value) is not int:
        raise CheckpointError(f"`{key}` of config.json is a whole number; found {value!r}.")
    return value


def _load(path: Path, config: Mapping[str, Any]) -> Any:
    """Build the network and fill it from the folder; its encoder starts empty, so that nothing is downloaded."""
    check_weights_file(path)
    library = require_library(LIBRARY, PACKAGE, path)
    torch = require("torch", "export")
    kind = getattr(library, str(config.get("_model_class")), None)
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        raise CheckpointError(
            f"{path} is of a class {config.get('_model_class')!r} that this segmentation_models.pytorch does not have. "
            "Install the version that wrote it, or a newer one."
        )
    arguments = {name: value for name, value in config.items() if not name.startswith("_")}
    try:
        net = kind(**{**arguments, "encoder_weights": None})
        net.load_state_dict(read_weights(path))
        return net
    except EdgesegError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"segmentation_models.pytorch does not open {path}: {first_line(error)}. Write the folder again with "
            f"net.save_pretrained({str(path)!r}), or install the version of the library that wrote it."
        ) from error


def _say_task(config: Mapping[str, Any], classes: int) -> dict[str, Any]:
    if classes == 1:
        return {"task": "binary"}
    return {"task": "multiclass"} if config.get("activation") in _ONE_CLASS_A_PIXEL else {}


def _read_pixels(
    path: Path, config: Mapping[str, Any], encoder: str, channels: int
) -> tuple[dict[str, dict[str, Any]], list[Note]]:
    """How pixels are prepared: as the transform beside the weights says, else as the encoder's own weights were."""
    said, notes = read_transform(path)
    if channels == 1:
        return {"says": {**said, "color_order": "gray"}, "assumes": {}}, notes
    begun = config.get("encoder_weights")
    known = encoder_pixels(encoder, begun)
    if known is None:
        return {"says": said, "assumes": {}}, notes
    if "mean" in said:
        return {"says": said, "assumes": {"color_order": "rgb"}}, notes
    if begun is not None:
        return {"says": {**known, **said}, "assumes": {}}, notes
    usual = (
        f"'encoder_weights' of the folder is null, which leaves open how pixels were prepared: {encoder}'s usual way "
        f"is taken, {_describe(known)}. If training used another, say `mean`, `std` and `color_order`."
    )
    notes.append(("mean", usual))
    return {"says": said, "assumes": dict(known)}, notes


def encoder_pixels(encoder: str, weights: str | bool | None) -> Mapping[str, Any] | None:
    """Return colour order, mean and std that an encoder's own weights were trained with; None where nobody knows.

    >>> encoder_pixels("resnet18", "imagenet")["mean"], encoder_pixels("xception", None)["mean"]
    ((0.485, 0.456, 0.406), (0.5, 0.5, 0.5))
    """
    if _OF_TIMM.match(encoder):
        return _timm_pixels(encoder.partition("-")[2])
    if weights == "advprop":
        return _HALF
    return next((pixels for pattern, pixels in _OTHERS if pattern.match(encoder)), IMAGENET)


def _timm_pixels(name: str) -> Mapping[str, Any] | None:
    timm = require_library("timm", "timm", "This encoder")
    return describe_config(timm.models.get_pretrained_cfg(name, allow_unregistered=True))


def _describe(pixels: Mapping[str, Any]) -> str:
    mean, std = (" ".join(f"{value:.4g}" for value in pixels[name]) for name in ("mean", "std"))
    return f"{pixels['color_order'].upper()}, mean {mean}, std {std}"


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
