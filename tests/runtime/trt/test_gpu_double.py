"""The double of a GPU has the names and signatures of the real modules, or the tests that use it prove nothing."""

from __future__ import annotations

import inspect
import re

import pytest
from gpu_double import ContextDouble, CudaDouble, EngineDouble, RuntimeDouble

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
real = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed here")

FUNCTIONS = sorted(name for name in vars(CudaDouble) if name.startswith("cuda") and callable(vars(CudaDouble)[name]))
FUNCTIONS = [name for name in FUNCTIONS if not isinstance(vars(CudaDouble)[name], type)]
DOUBLES = {"Runtime": RuntimeDouble, "ICudaEngine": EngineDouble, "IExecutionContext": ContextDouble}
OWN = {"module", "cuda", "spec", "engine", "addresses", "refuses", "refuses_capture"}


def members(double: type) -> dict[str, object]:
    return {name: value for name, value in vars(double).items() if not name.startswith("_")}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_cuda_function_takes_what_the_real_one_takes(name: str) -> None:
    mine = list(inspect.signature(vars(CudaDouble)[name]).parameters)[1:]
    assert mine == list(inspect.signature(getattr(real, name)).parameters)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, double in DOUBLES.items() for name in members(double)]
)
def test_a_tensorrt_method_takes_what_the_real_one_takes(kind: str, name: str) -> None:
    found, mine = getattr(getattr(trt, kind), name), members(DOUBLES[kind])[name]
    if isinstance(mine, property):
        assert isinstance(found, property)
        return
    wanted = list(inspect.signature(mine).parameters)[1:]  # type: ignore[arg-type]
    assert any(taken[: len(wanted)] == wanted for taken in signatures(found, name)), signatures(found, name)


@pytest.mark.parametrize("name", ["DLA_core", "engine_host_code_allowed"])
def test_what_is_set_on_the_runtime_can_be_set(name: str) -> None:
    assert getattr(trt.Runtime, name).fset is not None


def test_signatures_are_really_read() -> None:
    assert signatures(trt.IExecutionContext.set_tensor_address, "set_tensor_address") == [["name", "memory"]]
    assert len(FUNCTIONS) > 20


def signatures(function: object, name: str) -> list[list[str]]:
    """Parameter names of every overload, from the first lines that pybind11 writes."""
    texts = re.findall(rf"(?:^|\d\. ){name}\((.*?)\) -> ", inspect.getdoc(function) or "", re.MULTILINE)
    return [re.findall(r"(?:^|, )(\w+):", text)[1:] for text in texts]
