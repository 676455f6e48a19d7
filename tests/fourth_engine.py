"""The package of docs/engines.md as pip would leave it: its module, and the folder that registers it."""

from __future__ import annotations

import re
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "engines.md"


def code_of(language: str) -> str:
    """Every block of a language on the page, one after the other."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return "\n\n".join(blocks)


def install_page(folder: Path) -> Path:
    """Put the module and the registration of the page into ``folder``, which goes on the search path."""
    (folder / "tiny_engine.py").write_text(code_of("python"), encoding="utf-8")
    project = tomllib.loads(code_of("toml"))["project"]
    register(folder, project["name"], project["version"], project["entry-points"]["edgeseg.engines"])
    return folder


def register(folder: Path, name: str, version: str, engines: dict[str, str]) -> None:
    """Make the folder that pip makes for an installed package whose entry points are ``engines``."""
    facts = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = [f"{key} = {value}" for key, value in engines.items()]
    (facts / "entry_points.txt").write_text("\n".join(["[edgeseg.engines]", *lines, ""]), encoding="utf-8")
