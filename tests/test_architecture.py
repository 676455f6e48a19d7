"""Imports go one way, and the runtime needs neither torch nor a converter."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import ROOT, package_folders

ROOMS = (
    "edgeseg.errors",
    "edgeseg.console",
    "edgeseg.files",
    "edgeseg",
    "edgeseg.metrics",
    "edgeseg.demo",
    "edgeseg.assets",
    "edgeseg.runtime.events",
    "edgeseg.runtime.system",
    "edgeseg.runtime.frames",
    "edgeseg.runtime.engines",
    "edgeseg.runtime.trt",
    "edgeseg.runtime.cameras.capture",
    "edgeseg.runtime.cameras",
    "edgeseg.runtime.sources",
    "edgeseg.runtime.recording",
    "edgeseg.runtime.sinks.lines",
    "edgeseg.runtime.sinks",
    "edgeseg.runtime",
    "edgeseg.runtime.service",
    "edgeseg.runtime.session",
    "edgeseg.runtime.measure",
    "edgeseg.graphs",
    "edgeseg.proof",
    "edgeseg.proof.report",
    "edgeseg.models",
    "edgeseg.training.losses",
    "edgeseg.training.data",
    "edgeseg.training",
    "edgeseg.training.pruning",
    "edgeseg.calibration.images",
    "edgeseg.calibration.quantizers",
    "edgeseg.calibration.search",
    "edgeseg.calibration",
    "edgeseg.export.graphs",
    "edgeseg.export.source",
    "edgeseg.export.trace",
    "edgeseg.export",
    "edgeseg.api",
    "edgeseg.verbs.flags",
    "edgeseg.verbs",
)
"""Every room, lowest first: a room imports only rooms that stand before it. ``errors`` counts as one."""

CORE = {"edgeseg", "edgeseg.errors", "edgeseg.console", "edgeseg.files"}
MAY_IMPORT = {
    "edgeseg": {"edgeseg.console", "edgeseg.files"},
    "edgeseg.files": {"edgeseg.console"},
    "edgeseg.metrics": CORE,
    "edgeseg.demo": CORE,
    "edgeseg.runtime": CORE | {"edgeseg.metrics", "edgeseg.demo"},
    "edgeseg.graphs": CORE | {"edgeseg.runtime"},
    "edgeseg.proof": CORE | {"edgeseg.metrics", "edgeseg.runtime"},
    "edgeseg.models": CORE,
    "edgeseg.training": CORE | {"edgeseg.metrics", "edgeseg.models"},
    "edgeseg.calibration": CORE | {"edgeseg.metrics", "edgeseg.runtime", "edgeseg.graphs", "edgeseg.proof"},
    "edgeseg.export": CORE
    | {
        "edgeseg.metrics",
        "edgeseg.runtime",
        "edgeseg.graphs",
        "edgeseg.proof",
        "edgeseg.calibration",
        "edgeseg.models",
        "edgeseg.training",
    },
}
"""What a top room imports, its sub-rooms with it; docs/architecture.md in a form that can be checked."""

MOST_FILES = 20
HEAVY = {"torch", "onnx", "onnxscript", "nncf", "accelerate", "matplotlib", "kornia"}
FREE_OF_HEAVY = ("edgeseg", "edgeseg.errors", "edgeseg.console", "edgeseg.files", "edgeseg.metrics", "edgeseg.runtime")
IMPORT_LIMIT_S = 0.3


def find_modules() -> dict[str, Path]:
    """Module name to file, for every module of the package."""
    return {
        package if path.stem == "__init__" else f"{package}.{path.stem}": path
        for package, folder in package_folders().items()
        for path in sorted(folder.glob("*.py"))
    }


MODULES = find_modules()
PACKAGES = {name for name, path in MODULES.items() if path.stem == "__init__"}
ENTRANCES = {"edgeseg", "edgeseg.cli", "edgeseg.__main__"}
"""They belong to no room: they choose a verb or a function, and import it when it is asked for."""


def room_of(module: str) -> str:
    return next(room for room in (module, module.rpartition(".")[0]) if room in ROOMS)


def top_of(room: str) -> str:
    """The room of the first floor that a sub-room belongs to."""
    return ".".join(room.split(".")[:2])


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


def modules_imported(path: Path) -> set[str]:
    """The modules of edgeseg that a module imports, at its top or inside a function."""
    names = set(imported(ast.parse(path.read_text(encoding="utf-8")))) & set(MODULES)
    return {name for name in names if name not in PACKAGES or name == "edgeseg"}


def find_arrows() -> dict[tuple[str, str], list[str]]:
    """Between two rooms: ``importer -> imported`` of every module pair."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for module in MODULES:
        if module in ENTRANCES:
            continue
        for name in modules_imported(MODULES[module]) - ENTRANCES:
            if room_of(module) != room_of(name):
                arrows.setdefault((room_of(module), room_of(name)), []).append(f"{module} -> {name}")
    return arrows


