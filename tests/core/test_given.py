"""A wrong argument is named where it enters, whichever function it is given to."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from house import package_folders
from linear_model import ArtifactMaker

from edgeseg.artifact import Artifact
from edgeseg.errors import ArtifactError, DataError, EdgesegError, SpecError, UserError
from edgeseg.given import CHECKED, checked
from edgeseg.image import UInt8
from edgeseg.runtime.engines.predictor import open_predictor
from edgeseg.spec import ModelSpec

ROOMS = ("edgeseg.metrics", "edgeseg.graphs")
ENTRANCES = {
    "edgeseg": ("artifact", "dataset", "draw", "image", "legend", "mask_png"),
    "edgeseg.runtime.engines": ("engine", "predictor", "threshold"),
    "edgeseg.runtime.measure": ("bench", "check", "evaluate", "latency_gate"),
    "edgeseg.training": ("checkpoint",),
    "edgeseg.calibration.images": ("load_set", "set_file"),
    "edgeseg.proof": ("samples",),
}
"""Modules that programs call directly."""
INSIDE = {
    # Seams and what only an engine's own file calls: another engine may be anything.
    "Slot", "InFloat", "Quantizer", "OpenVinoSlot", "OrtSlot", "ReferenceSlot", "TensorRtSlot", "ModelStore",
    "EngineStore", "expect_format", "expect_engine", "expect_tensors", "slot_memory",
    # They check for themselves, in words of their own.
    "open", "open_artifact", "check_image",
    # They take what edgeseg has found, and no user's values.
    "jetpack", "install_advice", "bindings_line", "driver_advice", "warn_of_stretch",
}  # fmt: skip
"""Names of functions, or of classes with all their methods, that may go without :func:`checked`."""


def entries() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function and method there that takes a path, an artifact, a spec or a picture."""
    for package, folder in package_folders().items():
        for path in sorted(folder.glob("*.py")):
            if package in ROOMS or path.stem in ENTRANCES.get(package, ()):
                yield from public_functions(f"{package}.{path.stem}", path)


def public_functions(module: str, path: Path) -> Iterator[tuple[str, Callable[..., Any]]]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            yield from wanted(module, node, ())
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in INSIDE:
            for method in (each for each in node.body if isinstance(each, ast.FunctionDef)):
                yield from wanted(module, method, (node.name,))


def wanted(module: str, node: ast.FunctionDef, owner: tuple[str, ...]) -> Iterator[tuple[str, Callable[..., Any]]]:
    if node.name in INSIDE or (node.name.startswith("_") and node.name not in ("__init__", "__call__")):
        return
    words = {w for a in (*node.args.args, *node.args.kwonlyargs) if a.annotation for w in words_in(a.annotation)}
    if words & CHECKED:
        found: Any = importlib.import_module(module)
        for name in (*owner, node.name):
            found = inspect.getattr_static(found, name)
        yield f"{module}:{'.'.join((*owner, node.name))}", getattr(found, "__func__", found)


def words_in(annotation: ast.expr) -> set[str]:
    """The types of an annotation that is nothing but types, ``None``, ``str`` and one list of them."""
    words = set(re.sub(r"\b(?:Sequence|list|Collection)\[(\w+)\]", r"\1", ast.unparse(annotation)).split(" | "))
    return words if words <= CHECKED | {"None", "str"} else set()


def test_every_entry_refuses_what_it_does_not_take() -> None:
    """The mistake that showed it: the method of a string instead of its result."""
    wrong: Any = "cells-int8-{}".format
    found, careless = 0, []
    for name, function in entries():
        for parameter in getattr(function, "checked_names", ()):
            found += 1
            first = {"self": None} if next(iter(inspect.signature(function).parameters)) in ("self", "cls") else {}
            with pytest.raises(UserError, match=rf"`{parameter}` is .*; found builtin_function_or_method <built-in"):
                function(*first.values(), **{parameter: wrong})
        if not hasattr(function, "checked_names"):
            careless.append(name)
    assert not careless
    assert found > 60


def test_a_path_may_be_text() -> None:
    @checked
    def suffix(path: Path, *, other: Path | None = None) -> str:
        return path.suffix + (other.suffix if other else "")

    assert suffix("a.png", other="b.jpg") == suffix(Path("a.png"), other=Path("b.jpg")) == ".png.jpg"  # type: ignore[arg-type]
    assert suffix(Path("a.png"), other=None) == ".png"
    for wrong in (7, None, "", b"a.png"):
        with pytest.raises(UserError, match=r"`path` is a path; found"):
            suffix(wrong)  # type: ignore[arg-type]


def test_lists_are_converted_one_by_one() -> None:
    @checked
    def names(paths: list[Path]) -> list[str]:
        return [path.name for path in paths]

    assert names(["x/a", Path("x/b")]) == ["a", "b"]  # type: ignore[list-item]
    assert names(Path(name) for name in "ab") == ["a", "b"]  # type: ignore[arg-type]
    given = [Path("a")]
    assert checked(lambda_of(given))(given) == ["a"]
    with pytest.raises(UserError, match=r"`paths` is a list, and not one thing alone; found str 'ab'"):
        names("ab")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"`paths` is a path; found int 3"):
        names([Path("a"), 3])  # type: ignore[list-item]


def lambda_of(expected: list[Path]) -> Callable[[list[Path]], list[str]]:
    def same(paths: list[Path]) -> list[str]:
        assert paths is expected
        return [path.name for path in paths]

    return same


def test_an_artifact_may_be_a_path(tiny_artifact: ArtifactMaker) -> None:
    made = tiny_artifact("onnx")
    for given in (made, made.path, str(made.path), str(made.model_path)):
        with open_predictor(given) as predict:  # type: ignore[arg-type]
            assert predict(np.zeros((9, 9, 3), np.uint8)).shape == (9, 9)
    with pytest.raises(ArtifactError, match="There is no artifact nothing"):
        open_predictor("nothing")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros((2, 3), np.float32), r"`picture` is a uint8 array; found a float32 array of shape \(2, 3\)"),
        ([[1, 2]], r"found list \[\[1, 2\]\]"),
        ("x" * 500, r"found str 'x{59}\.\.\."),
    ],
)
def test_what_was_found_is_said_briefly(wrong: Any, words: str) -> None:
    @checked
    def take(picture: UInt8) -> None:
        raise AssertionError("it was taken")

    with pytest.raises(DataError, match=words):
        take(wrong)


def test_a_spec_is_a_spec() -> None:
    @checked
    def take(spec: ModelSpec) -> ModelSpec:
        return spec

    with pytest.raises(SpecError, match=r"`spec` is a ModelSpec; found dict \{'task': 'binary'\}"):
        take({"task": "binary"})  # type: ignore[arg-type]


def test_other_annotations_and_errors_are_left_alone() -> None:
    @checked
    def take(artifact: Artifact | int, count: int, path: Path) -> Any:
        return artifact, count

    assert take(3, "four", Path()) == (3, "four")  # type: ignore[arg-type]
    assert take.__name__ == "take"
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'path'"):
        take(1, 2)  # type: ignore[call-arg]
    assert issubclass(SpecError, EdgesegError)
