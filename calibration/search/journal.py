"""What a search has measured so far, on disk, so that an interrupted one goes on where it stopped.

A hidden directory beside the artifact that is being made. It holds ``inputs.json`` (what all of it
belongs to), one JSON file a measurement, and the model files that may still be published. Whatever
is written is written whole or not at all; what belongs to other inputs is thrown away.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgeseg.errors import OutputError
from edgeseg.files.atomic import atomic_file, writing
from edgeseg.files.lock import held
from edgeseg.files.unfinished import remove_leftovers, unfinished_directory

INPUTS, HOLDER = "inputs.json", "holder.json"
SUFFIX = ".search"


def journal_path(artifact: Path) -> Path:
    """Name the journal: ``.NAME.search`` beside the directory of an artifact."""
    return artifact.with_name(f".{artifact.name}{SUFFIX}")


class Journal:
    """Results by name for one set of inputs.

    Args:
        path: the directory; made when it is not there, emptied when it belongs to other inputs.
        inputs: plain values that decide every result.

    Raises:
        OutputError: the directory cannot be written, something else has its name, or another run holds it. It is
            held until :meth:`close`, or until the process ends in whatever way.
    """

    def __init__(self, path: Path, inputs: Mapping[str, Any]) -> None:
        self.path = path
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise OutputError(f"{path} is in the way: the search keeps its results there. Remove it.")
        self._held = contextlib.ExitStack()
        self._hold()
        remove_leftovers(path)
        if self._read(INPUTS) != json.loads(json.dumps(inputs)):
            self._empty()
            self._write(INPUTS, inputs)
        self._write(HOLDER, {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%F %T")})

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Let other runs have it; a second call does nothing."""
        self._held.close()

    def get(self, name: str) -> dict[str, Any] | None:
        """Read the result called ``name``, or None when there is none yet."""
        return self._read(f"{name}.json")

    def put(self, name: str, values: Mapping[str, Any]) -> None:
        """Keep a result.

        Raises:
            OutputError: the disk is full.
        """
        self._write(f"{name}.json", values)

    def folder(self, name: str) -> Path | None:
        """Find the files kept under ``name``, or None."""
        path = self.path / name
        return path if path.is_dir() else None

    @contextlib.contextmanager
    def making(self, name: str) -> Iterator[Path]:
        """Give an empty directory; it is kept under ``name`` when the block ends well.

        Raises:
            OutputError: the disk is full. Nothing is left of the directory.
        """
        with writing(self.path / name), unfinished_directory(self.path / name) as staged:
            yield staged
            shutil.rmtree(self.path / name, ignore_errors=True)
            staged.rename(self.path / name)

    def drop(self, name: str) -> None:
        """Forget the files of ``name``; its result stays."""
        shutil.rmtree(self.path / name, ignore_errors=True)

    def remove(self) -> None:
        """Forget everything."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.close()

    def _hold(self) -> None:
        """Make the directory and lock it; one that its holder removed in between is made again."""
        while True:
            with writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
            with contextlib.ExitStack() as holding:
                try:
                    is_mine = holding.enter_context(held(self.path))
                except FileNotFoundError:
                    continue
                if not is_mine:
                    raise OutputError(self._who())
                if self.path.is_dir():
                    self._held = holding.pop_all()
                    return

    def _who(self) -> str:
        holder = self._read(HOLDER) or {}
        by = f"process {holder['pid']} on {holder.get('host')} since {holder.get('since')}" if "pid" in holder else "it"
        return (
            f"Another run is making {self.path.name[1 : -len(SUFFIX)]} in {self.path.parent} ({by}). Wait for it, "
            "stop it, or give this run another `out` or `name`."
        )

    def _empty(self) -> None:
        for entry in list(self.path.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

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
    """Digest plain values to sixteen hex digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
