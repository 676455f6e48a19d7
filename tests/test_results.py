"""Every table of figures says where it comes from, and the script that prints them again measures what it says."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from house import ROOT

RESULTS = ROOT / "docs" / "results.md"
SCRIPT = ROOT / "scripts" / "reprint_results.py"
INSTRUCTIONS = re.compile(r"AVX2|AVX512|AMX|NEON|VNNI")


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reprint_results", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reprint_results"] = module
    spec.loader.exec_module(module)
    return module


SCRIPTED = load_script()


def measured_part(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    return text if page == RESULTS else text.split("## Measured")[1].split("\n## ")[0]


@pytest.mark.parametrize("page", [ROOT / "README.md", RESULTS], ids=lambda page: page.name)
def test_each_table_says_on_what_it_was_measured(page: Path) -> None:
    found = list(SCRIPTED.tables(measured_part(page)))
    machines = found[0].text if page == RESULTS else ""
    for table in found[1:] if page == RESULTS else found:
        first = table.text.splitlines()[0]
        assert table.provenance, (
            f"{page.name}: the table {first!r} below {table.heading!r} has no line of the form "
            "'*On MACHINE; idle|busy|load not noted; VERSIONS; COMMAND.*' above it"
        )
        parts = SCRIPTED.PROVENANCE.match(table.provenance)
        assert parts
        assert f"| {parts['machine']} |" in machines or INSTRUCTIONS.search(parts["machine"]), table.provenance
        assert "versions of November 2026" in parts["versions"] or "OpenVINO" in parts["versions"], table.provenance
        assert re.search(r"commands? above|`[^`]+`", parts["command"]), table.provenance


def test_a_command_above_is_above() -> None:
    """In the section of the table, as a block or between backticks."""
    for section in re.split(r"^## ", RESULTS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        before = ""
        for line in section.splitlines():
            if (parts := SCRIPTED.PROVENANCE.match(line)) and "above" in parts["command"]:
                assert re.search(r"\b(edgeseg [a-z]+|python (benchmarks|scripts)/|--only )", before), line
            before += line + "\n"


def test_a_table_without_a_line_is_found() -> None:
    page = (
        "## A\n\n*On EPYC; idle; versions of November 2026; command above.*\n\n| a |\n|---|\n\n## B\n\n| b |\n|---|\n"
    )
    assert [(one.heading, bool(one.provenance), one.text) for one in SCRIPTED.tables(page)] == [
        ("A", True, "| a |\n|---|"),
        ("B", False, "| b |\n|---|"),
    ]


def test_what_is_measured_again_is_on_the_page() -> None:
    assert set(SCRIPTED.MEASURED) <= {one.heading for one in SCRIPTED.tables(RESULTS.read_text(encoding="utf-8"))}


def reprint(*words: str | Path) -> str:
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_time_every_table_is_of_another_machine(tmp_path: Path) -> None:
    said = reprint("--minutes", "0", "--out", tmp_path)
    page = [one for one in SCRIPTED.tables(RESULTS.read_text(encoding="utf-8")) if one.provenance]
    assert said.count("As of another machine, from docs/results.md:") == len(page) > 15
    assert all(one.text in said for one in page)
    assert said.count("Not measured here: time was up.") == len(SCRIPTED.MEASURED)


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_the_demo_is_measured_here_and_agrees_with_the_page(tmp_path: Path) -> None:
    said = reprint("--minutes", "20", "--only", "demo", "--out", tmp_path)
    here, page = said.split("## The demo's cells")[1].split("As of another machine", 1)
    lines = [line for line in here.splitlines() if line.startswith("*On ")]
    parts = SCRIPTED.PROVENANCE.match(lines[0])
    assert parts
    assert "openvino 20" in parts["versions"]
    scores = [[float(value) for value in re.findall(r"0\.\d{4}", text)[:2]] for text in (here, page)]
    assert scores[0] == pytest.approx(scores[1], abs=0.003), "instruction sets round INT8 differently, and no more"
