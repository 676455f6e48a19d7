"""What ``import edgeseg`` gives, and what it costs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import edgeseg

HEAVY = ("torch", "numpy", "cv2", "onnx", "onnxruntime", "openvino", "nncf", "av")
IMPORT_LIMIT_S = 0.01


def run_python(code: str, **environment: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    ).stdout.strip()


def names_for_type_checkers() -> set[str]:
    tree = ast.parse(Path(edgeseg.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def test_type_checkers_and_python_see_the_same_names() -> None:
    shown = run_python("import edgeseg; print(*(name for name in dir(edgeseg) if not name.startswith('_')))")
    assert shown.split() == sorted(names_for_type_checkers())


@pytest.mark.parametrize("name", sorted(names_for_type_checkers()))
def test_a_name_is_there_alone(name: str) -> None:
    """Whatever was imported before it."""
    shown = run_python(f"import edgeseg; print(edgeseg.{name}.__name__)")
    assert shown.rpartition(".")[2] == name


def test_a_name_that_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match="module 'edgeseg' has no attribute 'laod'"):
        edgeseg.laod  # noqa: B018


def test_importing_the_package_imports_nothing_else() -> None:
    code = f"import sys; import edgeseg; print([m for m in {HEAVY!r} if m in sys.modules], dir(edgeseg).count('load'))"
    assert run_python(code) == "[] 1"


def test_loading_needs_no_torch() -> None:
    code = "import sys, edgeseg; edgeseg.load; print([m for m in ('torch', 'onnx', 'nncf') if m in sys.modules])"
    assert run_python(code) == "[]"


@pytest.mark.alone
def test_importing_the_package_takes_a_few_milliseconds(tmp_path: Path) -> None:
    """CPU time with bytecode, as installed; the best of several."""
    code = "import time; a = time.process_time(); import edgeseg; print(time.process_time() - a)"
    environment = {"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}
    assert min(float(run_python(code, **environment)) for _ in range(5)) < IMPORT_LIMIT_S
