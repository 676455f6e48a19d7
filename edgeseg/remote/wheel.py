"""The wheel of the edgeseg that is running, packed from its own files: what another machine runs is what runs here.

::

    python -m edgeseg.remote.wheel > edgeseg-py3-none-any.whl

All of edgeseg is Python, so its wheel is a zip archive of its files and what pip knows of it (PEP 427).
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from edgeseg import __version__

ROOMS = ("edgeseg", "edgeseg.calibration", "edgeseg.export", "edgeseg.runtime")
"""Those that may lie in folders of their own, as in a checkout."""
KEPT = ("METADATA", "entry_points.txt")
_WHEEL = "Wheel-Version: 1.0\nGenerator: edgeseg\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_DATE = (2020, 1, 1, 0, 0, 0)


def wheel_name() -> str:
    """Name the wheel's file, as pip wants it.

    >>> wheel_name().endswith("-py3-none-any.whl")
    True
    """
    return f"edgeseg-{__version__.replace('-', '_')}-py3-none-any.whl"


def pack_wheel() -> bytes:
    """Make the wheel; returns its bytes."""
    info = f"edgeseg-{__version__.replace('-', '_')}.dist-info"
    entries = dict(_list_files())
    entries |= {f"{info}/{name}": text for name, text in _describe().items()}
    records = [f"{name},{_digest(content)},{len(content)}" for name, content in sorted(entries.items())]
    entries[f"{info}/RECORD"] = "\n".join([*records, f"{info}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(entries.items()):
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _list_files() -> Iterator[tuple[str, bytes]]:
    for room in ROOMS:
        found = importlib.util.find_spec(room)
        assert found is not None
        for folder in found.submodule_search_locations or ():
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    yield f"{room.replace('.', '/')}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _describe() -> dict[str, bytes]:
    """What pip knows of it; the least that is allowed where it was never installed."""
    try:
        installed = metadata.distribution("edgeseg")
        told = {name: text for name in KEPT if (text := installed.read_text(name)) is not None}
    except metadata.PackageNotFoundError:
        told = {}
    least = {"METADATA": f"Metadata-Version: 2.1\nName: edgeseg\nVersion: {__version__}\n", "WHEEL": _WHEEL}
    return {name: text.encode() for name, text in {**least, **told}.items()}


def _digest(content: bytes) -> str:
    coded = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={coded}"


if __name__ == "__main__":
    sys.stdout.buffer.write(pack_wheel())
