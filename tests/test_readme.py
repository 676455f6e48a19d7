"""What the pages say exists: links, verbs, flags, make targets, files and examples."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from house import find_actions

from edgeseg.cli import VERBS, build_parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md"), *ROOT.glob("edgeseg/assets/*.md")]
)
TOPS = ("edgeseg", "export", "runtime", "calibration", "tests", "docs", "examples", "benchmarks", "scripts")

pages = pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])


def code_in(page: Path) -> list[str]:
    """Lines of fenced blocks (a trailing backslash joins them) and spans between backticks."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in fenced for line in block.replace("\\\n", " ").splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return lines + re.findall(r"`([^`\n]+)`", prose)


def flags_of(verb: str) -> set[str]:
    """Every option string that ``edgeseg verb`` takes."""
    parser = build_parser(verb)
    (verbs,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {flag for action in find_actions(verbs.choices[verb]) for flag in action.option_strings}


@pages
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name} links to {target}"


@pages
def test_commands_have_the_verbs_and_flags_they_are_shown_with(page: Path) -> None:
    for line in code_in(page):
        for verb, rest in re.findall(r"\bedgeseg ([a-z]+)\b([^|;#]*)", line):
            assert verb in VERBS, f"{page.name}: edgeseg {verb} in {line!r}"
            unknown = set(re.findall(r"(?<!\S)(--[a-z][a-z0-9-]*)", rest)) - flags_of(verb)
            assert not unknown, f"{page.name}: edgeseg {verb} has no {sorted(unknown)}"


@pages
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in code_in(page):
        if found := re.match(r"make ([a-z-]+)", line):
            assert found[1] in targets, f"{page.name}: make {found[1]}"


@pages
def test_files_named_in_the_text_exist(page: Path) -> None:
    for span in code_in(page):
        if re.fullmatch(rf"(?:{'|'.join(TOPS)})/[\w./-]*", span):
            assert (ROOT / span).exists(), f"{page.name} names {span}"


def test_the_readme_lists_every_verb() -> None:
    listed = re.findall(r"^\| `edgeseg ([a-z]+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        build_parser(verb).parse_args([verb, "--help"])
    assert left.value.code == 0
    assert "--" in capsys.readouterr().out


def test_the_readme_and_ci_run_the_same_test_command() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\nmake test\n" in ci
    assert "make test-long\n" in ci
    assert "\nmake test\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_extras_named_are_the_extras_there_are() -> None:
    """In the README and in every ``require(module, extra)`` of the code."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    extras = set(re.findall(r"^(\w+) = ", section, re.MULTILINE))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ", readme.split("| extra |")[1], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"\w+", row)} == extras - {"dev", "docs"}
    assert required_extras() <= extras


def required_extras() -> set[str]:
    found = set()
    for path in (p for top in TOPS[:4] for p in (ROOT / top).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "require" and len(node.args) == 2:
                extra = node.args[1]
                if isinstance(extra, ast.Constant):
                    found.add(str(extra.value))
    return found


def test_python_on_the_pages_imports_what_there_is() -> None:
    """Whole programs are run elsewhere; a name that was changed is said here, at once."""
    missing = [
        f"{page.name}: {node.module}.{alias.name}"
        for page in PAGES
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "edgeseg"
        for alias in node.names
        if not _exists(str(node.module), alias.name)
    ]
    assert not missing


def _exists(module: str, name: str) -> bool:
    found = importlib.import_module(module)
    return hasattr(found, name) or (hasattr(found, "__path__") and find_spec(f"{module}.{name}") is not None)
