"""The picture of the house is what the code is, and the page about it has every room."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from house import ROOT, package_folders

SCRIPT = ROOT / "scripts" / "draw_house.py"


def draw(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


def make_house(root: Path, files: dict[str, str]) -> Path:
    for name, code in files.items():
        path = root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(code, encoding="utf-8")
    packages = sorted({name.rpartition("/")[0].replace("/", ".") for name in files})
    listed = f'[tool.setuptools]\npackages = {packages}\n[tool.setuptools.package-dir]\nedgeseg = "edgeseg"\n'
    (root / "pyproject.toml").write_text(listed, encoding="utf-8")
    (root / "docs" / "pictures").mkdir(parents=True)
    return root


def test_the_committed_picture_is_what_the_imports_are_now() -> None:
    assert draw("--check").returncode == 0, "rooms, files or imports changed: run python scripts/draw_house.py"


def test_a_file_more_or_an_arrow_more_changes_the_picture(tmp_path: Path) -> None:
    files = {"edgeseg/spec": "", "edgeseg/high/one": "import edgeseg.spec", "edgeseg/low/two": "import edgeseg.spec"}
    house = make_house(tmp_path, files)
    assert draw(str(house)).returncode == 0
    assert draw("--check", str(house)).returncode == 0
    (house / "edgeseg" / "high" / "more.py").touch()
    assert draw("--check", str(house)).returncode == 1
    (house / "edgeseg" / "high" / "more.py").unlink()
    (house / "edgeseg" / "high" / "one.py").write_text("def f():\n    from edgeseg.low import two\n")
    assert draw("--check", str(house)).returncode == 1


def test_circles_between_files_and_between_rooms_are_counted(tmp_path: Path) -> None:
    files = {
        "edgeseg/high/one": "import edgeseg.high.two",
        "edgeseg/high/two": "def f():\n    import edgeseg.high.one",
        "edgeseg/high/three": "import edgeseg.low.four",
        "edgeseg/low/four": "",
        "edgeseg/low/five": "import edgeseg.high.two",
    }
    told = draw("--figures", str(make_house(tmp_path, files))).stdout
    assert "5 files in 2 rooms" in told
    assert "2 arrows between rooms" in told
    assert "circles: 1 of rooms [2], 1 of files [2]" in told


def test_the_page_about_the_house_has_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = page.split("| room | its one job |")[1].split("\n\n")[0]
    first_column = {row.split("|")[1] for row in rows.splitlines() if row.startswith("|")}
    listed = {name.rstrip("/") for cell in first_column for name in re.findall(r"`([\w/]+/)`", cell)}
    assert listed == {str(folder.relative_to(ROOT)) for folder in package_folders().values()}
