"""The pages are built as ``make docs`` builds them: no warning, a search box, the pictures, the reference."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from house import ROOT

import edgeseg

DOCS = ROOT / "docs"

pytestmark = pytest.mark.long


def build_site(docs: Path, site: Path) -> subprocess.CompletedProcess[str]:
    recipe = re.search(r"\$\(BIN\)/sphinx-build (.*) docs build/site", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert recipe
    command = [sys.executable, "-m", "sphinx", *recipe[1].split(), str(docs), str(site)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build_site(DOCS, folder)
    assert done.returncode == 0, done.stderr
    return folder


def read_inventory(site: Path) -> set[str]:
    """Every name that the reference explains."""
    lines = (site / "objects.inv").read_bytes().split(b"\n", 4)
    return {line.split(" ")[0] for line in zlib.decompress(lines[4]).decode().splitlines() if " py:" in line}


def test_every_page_is_in_the_site_and_in_its_contents(site: Path) -> None:
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    made = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert {page for page in made if not page.startswith("_modules/")} == pages | {"genindex", "py-modindex", "search"}
    contents = (site / "index.html").read_text(encoding="utf-8").split('class="sidebar-tree"')[1].split("</aside>")[0]
    assert {page for page in pages if f'href="{page}.html"' not in contents} == {"index"}


def test_the_site_has_a_search_box_and_the_pictures(site: Path) -> None:
    assert "sidebar-search" in (site / "index.html").read_text(encoding="utf-8")
    assert "Search.setIndex" in (site / "searchindex.js").read_text(encoding="utf-8")
    shown = {path.name for path in (site / "_images").iterdir()}
    assert shown == {path.name for path in (DOCS / "pictures").iterdir() if path.suffix}


def test_links_to_the_readme_lead_to_the_page_that_shows_it(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="overview.html"' in index
    overview = (site / "overview.html").read_text(encoding="utf-8")
    assert 'href="running.html"' in overview
    assert 'href="camvid.html"' in overview


def test_a_link_to_a_page_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for entry in ROOT.iterdir():
        if entry.name not in ("docs", ".git", ".venv"):
            (tmp_path / entry.name).symlink_to(entry)
    shutil.copytree(DOCS, tmp_path / "docs")
    with (tmp_path / "docs" / "images.md").open("a", encoding="utf-8") as stream:
        stream.write("\nSee [there](int8.md#no-such-heading).\n")
    done = build_site(tmp_path / "docs", tmp_path / "site")
    assert done.returncode != 0
    assert "no-such-heading" in done.stderr


def test_the_reference_explains_every_public_name_and_the_seams(site: Path) -> None:
    public = {name: getattr(edgeseg, name) for name in dir(edgeseg) if not name.startswith("_")}
    homes = {f"{value.__module__}.{name}" for name, value in public.items() if hasattr(value, "__module__")}
    seams = {
        "edgeseg.runtime.engines.engine.Engine",
        "edgeseg.runtime.engines.engine.Slot",
        "edgeseg.runtime.frames.source_protocol.Source",
        "edgeseg.runtime.sinks.sink.Sink",
        "edgeseg.calibration.quantizers.quantizer.Quantizer",
    }
    assert "edgeseg.api.load.load" in homes
    assert not (homes | seams) - read_inventory(site)
