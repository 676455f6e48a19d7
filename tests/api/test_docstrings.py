"""The examples in the docstrings of the public functions do what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

import edgeseg

MODULES = tuple(f"edgeseg.{name}" for name in ("api.load", "api.model", "api.result", "api.stream", "polygon", "given"))


def examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name))]
    return [test for test in found if test.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_an_example_gives_what_it_shows(example: doctest.DocTest, place: Path, model: edgeseg.Model) -> None:
    example.globs.update(edgeseg=edgeseg, model=model, np=np)
    said: list[str] = []
    failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append).failed
    assert not failed, "".join(said)


def test_every_public_name_of_a_model_and_a_result_has_an_example() -> None:
    shown = {example.name.rpartition(".")[2] for example in examples()}
    verbs = {"load", "__call__", "predict", "stream", "areas", "polygons", "overlay", "save_mask", "to_dict"}
    assert verbs <= shown
