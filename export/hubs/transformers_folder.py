"""Folders that ``save_pretrained`` of Hugging Face transformers wrote: semantic segmentation, pixel by pixel."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeseg.console.installation import pip_line
from edgeseg.errors import ArtifactError, CheckpointError, EdgesegError, MissingExtra, SpecError
from edgeseg.export.hubs.folder_files import check_weights_file, first_line
from edgeseg.export.hubs.hub_net import USUAL_SIZE, HubNet, Note, name_classes, require_library, same_size
from edgeseg.export.hubs.image_processor import read_processor

LIBRARY = "transformers"
MAX_CLASSES = 254
_NOT_NAMED = re.compile(r"LABEL_\d+")
_QUERIES = re.compile(r"mask_?former|mask2former|oneformer|eomt|videomt|detr|\bsam\d?|clipseg", re.IGNORECASE)
_SEMANTIC = "ForSemanticSegmentation"


def is_transformers(config: Mapping[str, Any]) -> bool:
    """Tell whether a folder's ``config.json`` is of transformers."""
    return "model_type" in config or "architectures" in config


def open_transformers(path: Path, config: Mapping[str, Any]) -> HubNet:
    """Open a folder by the library itself: local files, no code of the folder.

    Raises:
        ArtifactError: a network of another task.
        MissingExtra: the library, or one that this network needs, is not installed.
        CheckpointError: the library does not open the folder.
        SpecError: it has classes that edgeseg does not run.
    """
    kind = _expect_semantic(path, config)
    if (channels := config.get("num_channels", 3)) != 3:
        raise SpecError(
            f"{path} takes {channels} channels ('num_channels'); edgeseg opens such networks of colour alone."
        )
    check_weights_file(path)
    library = require_library(LIBRARY, LIBRARY, path)
    with _quietly(library):
        net = _load(library, path, kind)
        pixels = read_processor(library, path)
    classes, notes = _read_classes(net.config)
    says: dict[str, Any] = {**pixels.says, **_say_task(net.config)}
    assumes: dict[str, Any] = {}
    (assumes if notes else says)["classes"] = classes
    if pixels.says and "imgsz" not in pixels.says:
        assumes["imgsz"] = USUAL_SIZE
        size = "x".join(map(str, USUAL_SIZE))
        notes.append(
            ("imgsz", f"The image processor resizes nothing: {size} is taken. `imgsz` gives that of training.")
        )
    ignored = getattr(net.config, "semantic_loss_ignore_index", None)
    if type(ignored) is int and len(classes) <= ignored <= 255:
        assumes["ignore_index"] = ignored
    if net.config.num_labels > 1:
        assumes["task"] = "multiclass"
    without = "" if pixels.says else ", without preprocessor_config.json"
    what = f"{path} ({kind} of transformers{without})"
    return HubNet(same_size(net, "logits"), what, says, assumes, (*pixels.notes, *notes))


def _expect_semantic(path: Path, config: Mapping[str, Any]) -> str:
    """The class that the folder is of, when it gives each pixel a score a class."""
    named = config.get("architectures")
    kind = str(named[0]) if isinstance(named, list) and named else str(config.get("model_type"))
    if _QUERIES.search(kind) or _QUERIES.search(str(config.get("model_type"))):
        raise ArtifactError(
            f"{path} is a {kind[:80]} of transformers: it gives masks and classes of queries, and not a score a class "
            "for every pixel. Give a network for semantic segmentation, such as SegFormer, DPT or UperNet."
        )
    if "auto_map" in config and _SEMANTIC not in kind:
        raise ArtifactError(f"{path} brings code of its own ('auto_map' in config.json), which is never run.")
    if _SEMANTIC not in kind and named:
        raise ArtifactError(
            f"{path} is a {kind[:80]} of transformers, which is not for semantic segmentation. Give a folder of a "
            f"network whose class ends in {_SEMANTIC}."
        )
    return kind[:80]


def _load(library: Any, path: Path, kind: str) -> Any:
    own: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False, "weights_only": True}
    try:
        net, told = library.AutoModelForSemanticSegmentation.from_pretrained(str(path), output_loading_info=True, **own)
    except ImportError as error:
        raise _missing(error, path) from None
    except EdgesegError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"transformers does not open {path} ({kind}): {first_line(error)}. Save the folder again with "
            f"net.save_pretrained({str(path)!r}), or install the version of transformers that wrote it."
        ) from error
    _expect_all_weights(path, told)
    return net


def _missing(error: ImportError, path: Path) -> Exception:
    """The library that a part of the network comes from, as timm of some backbones."""
    found = re.search(r"requires? the (\w+) library|No module named '(\w+)", str(error))
    if found is None:
        return CheckpointError(f"transformers does not open {path}: {first_line(error)}.")
    package = str(found[1] or found[2]).lower()
    return MissingExtra(f"{path} needs {package} beside transformers, which is not installed: {pip_line(package)}")


def _expect_all_weights(path: Path, told: Mapping[str, Any]) -> None:
    """The library draws weights that a folder does not have, and warns; masks of those would mean nothing."""
    missing = sorted(map(str, told.get("missing_keys", ())))
    other = sorted(str(one[0] if isinstance(one, tuple) else one) for one in told.get("mismatched_keys", ()))
    missing = [name for name in missing if "auxiliary_head" not in name]
    if missing or other:
        listed = ", ".join([*missing, *other][:3])
        raise CheckpointError(
            f"The weights of {path} do not fill its network: {len(missing)} are missing and {len(other)} have another "
            f"shape ({listed}{', ...' if len(missing) + len(other) > 3 else ''}). Fine-tune it for segmentation and "
            "save it again."
        )


def _say_task(config: Any) -> dict[str, Any]:
    return {"task": "binary"} if config.num_labels == 1 else {}


def _read_classes(config: Any) -> tuple[tuple[str, ...], list[Note]]:
    """Names in the order of the labels, and a sentence where they are none of a person's."""
    count = int(config.num_labels)
    if not 1 <= count <= MAX_CLASSES:
        raise SpecError(f"The network has {count} classes; edgeseg runs 1 to {MAX_CLASSES}.")
    named = {int(key): " ".join(str(name).split()) for key, name in config.id2label.items()}
    names = [named.get(index, f"LABEL_{index}") for index in range(count)]
    if all(_NOT_NAMED.fullmatch(name) for name in names):
        taken = name_classes(count)
        listed = ", ".join(taken[:3])
        return taken, [("classes", f"id2label names no classes: they are called {listed}, ... `classes` names them.")]
    if count == 1:
        return ("background", names[0]), []
    twice = {name for name, times in Counter(names).items() if times > 1}
    return tuple(f"{name} ({index})" if name in twice else name for index, name in enumerate(names)), []


@contextlib.contextmanager
def _quietly(library: Any) -> Any:
    """Load without the library's bars and remarks; what matters of them is said by edgeseg."""
    logging = library.utils.logging
    before = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled() if hasattr(logging, "is_progress_bar_enabled") else True
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
