"""A name on the Hugging Face hub where a folder was expected: nothing is downloaded, the line that does it is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

from edgeseg.errors import ArtifactError

_ADDRESS = re.compile(r"(?:https?:/+|hf:/+)?(?:huggingface\.co/|hf\.co/)?(?P<name>[\w-][\w.-]*/[\w-][\w.-]*?)/?")
_FILES = (".onnx", ".pt", ".pth", ".ckpt", ".tar", ".xml", ".tflite", ".pt2", ".safetensors", ".bin", ".engine")


def is_hub_name(path: Path) -> bool:
    """Tell whether what is not there may be a name on the hub: ``owner/name``, or its address.

    >>> is_hub_name(Path("nvidia/segformer-b0-finetuned-ade-512-512")), is_hub_name(Path("runs/best.pt"))
    (True, False)
    """
    if path.exists() or path.suffix in _FILES or (name := _name(path)) is None:
        return False
    return name != str(path) or not path.parent.exists()


def refuse_hub_name(path: Path) -> NoReturn:
    """Say how a network is brought from the hub.

    Raises:
        ArtifactError: always.
    """
    name = _name(path) or str(path)
    folder = name.rpartition("/")[2]
    raise ArtifactError(
        f"There is no folder {str(path)!r} here. If it is a name on the Hugging Face hub, download it first with "
        f"`hf download {name} --local-dir {folder}` and give the folder: {folder}"
    )


def _name(path: Path) -> str | None:
    found = _ADDRESS.fullmatch(str(path))
    return None if found is None else found["name"]
