"""What a search has measured so far, on disk, so that an interrupted one goes on where it stopped.

A hidden directory beside the artifact that is being made. It holds ``inputs.json`` (what all of it
belongs to), one JSON file a measurement, and the model files that may still be published. Whatever
is written is written whole or not at all; what belongs to other inputs is thrown away.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgeseg.errors import OutputError
from edgeseg.files import atomic_file, writing

INPUTS = "inputs.json"
_UNFINISHED = "making-"


def journal_path(artifact: Path) -> Path:
    """``.NAME.search`` beside the directory of an artifact."""
    return artifact.with_name(f".{artifact.name}.search")


class Journal:
    """Results by name for one set of inputs.

    Args:
        path: the directory; made when it is not there, emptied when it belongs to other inputs.
        inputs: plain values that decide every result.

    Raises:
        OutputError: the directory cannot be written, or something else has its name.
    """

    def __init__(self, path: Path, inputs: Mapping[str, Any]) -> None:
        self.path = path
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise OutputError(f"{path} is in the way: the search keeps its results there. Remove it.")
        if self._read(INPUTS) != json.loads(json.dumps(inputs)):
            shutil.rmtree(path, ignore_errors=True)
            self._write(INPUTS, inputs)
        for leftover in path.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def get(self, name: str) -> dict[str, Any] | None:
        """The result called ``name``, or None when there is none yet."""
        return self._read(f"{name}.json")

    def put(self, name: str, values: Mapping[str, Any]) -> None:
        """Keep a result.

        Raises:
            OutputError: the disk is full.
        """
        self._write(f"{name}.json", values)

    def folder(self, name: str) -> Path | None:
        """The files kept under ``name``, or None."""
        path = self.path / name
        return path if path.is_dir() else None

    @contextlib.contextmanager
    def making(self, name: str) -> Iterator[Path]:
        """Give an empty directory; it is kept under ``name`` when the block ends well.

        Raises:
            OutputError: the disk is full. Nothing is left of the directory.
        """
        with writing(self.path / name):
            staged = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.path))
            try:
                yield staged
                shutil.rmtree(self.path / name, ignore_errors=True)
                staged.rename(self.path / name)
            finally:
                shutil.rmtree(staged, ignore_errors=True)

    def drop(self, name: str) -> None:
        """Forget the files of ``name``; its result stays."""
        shutil.rmtree(self.path / name, ignore_errors=True)

    def remove(self) -> None:
        """Forget everything."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _read(self, file: str) -> dict[str, Any] | None:
        try:
            values = json.loads((self.path / file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return values if isinstance(values, dict) else None

    def _write(self, file: str, values: Mapping[str, Any]) -> None:
        with atomic_file(self.path / file) as staged:
            staged.write_text(json.dumps(values, indent=1, sort_keys=True), encoding="utf-8")


def short_key(values: object) -> str:
    """Sixteen hex digits that stand for plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
