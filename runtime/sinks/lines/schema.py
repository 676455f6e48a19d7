"""The JSON schema of the lines of ``jsonl``, version by version, as it is shipped."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

LINE_VERSION = 1
"""Grows when a key goes away or means something else; keys that are added leave it as it is."""


def load_schema() -> dict[str, Any]:
    """Load the schema (JSON Schema, draft 2020-12) that every line is valid by.

    >>> load_schema()["properties"]["version"]
    {'const': 1}
    """
    text = (resources.files("edgeseg.runtime.sinks.lines") / "line-1.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
