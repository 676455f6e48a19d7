"""What a converted folder remembers of where it came from: ``converted.json`` beside its classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.errors import DataError
from edgeseg.files.input_file import read_text

ORIGIN = "converted.json"


@dataclass(frozen=True)
class Origin:
    """What is known of a folder that was converted.

    Attributes:
        format: what it was read from, in words.
        notes: what was guessed, drawn all the same or left out, in sentences.
        groups: what belongs together (a city, a patient), by the name of a picture without its ending.
    """

    format: str = ""
    notes: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)


def read_origin(folder: Path) -> Origin:
    """Read what a folder says of its origin; nothing where it was not converted, or the file was changed.

    >>> read_origin(Path("nowhere")).notes
    ()
    """
    try:
        values = json.loads(read_text(folder / ORIGIN)) if (folder / ORIGIN).is_file() else {}
    except (DataError, ValueError):
        return Origin()
    if not isinstance(values, Mapping):
        return Origin()
    groups = values.get("groups")
    named = {str(name): str(group) for name, group in groups.items()} if isinstance(groups, Mapping) else {}
    return Origin(str(values.get("format", "")), (*_strings(values, "notes"), *_strings(values, "left_out")), named)


def _strings(values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = values.get(key)
    return tuple(map(str, found)) if isinstance(found, list) else ()
