"""Every module, function and file that a docstring or a page names is there."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

from house import ROOT, package_folders

ROLE = re.compile(r":(?:mod|func|class|meth|attr|data|exc):`[~!]?([\w.]+)`")
FILE = re.compile(
    r"(?<![\w./-])((?:edgeseg|export|runtime|calibration|tests|docs|scripts|examples|benchmarks)/"
    r"[\w./-]*\.(?:py|md|sh|toml|service|pt))\b"
)
DOTTED = re.compile(r"(?<![\w./-])(edgeseg(?:\.[a-z_]\w*)*(?:\.[A-Z]\w*)?(?:\.\w+)*)(?![\w/-])")
OTHER_NAMES = {"edgeseg.json", "edgeseg.service", "edgeseg.engines"}
"""They look like a module's name and are those of files, and of the group of entry points."""

MODULES = {
    package if path.stem == "__init__" else f"{package}.{path.stem}": path
    for package, folder in package_folders().items()
    for path in sorted(folder.glob("*.py"))
}
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/**/*.md")]


@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def names_in(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Name and statement of all that a module or a class defines or imports, in branches too."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((alias.asname or alias.name.split(".")[0], node) for alias in aliases)
            case ast.Assign(targets=targets):
                yield from ((t.id, node) for target in targets for t in ast.walk(target) if isinstance(t, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, node
            case ast.If(body=inner, orelse=other) | ast.Try(body=inner, orelse=other):
                yield from names_in([*inner, *other])


def attributes_of(node: ast.ClassDef, module: str) -> set[str]:
    """What instances of a class have: members, what methods set on ``self``, and what its bases have."""
    own = {name for name, _ in names_in(node.body)}
    own |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "self"}
    for base in node.bases:
        name = ast.unparse(base).split("[")[0]
        found = find_class(module, name)
        own |= attributes_of(*found) if found else set()
    return own


def find_class(module: str, name: str) -> tuple[ast.ClassDef, str] | None:
    """The class that ``name`` is in a module, followed through one import."""
    for found, node in names_in(parse(MODULES[module]).body):
        if found == name and isinstance(node, ast.ClassDef):
            return node, module
        if found == name and isinstance(node, ast.ImportFrom) and node.module in MODULES:
            return find_class(node.module, name)
    return None


def exists(target: str, module: str, inside: ast.ClassDef | None = None) -> bool:
    """Whether a role's target is there, seen from a module and perhaps a class."""
    if target in MODULES:
        return True
    head, *rest = target.split(".")
    if inside is not None and not rest and head in attributes_of(inside, module):
        return True
    if head == "edgeseg" and rest:
        owner = max((name for name in MODULES if f"{target}.".startswith(f"{name}.")), key=len)
        return exists(target[len(owner) + 1 :], owner)
    known = dict(names_in(parse(MODULES[module]).body))
    if not rest:
        return head in known
    if head not in known:
        return head != "edgeseg" and not head[0].isupper()
    found = find_class(module, head)
    return found is None or rest[0] in attributes_of(*found)


def docstrings(module: str) -> Iterator[tuple[str, ast.ClassDef | None]]:
    """Every string that stands alone in a module, with the class it is in."""

    def walk(node: ast.AST, inside: ast.ClassDef | None) -> Iterator[tuple[str, ast.ClassDef | None]]:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield text, inside
                case ast.ClassDef():
                    yield from walk(child, child)
                case ast.stmt():
                    yield from walk(child, inside)

    yield from walk(parse(MODULES[module]), None)


def test_every_target_of_a_role_exists() -> None:
    missing = [
        f"{module}: {target}"
        for module in MODULES
        for text, inside in docstrings(module)
        for target in ROLE.findall(text)
        if not exists(target, module, inside)
    ]
    assert not missing


def test_every_file_that_docstrings_comments_and_pages_name_exists() -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in [*MODULES.values(), *PAGES]
        for name in FILE.findall(path.read_text(encoding="utf-8"))
        if not (ROOT / name).exists()
    ]
    assert not missing


def test_every_module_that_a_page_or_a_docstring_names_exists() -> None:
    texts = [(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8")) for page in PAGES]
    texts += [(module, text) for module in MODULES for text, _ in docstrings(module)]
    missing = [
        f"{where}: {name}"
        for where, text in texts
        for name in DOTTED.findall(text)
        if name not in OTHER_NAMES and not exists(name, "edgeseg")
    ]
    assert not missing
