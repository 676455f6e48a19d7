"""Every session says what it was opened with, and computes what its level of rewriting allows."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from linear_model import ArtifactMaker

from edgeseg.errors import EngineError
from edgeseg.runtime.engines.ort_session import BASIC, EVERYTHING, NOTHING, first_line, open_session, translate_errors

SPINNING = "session.intra_op.allow_spinning"


@pytest.fixture
def path(tiny_artifact: ArtifactMaker) -> Path:
    return tiny_artifact("onnx").model_path


@pytest.mark.parametrize("level", [NOTHING, BASIC, EVERYTHING])
def test_a_session_may_rewrite_what_it_was_told(path: Path, level: str) -> None:
    options = open_session(path, level).get_session_options()
    assert options.graph_optimization_level == getattr(onnxruntime.GraphOptimizationLevel, level)
    assert options.log_severity_level == 4


def test_threads_and_spinning_are_as_asked(path: Path) -> None:
    options = open_session(path, threads=3, spins=False).get_session_options()
    assert options.intra_op_num_threads == 3
    assert options.get_session_config_entry(SPINNING) == "0"
    with pytest.raises(RuntimeError, match=SPINNING):
        open_session(path).get_session_options().get_session_config_entry(SPINNING)


def test_a_file_and_its_bytes_compute_the_same(path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 24, 32, 3), dtype=np.uint8)
    answers = [
        session.run(["labels"], {"image": image})[0]
        for session in (open_session(path), open_session(path.read_bytes()))
    ]
    assert np.array_equal(*answers)
    assert len(np.unique(answers[0])) > 1


def test_the_rewritten_graph_is_saved_where_it_is_asked_for(path: Path, tmp_path: Path) -> None:
    open_session(path, BASIC, optimised_file=tmp_path / "lean.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "lean.onnx"))


def test_memory_is_limited_only_while_it_opens(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []
    real = onnxruntime.InferenceSession

    def note(*words: Any, **named: Any) -> Any:
        limits.append(resource.getrlimit(resource.RLIMIT_AS)[0])
        return real(*words, **named)

    before = resource.getrlimit(resource.RLIMIT_AS)
    monkeypatch.setattr(onnxruntime, "InferenceSession", note)
    open_session(path)
    open_session(path, limits_memory=True)
    assert limits[0] == before[0]
    assert limits[1] != resource.RLIM_INFINITY
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_what_onnx_runtime_refuses_is_one_sentence(path: Path) -> None:
    said = r"^It cannot load x: \[ONNXRuntimeError\][^\n]*\. Look elsewhere\.$"
    with pytest.raises(EngineError, match=said), translate_errors("It cannot load x", "Look elsewhere."):
        open_session(path.read_bytes()[:200])
    with pytest.raises(ZeroDivisionError), translate_errors("It cannot load x"):
        _ = 1 / 0


def test_an_error_without_a_message_is_called_by_its_class() -> None:
    assert first_line(MemoryError()) == "MemoryError"
    assert first_line(ValueError("one.\ntwo")) == "one"
