"""Built engines on disk: private to this user, whole or absent, and looked at only after their digest was checked.

``<root>/<key>/`` holds ``engine.plan`` and ``engine.json`` (key, size, SHA-256), the latter written last.
An engine is native code; the folder is 0700 and its files 0600, so that nobody else can plant one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeseg.errors import TamperedError
from edgeseg.files.atomic import writing
from edgeseg.files.cache_folder import (
    cache_folder,
    is_private,
    private_folder,
    read_private,
    write_private,
)
from edgeseg.files.lock import hold_alone
from edgeseg.runtime.trt.engine_key import EngineKey

PLAN, FACTS, LOCK = "engine.plan", "engine.json", "lock"
MAX_FACTS_BYTES = 1 << 16


class EngineStore:
    """Args: ``root`` is made when it is not there, and has to belong to this user alone.

    Raises:
        EnvironmentFault: somebody else may write there.
        OutputError: it cannot be made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        with writing(root):
            private_folder(root)

    def plan_path(self, key: EngineKey) -> Path:
        """Name the file in which the engine of ``key`` is, or would be."""
        return self.root / key.digest / PLAN

    def get(self, key: EngineKey) -> bytes | None:
        """Read the engine of ``key`` and check its digest; None when there is none.

        Raises:
            TamperedError: its bytes are not those that were written.
        """
        facts = self._facts(self.root / key.digest)
        if facts is None or facts["key"] != key.to_dict():
            return None
        path = self.plan_path(key)
        try:
            data = read_private(path)
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != facts["sha256"]:
            raise TamperedError(
                f"{path} was changed or cut short after it was built: {len(data)} bytes with another SHA-256 than "
                f"{FACTS} says ({facts['bytes']} bytes). It is not loaded; remove it, or let edgeseg build it again."
            )
        return data

    def put(self, key: EngineKey, plan: bytes) -> Path:
        """Keep an engine.

        Raises:
            OutputError: the disk is full. Nothing is left of it.
        """
        folder = self.root / key.digest
        facts = {"key": key.to_dict(), "bytes": len(plan), "sha256": hashlib.sha256(plan).hexdigest()}
        with writing(folder / PLAN):
            private_folder(folder)
            (folder / FACTS).unlink(missing_ok=True)
            write_private(folder / PLAN, plan)
            write_private(folder / FACTS, json.dumps(facts, indent=2).encode())
        return folder / PLAN

    def kept(self) -> list[EngineKey]:
        """List the key of every engine that is there."""
        found = [self._facts(path.parent) for path in sorted(self.root.glob(f"*/{FACTS}"))]
        return [EngineKey.from_dict(facts["key"]) for facts in found if facts is not None]

    @contextlib.contextmanager
    def lock(self, key: EngineKey) -> Iterator[None]:
        """Hold the engine of ``key`` alone among all processes; waits for another builder to end."""
        folder = self.root / key.digest
        with contextlib.ExitStack() as holding:
            with writing(folder):
                private_folder(folder)
                holding.enter_context(hold_alone(folder / LOCK))
            yield

    def timings_path(self, key: EngineKey) -> Path:
        """Name the timing cache of a TensorRT version and GPU; every engine built by them adds to it."""
        text = f"{key.library} {key.version} {key.gpu} {key.sm}"
        return self.root / f"timings-{hashlib.sha256(text.encode()).hexdigest()[:16]}.cache"

    def timings(self, key: EngineKey) -> bytes:
        """Read what was measured before; empty for nothing."""
        try:
            return read_private(self.timings_path(key))
        except OSError:
            return b""

    def keep_timings(self, key: EngineKey, timings: bytes) -> None:
        """Write what was measured; raises OutputError when the disk is full."""
        write_private(self.timings_path(key), timings)

    def _facts(self, folder: Path) -> dict[str, Any] | None:
        path = folder / FACTS
        try:
            if not is_private(folder) or path.lstat().st_size > MAX_FACTS_BYTES:
                return None
            facts = json.loads(read_private(path))
            EngineKey.from_dict(facts["key"])
            return {"key": dict(facts["key"]), "bytes": int(facts["bytes"]), "sha256": str(facts["sha256"])}
        except (OSError, ValueError, KeyError, TypeError):
            return None


def default_root() -> Path:
    """Name the cache of engines: ``$XDG_CACHE_HOME/edgeseg/tensorrt``."""
    return cache_folder("tensorrt")
