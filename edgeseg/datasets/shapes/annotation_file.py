"""Files of annotations: JSON and XML of bounded size, and numbers out of them that are numbers.

They come from anywhere. An XML file with a document type is refused: entities, of which a small file can make
gigabytes, have to be declared there. Every refusal names the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from edgeseg.datasets.shapes.outline import Points
from edgeseg.errors import DataError
from edgeseg.files.input_file import open_regular, read_text

MOST_JSON_BYTES = 1 << 30
"""The training set of COCO is 450 MB, that of LVIS 1.1 GB."""
MOST_XML_BYTES = 1 << 28
_LOOK_BYTES = 1 << 16


def read_json(path: Path, most_bytes: int = MOST_JSON_BYTES) -> Any:
    """Read a JSON file, with or without a byte order mark.

    Raises:
        DataError: no such file, too large, no UTF-8, or no JSON.
    """
    try:
        return json.loads(read_text(path, most_bytes=most_bytes))
    except json.JSONDecodeError as fault:
        raise DataError(
            f"{path} is no JSON: {fault.msg} in line {fault.lineno}, column {fault.colno}. Export it again."
        ) from None
    except (ValueError, RecursionError) as fault:
        raise DataError(f"{path} cannot be read as JSON: {fault or 'it is nested too deeply'}.") from None


def read_json_object(path: Path, most_bytes: int = MOST_JSON_BYTES) -> Mapping[str, Any]:
    """Read a JSON file that holds an object; see :func:`read_json`."""
    found = read_json(path, most_bytes)
    if not isinstance(found, dict):
        raise DataError(f"{path} holds a JSON {_kind(found)} where an object, {{...}}, is expected.")
    return found


def read_xml(path: Path) -> ElementTree.Element:
    """Read an XML file without a document type.

    Raises:
        DataError: no such file, too large, no UTF-8, no XML, or one with a document type.
    """
    text = read_text(path, most_bytes=MOST_XML_BYTES)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{path} has a document type, which annotations need not have. Take its <!DOCTYPE ...> out.")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as fault:
        raise DataError(f"{path} is no XML: {fault}. Export it again.") from None


def peek(path: Path, words: str) -> bool:
    """Tell whether the beginning of a file matches a pattern, case aside; False where it cannot be read.

    Args:
        path: looked at for 64 kB.
        words: a regular expression.
    """
    try:
        with open_regular(path) as stream:
            start = stream.read(_LOOK_BYTES)
    except (DataError, OSError):
        return False
    return re.search(words, start.decode("utf-8-sig", "replace"), re.IGNORECASE | re.DOTALL) is not None


def list_of(values: Mapping[str, Any], key: str, path: Path) -> Sequence[Mapping[str, Any]]:
    """Return the objects of a list in a JSON object; an empty list where there is none.

    Raises:
        DataError: no list, or something else than objects in it.
    """
    found = values.get(key)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise DataError(f"{path}: {key} must be a list of objects; found {_kind(found)}.")
    return found


def read_points(values: Any) -> Points:
    """Return x and y of points given as pairs or one after the other, (N, 2) float64.

    Raises:
        DataError: no list of numbers. The message has no subject: who calls puts the name of the object before it.

    >>> read_points([1, 2, 3, 4]).tolist() == read_points([[1, 2], [3, 4]]).tolist()
    True
    """
    try:
        flat = None if values is None else np.asarray(values, np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        flat = None
    if flat is None:
        raise DataError("has points that are no list of numbers")
    if len(flat) % 2:
        raise DataError(f"has {len(flat)} coordinates; two a point are needed")
    return flat.reshape(-1, 2)


def read_number(value: Any) -> float | None:
    """Return a number, also one that is written as text; None where it is none or not finite.

    >>> read_number("2.5"), read_number(True), read_number("x"), read_number(float("nan"))
    (2.5, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if np.isfinite(number) else None


def read_size(height: Any, width: Any) -> tuple[int, int] | None:
    """Return a picture's height and width in pixels, or None where a file does not say them."""
    found = [read_number(value) for value in (height, width)]
    if any(value is None or not 1 <= value <= 1 << 20 for value in found):
        return None
    rows, columns = (int(value) for value in found if value is not None)
    return rows, columns


def _kind(value: object) -> str:
    names = {list: "list", dict: "object", str: "text", type(None): "null"}
    return names.get(type(value), type(value).__name__)
