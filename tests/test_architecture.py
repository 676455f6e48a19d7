"""Imports go one way, and the runtime needs neither torch nor a converter."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import ROOT, find_actions, package_folders

from edgeseg.cli import VERBS, build_parser
from edgeseg.models.registry import MODELS
from edgeseg.proof.budget import Budget
from edgeseg.runtime.analysis.settings import AnalysisSettings
from edgeseg.runtime.session.settings import RunSettings
from edgeseg.runtime.sinks.settings import OutputSettings
from edgeseg.runtime.sources.selection import Selection
from edgeseg.runtime.trt.build_settings import BuildSettings
from edgeseg.verbs.flags.names import COMMANDS, OTHER_NAMES, SAME_NAMES, find_flag

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOMS = (
    "edgeseg.errors",
    "edgeseg.console",
    "edgeseg.files",
    "edgeseg.masks",
    "edgeseg",
    "edgeseg.datasets.shapes",
    "edgeseg.datasets.formats",
    "edgeseg.datasets.pixels",
    "edgeseg.datasets",
    "edgeseg.dataset",
    "edgeseg.metrics",
    "edgeseg.demo",
    "edgeseg.assets",
    "edgeseg.runtime.events",
    "edgeseg.runtime.system",
    "edgeseg.runtime.frames",
    "edgeseg.runtime.analysis",
    "edgeseg.runtime.engines",
    "edgeseg.runtime.trt",
    "edgeseg.runtime.cameras.capture",
    "edgeseg.runtime.cameras",
    "edgeseg.runtime.sources",
    "edgeseg.runtime.recording",
    "edgeseg.runtime.sinks.lines",
    "edgeseg.runtime.sinks.messages",
    "edgeseg.runtime.sinks.views",
    "edgeseg.runtime.sinks",
    "edgeseg.runtime.tiles",
    "edgeseg.runtime",
    "edgeseg.runtime.service",
    "edgeseg.runtime.measure",
    "edgeseg.runtime.tuning",
    "edgeseg.runtime.session",
    "edgeseg.graphs",
    "edgeseg.proof",
    "edgeseg.proof.judges",
    "edgeseg.proof.report",
    "edgeseg.models",
    "edgeseg.training.losses",
    "edgeseg.training.data",
    "edgeseg.training",
    "edgeseg.training.session",
    "edgeseg.training.pruning",
    "edgeseg.calibration.images",
    "edgeseg.calibration.equalisation",
    "edgeseg.calibration.rounding",
    "edgeseg.calibration.quantizers",
    "edgeseg.calibration.search",
    "edgeseg.calibration",
    "edgeseg.export.graphs",
    "edgeseg.export.reading",
    "edgeseg.export.checkpoints",
    "edgeseg.export.tflite",
    "edgeseg.export.hubs",
    "edgeseg.export.ir",
    "edgeseg.export.specs",
    "edgeseg.export.source",
    "edgeseg.export.trace",
    "edgeseg.export",
    "edgeseg.export.candidates",
    "edgeseg.zoo",
    "edgeseg.api",
    "edgeseg.ci",
    "edgeseg.remote",
    "edgeseg.verbs.flags",
    "edgeseg.verbs",
)
"""Every room, lowest first: a room imports only rooms that stand before it. A module that stands here counts as one."""

DATA = {"edgeseg.datasets", "edgeseg.dataset"}
CORE = {"edgeseg", "edgeseg.errors", "edgeseg.console", "edgeseg.files", "edgeseg.masks"} | DATA
MAY_IMPORT = {
    "edgeseg.datasets": {"edgeseg", "edgeseg.console", "edgeseg.files", "edgeseg.masks"},
    "edgeseg.dataset": {"edgeseg", "edgeseg.console", "edgeseg.files", "edgeseg.masks", "edgeseg.datasets"},
    "edgeseg": {"edgeseg.console", "edgeseg.files", "edgeseg.masks"},
    "edgeseg.masks": {"edgeseg.files"},
    "edgeseg.files": {"edgeseg.console"},
    "edgeseg.metrics": CORE,
    "edgeseg.demo": CORE,
    "edgeseg.runtime": CORE | {"edgeseg.metrics", "edgeseg.demo"},
    "edgeseg.graphs": CORE | {"edgeseg.runtime"},
    "edgeseg.proof": CORE | {"edgeseg.metrics", "edgeseg.runtime"},
    "edgeseg.models": CORE,
    "edgeseg.training": CORE | {"edgeseg.metrics", "edgeseg.models", "edgeseg.runtime"},
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
    "edgeseg.ci": CORE | {"edgeseg.metrics", "edgeseg.runtime", "edgeseg.proof", "edgeseg.api"},
    "edgeseg.remote": CORE | {"edgeseg.runtime"},
    "edgeseg.zoo": CORE | {"edgeseg.demo", "edgeseg.runtime", "edgeseg.proof", "edgeseg.export"},
}
"""What a top room imports, its sub-rooms with it; docs/architecture.md in a form that can be checked."""

MOST_FILES = 20
HEAVY = {"torch", "onnx", "onnxscript", "nncf", "accelerate", "matplotlib", "kornia"}
FREE_OF_HEAVY = (
    "edgeseg",
    "edgeseg.errors",
    "edgeseg.console",
    "edgeseg.files",
    "edgeseg.masks",
    "edgeseg.datasets",
    "edgeseg.dataset",
    "edgeseg.metrics",
    "edgeseg.runtime",
)
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
    assert set(ROOMS) - {"edgeseg.errors", "edgeseg.dataset"} == PACKAGES


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


@pytest.mark.alone
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
        "'edgeseg.console.terminal', 'edgeseg.console.wording', 'edgeseg.errors', 'edgeseg.version']"
    )


def test_only_one_module_opens_onnx_runtime_sessions() -> None:
    """What edgeseg asks of every session has one home; callers choose by name."""
    found = [
        str(path.relative_to(ROOT))
        for top in ("edgeseg", "export", "runtime", "calibration")
        for path in (ROOT / top).rglob("*.py")
        if "InferenceSession(" in path.read_text(encoding="utf-8")
    ]
    assert found == ["runtime/engines/ort_session.py"]


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


def test_no_folder_of_the_tests_is_taken_for_a_package_that_is_missing() -> None:
    """A folder beside those on the tests' path is a package for Python, unless there is a real one of its name."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    hidden = {
        child.name for folder in settings["tool"]["pytest"]["ini_options"]["pythonpath"] for child in _folders(folder)
    }
    wanted = {
        str(node.args[0].value).partition(".")[0]
        for top in ("edgeseg", "export", "runtime", "calibration")
        for path in (ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("require", "importlib.import_module")
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert {"torch", "tflite", "onnx"} <= wanted
    assert not hidden & wanted


def _folders(folder: str) -> list[Path]:
    return [child for child in (ROOT / folder).iterdir() if child.is_dir()]


def verb_flags() -> set[str]:
    """Every flag of every verb, from the parsers themselves."""
    found: set[str] = set()
    for verb in VERBS:
        verbs = next(a for a in build_parser(verb)._actions if isinstance(a, argparse._SubParsersAction))
        found.update(word for action in find_actions(verbs.choices[verb]) for word in action.option_strings)
    return found


BELOW_VERBS = [
    name
    for name in MODULES
    if name not in ENTRANCES and ROOMS.index(room_of(name)) < ROOMS.index("edgeseg.verbs.flags")
]
OTHER_PROGRAMS = {"edgeseg.files.foreign_kind": {"--outputs"}, "edgeseg.demo.cells": {"--seed", "--val"}}
"""Flags of other command lines that edgeseg has too: tf2onnx, and ``python -m edgeseg.demo.cells``."""


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string of a module with its line, docstrings too; what an f-string fills in is ``X`` there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_text_of_part(part) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def _text_of_part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    return "'X'" if isinstance(part, ast.FormattedValue) and part.conversion == ord("r") else "X"


def flags_named(tree: ast.AST, flags: set[str]) -> set[str]:
    """Flags in the strings of a module, ``--X`` for one that an f-string makes."""
    words = {word for _, text in texts(tree) for word in re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", text)}
    return words & {flag for flag in flags if flag.startswith("--")} | words & {"--X"}


def test_no_string_below_the_verbs_names_a_flag() -> None:
    """A message names the setting in backquotes; ``edgeseg.verbs.flags.names`` makes the flag of it."""
    flags = verb_flags()
    assert {"--max-drop", "--no-pretrained", "--tls-ca", "--conf"} <= flags
    own = {"edgeseg.demo.cells": {"--X"}}
    named = {
        name: found
        for name in BELOW_VERBS
        if (found := flags_named(_parse(MODULES[name]), flags) - OTHER_PROGRAMS.get(name, set()) - own.get(name, set()))
    }
    assert not named


@pytest.mark.parametrize("code", ['f"--{name} is wrong"', '"Use --conf 0.5."', 'f"{x}: --conf"', '"""``--conf``."""'])
def test_the_check_of_flags_sees_them_in_every_kind_of_string(code: str) -> None:
    assert flags_named(ast.parse(code), {"--conf"})
    assert not flags_named(ast.parse(code.replace("--", "")), {"--conf"})


def test_no_module_below_the_verbs_words_a_command() -> None:
    assert not [name for name in BELOW_VERBS if "edgeseg.console.command" in modules_imported(MODULES[name])]


def named_in_messages() -> Iterator[tuple[str, ast.expr]]:
    """Whatever stands in single backquotes in a string below the verbs, parsed, with its place."""
    for name in BELOW_VERBS:
        for line, text in texts(_parse(MODULES[name])):
            for code in re.findall(r"(?<![`:\w])`([^`\n]+)`(?!`)", text):
                for form in (code, f"_({code})"):
                    try:
                        yield f"{name}:{line}: {code}", ast.parse(form, mode="eval").body
                    except SyntaxError:
                        continue
                    break


def unknown_names(code: ast.expr) -> list[str]:
    """Settings without a flag, and functions without a command, in what a message names."""
    if isinstance(code, ast.Name | ast.Attribute):
        return [] if find_flag(ast.unparse(code)) else [ast.unparse(code)]
    if not isinstance(code, ast.Call):
        return []
    function = ast.unparse(code.func)
    known = COMMANDS[function].parameters if function in COMMANDS else {}
    missing = [] if function in {*COMMANDS, "_", "ModelSpec"} else [function]
    for argument in code.keywords:
        if argument.arg not in known and not find_flag(str(argument.arg)) and argument.arg != "spec":
            missing.append(str(argument.arg))
    inside = [value for value in (*code.args, *(k.value for k in code.keywords)) if isinstance(value, ast.Call)]
    return [*missing, *(name for value in inside for name in unknown_names(value))]


def test_every_name_in_a_message_has_a_flag_or_a_command() -> None:
    """Or it is a parameter of a function of that module, which no verb gives."""
    found = list(named_in_messages())
    assert len(found) > 100
    unknown = {
        place: names
        for place, code in found
        if (names := set(unknown_names(code)) - {"X", *parameter_names(place.partition(":")[0])})
    }
    assert not unknown


def parameter_names(module: str) -> set[str]:
    """Parameters of functions and fields of classes."""
    nodes = list(ast.walk(_parse(MODULES[module])))
    fields = (node.target for node in nodes if isinstance(node, ast.AnnAssign))
    return {n.arg for n in nodes if isinstance(n, ast.arg)} | {n.id for n in fields if isinstance(n, ast.Name)}


def test_the_table_of_names_holds_flags_that_there_are() -> None:
    names = SAME_NAMES | set(OTHER_NAMES)
    assert not {name: flag for name in names if (flag := find_flag(name)) not in verb_flags()}


IN_THE_FILE_OF_ZONES = {"lines", "plane"}


def test_settings_that_are_checked_by_a_variable_name_have_flags() -> None:
    options = {option.name for entry in MODELS.values() for option in entry.options}
    groups = (RunSettings, OutputSettings, AnalysisSettings, Selection, BuildSettings, Budget)
    fields = {field.name for group in groups for field in dataclasses.fields(group)}
    grouped = {"analysis", "artifact", "asked", "messages", "outputs", "summary_json"} | IN_THE_FILE_OF_ZONES
    assert not {name for name in (options | fields) - grouped if find_flag(name) is None}


FUNCTIONS = {
    (f"edgeseg.{node.name}" if room_of(name) == "edgeseg.api" else node.name): [
        argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    ]
    for name in BELOW_VERBS
    for node in _parse(MODULES[name]).body
    if isinstance(node, ast.FunctionDef)
}
"""Every function below the verbs with its parameters; those of the API by the name that programs call them by."""


def test_commands_stand_for_functions_and_parameters_that_there_are() -> None:
    for name, command in COMMANDS.items():
        assert list(command.parameters) == FUNCTIONS[name][: len(command.parameters)], name


def test_calls_in_messages_give_only_parameters_that_there_are() -> None:
    calls = [(place, code) for place, code in named_in_messages() if isinstance(code, ast.Call)]
    given = {
        place: {str(keyword.arg) for keyword in code.keywords}
        for place, call in calls
        for code in ast.walk(call)
        if isinstance(code, ast.Call) and (name := ast.unparse(code.func)) in COMMANDS
        if not {str(keyword.arg) for keyword in code.keywords} <= set(FUNCTIONS[name])
    }
    assert len(calls) > 10
    assert not given
