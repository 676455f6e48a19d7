"""The libraries whose folders edgeseg opens, in one table: how a folder is known, and what opens it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.errors import ArtifactError
from edgeseg.export.hubs.folder_files import CONFIG, read_config
from edgeseg.export.hubs.hub_net import HubNet
from edgeseg.export.hubs.smp_folder import is_smp, open_smp
from edgeseg.export.hubs.transformers_folder import is_transformers, open_transformers

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Hub:
    """A library that keeps networks in folders.

    Attributes:
        title: what it is called.
        matches: whether a ``config.json`` is of it; nothing is imported.
        open: opens a folder by the library.
    """

    title: str
    matches: Callable[[Config], bool]
    open: Callable[[Path, Config], HubNet]


HUBS = (
    Hub("segmentation_models.pytorch", is_smp, open_smp),
    Hub("Hugging Face transformers", is_transformers, open_transformers),
)
"""The first that matches opens a folder."""


def find_hub(path: Path) -> Hub | None:
    """Find the library that wrote a folder, by its ``config.json``; None where it is of none."""
    if not path.is_dir() or not (path / CONFIG).is_file():
        return None
    try:
        config = read_config(path)
    except ArtifactError:
        return None
    return next((hub for hub in HUBS if hub.matches(config)), None)
