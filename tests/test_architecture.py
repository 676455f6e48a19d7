"""Imports go one way, and the runtime needs neither torch nor a converter."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ROOMS = {
    "edgeseg.models": ROOT / "edgeseg" / "models",
    "edgeseg.training": ROOT / "edgeseg" / "training",
    "edgeseg.verbs": ROOT / "edgeseg" / "verbs",
    "edgeseg.assets": ROOT / "edgeseg" / "assets",
    "edgeseg.calibration": ROOT / "calibration",
    "edgeseg.export": ROOT / "export",
    "edgeseg.runtime": ROOT / "runtime",
    "edgeseg": ROOT / "edgeseg",
}
"""Package name to folder; the core comes last because every other name begins with it."""

MAY_IMPORT = {
    "edgeseg": set(),
    "edgeseg.assets": set(),
    "edgeseg.runtime": {"edgeseg"},
    "edgeseg.models": {"edgeseg"},
    "edgeseg.calibration": {"edgeseg", "edgeseg.runtime"},
    "edgeseg.training": {"edgeseg", "edgeseg.models"},
    "edgeseg.export": {"edgeseg", "edgeseg.runtime", "edgeseg.calibration", "edgeseg.models", "edgeseg.training"},
    "edgeseg.verbs": set(ROOMS),
}
"""docs/architecture.md in a form that can be checked. A room may always import itself."""

HEAVY = {"torch", "onnx", "onnxscript", "nncf", "accelerate", "matplotlib", "kornia"}
FREE_OF_HEAVY = ("edgeseg", "edgeseg.runtime")
IMPORT_LIMIT_S = 0.3

MODULES = [
    (room, path)
    for room, folder in ROOMS.items()
    for path in sorted(folder.glob("*.py"))
    if not (room == "edgeseg" and path.name in ("cli.py", "__main__.py"))
]


def room_of(module: str) -> str:
    return next(room for room in ROOMS if module == room or module.startswith(room + "."))


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of everything a module imports: anywhere in it, and by name through a call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the room they reach into"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("require", "import_module", "__import__"):
            yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str))


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def rooms_imported(path: Path) -> set[str]:
    """The rooms of edgeseg that a module imports from."""
    names = {name for name in imported(ast.parse(path.read_text(encoding="utf-8"))) if name.split(".")[0] == "edgeseg"}
    packages = {name for name in names if name in ROOMS and name != "edgeseg"}
    return {room_of(name) for name in names if name != "edgeseg"} | packages


@pytest.mark.parametrize(("room", "path"), MODULES, ids=[f"{r}-{p.stem}" for r, p in MODULES])
def test_a_module_imports_only_what_its_room_may(room: str, path: Path) -> None:
    beyond = rooms_imported(path) - MAY_IMPORT[room] - {room}
    assert not beyond, f"{path.relative_to(ROOT)} is in {room} and may not import {sorted(beyond)}"


@pytest.mark.parametrize(
    "path",
    [p for r, p in MODULES if r in FREE_OF_HEAVY],
    ids=[f"{r}-{p.stem}" for r, p in MODULES if r in FREE_OF_HEAVY],
)
def test_core_and_runtime_never_name_a_training_or_conversion_package(path: Path) -> None:
    names = {name.split(".")[0] for name in imported(ast.parse(path.read_text(encoding="utf-8")))}
    assert not names & HEAVY, f"{path.relative_to(ROOT)} imports {sorted(names & HEAVY)}"


def test_the_check_itself_sees_hidden_imports(tmp_path: Path) -> None:
    module = tmp_path / "hidden.py"
    module.write_text(
        "def f():\n    require('torch', 'train')\n    from edgeseg import export\n    import edgeseg.runtime.bench\n"
    )
    assert "torch" in set(imported(ast.parse(module.read_text())))
    assert rooms_imported(module) == {"edgeseg.export", "edgeseg.runtime"}


def test_every_package_of_the_house_is_known_here() -> None:
    folders = {
        p.parent for top in ("edgeseg", "export", "runtime", "calibration") for p in ROOT.glob(f"{top}/**/__init__.py")
    }
    assert folders == set(ROOMS.values())


BLOCKED_IMPORT = """
import importlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {heavy!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Blocked())
for name in {modules!r}:
    importlib.import_module(name)
"""


def test_core_and_runtime_import_where_torch_and_converters_are_missing() -> None:
    modules = [f"{r}.{p.stem}".removesuffix(".__init__") for r, p in MODULES if r in FREE_OF_HEAVY]
    code = BLOCKED_IMPORT.format(heavy=sorted(HEAVY), modules=modules)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_runtime_imports_in_under_0_3_seconds(tmp_path: Path) -> None:
    """CPU time of every module of the room, OpenCV and numpy included; the best of several.

    Of the importing thread alone, because OpenBLAS spins in others, and with the bytecode that an installation has,
    also where Python was told to write none.
    """
    names = ", ".join(f"edgeseg.runtime.{path.stem}" for room, path in MODULES if room == "edgeseg.runtime")
    names = names.replace("edgeseg.runtime.__init__", "edgeseg.runtime")
    code = (
        f"import sys, time; a = time.thread_time(); import {names}; b = time.thread_time(); "
        "assert {'cv2', 'numpy', 'edgeseg.runtime.pipeline'} <= set(sys.modules); print(b - a)"
    )
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}
    times = []
    for _ in range(12):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        times.append(float(done.stdout))
        if min(times) < IMPORT_LIMIT_S:
            return
    pytest.fail(f"import edgeseg.runtime took {min(times):.2f} s at best; the limit is {IMPORT_LIMIT_S} s")


def test_the_command_line_starts_without_importing_any_room() -> None:
    code = (
        "import sys; from edgeseg.cli import build_parser; build_parser(None); "
        "print(sorted(m for m in sys.modules if m.startswith('edgeseg.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['edgeseg.cli', 'edgeseg.command_parser', 'edgeseg.errors', 'edgeseg.terminal']"


def test_only_one_module_makes_an_openvino_core() -> None:
    """Cores that come and go leave a freed signal stack behind on CPUs with AMX (``runtime/openvino_core.py``)."""
    found = [
        str(path.relative_to(ROOT))
        for top in ("edgeseg", "export", "runtime", "calibration", "tests")
        for path in (ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and (node.attr == "Core" or ast.unparse(node) == "openvino.compile_model")
    ]
    assert found == ["runtime/openvino_core.py"]