def test_rooms_import_only_what_stands_before_them() -> None:
    upwards = [pairs for (room, other), pairs in find_arrows().items() if ROOMS.index(other) > ROOMS.index(room)]
    assert not upwards


def test_first_floor_rooms_import_only_what_the_picture_shows() -> None:
    beyond = {
        (room, other): pairs
        for (room, other), pairs in find_arrows().items()
        if top_of(room) not in ("edgeseg.api", "edgeseg.verbs")
        and top_of(other) != top_of(room)
        and top_of(other) not in MAY_IMPORT.get(top_of(room), set()) | {"edgeseg.errors"}
    }
    assert not beyond


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    """Inside functions too, where Python itself would not notice."""
    waiting = {module: modules_imported(path) - {module} for module, path in MODULES.items()}
    while free := [module for module, needs in waiting.items() if not needs & set(waiting)]:
        for module in free:
            del waiting[module]
    assert not waiting


def test_no_room_holds_more_files_than_a_screen_shows() -> None:
    counts = Counter(room_of(module) for module in MODULES if module not in ENTRANCES | PACKAGES)
    assert not {room: count for room, count in counts.items() if count > MOST_FILES}


def test_core_and_runtime_never_name_a_training_or_conversion_package() -> None:
    named = {
        str(path.relative_to(ROOT)): heavy
        for module, path in MODULES.items()
        if module in LIGHT and (heavy := HEAVY & {name.split(".")[0] for name in imported(_parse(path))})
    }
    assert not named


def test_the_check_itself_sees_hidden_imports(tmp_path: Path) -> None:
    module = tmp_path / "hidden.py"
    module.write_text(
        "def f():\n    require('torch', 'train')\n    from edgeseg.export import build\n"
        "    import edgeseg.runtime.measure.bench\n"
    )
    assert "torch" in set(imported(_parse(module)))
    assert modules_imported(module) == {"edgeseg.export.build", "edgeseg.runtime.measure.bench"}


def test_every_package_of_the_house_is_a_room_here() -> None:
    folders = {
        p.parent for top in ("edgeseg", "export", "runtime", "calibration") for p in ROOT.glob(f"{top}/**/__init__.py")
    }
    assert folders == {MODULES[name].parent for name in PACKAGES}
    assert set(ROOMS) - {"edgeseg.errors"} == PACKAGES


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


LIGHT = [
    name for name in MODULES if name not in ENTRANCES and {room_of(name), top_of(room_of(name))} & set(FREE_OF_HEAVY)
]
"""Modules of the core and the runtime."""


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
    code = BLOCKED_IMPORT.format(heavy=sorted(HEAVY), modules=LIGHT)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_runtime_imports_in_under_0_3_seconds(tmp_path: Path) -> None:
    """CPU time of every module of the room, OpenCV and numpy included; the best of several.

    Of the importing thread alone, because OpenBLAS spins in others, and with the bytecode that an installation has,
    also where Python was told to write none.
    """
    names = ", ".join(name for name in LIGHT if top_of(name) == "edgeseg.runtime")
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
    assert done.stdout.strip() == (
        "['edgeseg.cli', 'edgeseg.console', 'edgeseg.console.command_parser', "
        "'edgeseg.console.terminal', 'edgeseg.errors']"
    )


def test_only_one_module_makes_an_openvino_core() -> None:
    """Cores that come and go leave a freed signal stack behind on CPUs with AMX (see that module)."""
    found = [
        str(path.relative_to(ROOT))
        for top in ("edgeseg", "export", "runtime", "calibration", "tests")
        for path in (ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and (node.attr == "Core" or ast.unparse(node) == "openvino.compile_model")
    ]
    assert found == ["runtime/engines/openvino_core.py"]
