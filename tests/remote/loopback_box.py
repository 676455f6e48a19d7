"""The machine on loopback that tests of ``--on`` go to."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Box:
    """Another machine, which is this one.

    Attributes:
        address: for ``--on``.
        port: that it listens on.
        root: its files: keys, configuration, and ``temporary``, where it keeps what it needs for a while.
        python: for ``--on-python``: that of the tests, with temporary files in ``temporary``.
    """

    address: str
    port: int
    root: Path
    python: Path

    @property
    def temporary(self) -> Path:
        return self.root / "temporary"

    @property
    def words(self) -> list[str]:
        return ["--on", self.address, "--on-python", str(self.python)]

    def configure(self, name: str, **options: str) -> str:
        """Write a configuration of the client; returns the words that start ssh with it."""
        values = {
            "IdentityFile": f'"{self.root / "key"}"',
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": f'"{self.root / "known"}"',
            "GlobalKnownHostsFile": "/dev/null",
        }
        text = "".join(f"{key} {value}\n" for key, value in {**values, **options}.items())
        (self.root / name).write_text(text, encoding="utf-8")
        return shlex.join(["ssh", "-F", str(self.root / name)])

    def write_python(self, name: str, before: str = "", inside: str = "") -> Path:
        """Write a program that becomes the Python of the tests, after a line of shell."""
        path = self.root / name
        end = f'export TMPDIR="${{TMPDIR:-{self.temporary}}}"; exec {shlex.quote(sys.executable)} "$@"\n'
        path.write_text(f"#!/bin/sh\n{before}\n{inside or end}", encoding="utf-8")
        path.chmod(0o700)
        return path
