"""Formats and who runs them: what other packages bring counts, and one that is broken is a sentence."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fourth_engine import install_page, register
from linear_model import ArtifactMaker

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.errors import ArtifactError, EnvironmentFault, UserError
from edgeseg.formats import (
    BUILT_IN,
    ModelFormat,
    broken_formats,
    engine_title,
    find_format,
    format_names,
    package_of,
    usable_formats,
)
from edgeseg.runtime.engines.engine import open_engine

RECORD = (
    'from edgeseg.formats import ModelFormat\nF = ModelFormat(name="{}", title="X", model_file="m", engine="{}:E")\n'
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the search path, whose modules are forgotten again."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    known = set(sys.modules)
    yield folder
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


def bring(site: Path, code: str, name: str = "odd", module: str = "odd_module") -> None:
    """A package whose module is ``code`` and whose format is called ``name``."""
    (site / f"{module}.py").write_text(code)
    register(site, f"{module}-package", "1.2", {name: f"{module}:F"})


def test_every_format_of_edgeseg_names_code_that_is_there() -> None:
    fields = ("engine", "convert", "quantizer", "findings", "layers", "layer_times", "trace")
    named = [(one, field) for one in BUILT_IN.values() for field in fields if getattr(one, field)]
    assert len(named) == 6 + 4 + 4 + 2 - 1
    assert all(callable(one.load(field)) for one, field in named)


def test_a_package_brings_a_format(site: Path) -> None:
    install_page(site)
    assert format_names() == ("onnx", "openvino", "tensorrt", "tiny")
    assert "tiny_engine" not in sys.modules, "a name is not worth an import"
    assert find_format("tiny").model_file == "model.npz"
    assert package_of(find_format("tiny")) == "tiny-engine 1.0"
    assert engine_title("tiny") == "Tiny"
    assert usable_formats()[-1].name == "tiny"


def test_a_format_that_nobody_brings_says_which_there_are() -> None:
    with pytest.raises(ArtifactError, match="No engine runs 'abacus' artifacts; known formats are onnx, openvino, ten"):
        find_format("abacus")
    assert engine_title("abacus") == "abacus"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module_anywhere\n", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("G = 1\n", "has no attribute 'F'"),
        ("F = 1\n", "it is a int and no edgeseg.formats.ModelFormat"),
        (RECORD.format("even", "odd_module"), "its format is called 'even'"),
        (RECORD.format("../odd", "odd_module"), r"The name of a format must match .*; found '../odd'"),
    ],
)
def test_a_broken_package_is_a_sentence_that_names_it(site: Path, code: str, reason: str) -> None:
    bring(site, code)
    with pytest.raises(EnvironmentFault, match=rf"(?s)odd_module:F of odd_module-package 1\.2: .*{reason}") as said:
        find_format("odd")
    assert broken_formats() == {"odd": str(said.value)}
    assert [one.name for one in usable_formats()] == list(BUILT_IN)


def test_an_engine_that_cannot_be_imported_is_a_sentence(site: Path) -> None:
    bring(site, RECORD.format("odd", "gone"))
    with pytest.raises(
        EnvironmentFault, match=r"The engine of X \(gone:E\) cannot be loaded: .*No module named 'gone'"
    ):
        find_format("odd").load("engine")


def test_nobody_takes_the_place_of_a_format_of_edgeseg(site: Path) -> None:
    bring(site, RECORD.format("onnx", "odd_module"), "onnx")
    assert find_format("onnx") is BUILT_IN["onnx"]
    assert "calls its format like one of edgeseg's own" in broken_formats()["onnx"]


def test_two_packages_with_one_format_are_both_named(site: Path) -> None:
    bring(site, RECORD.format("odd", "odd_module"))
    bring(site, RECORD.format("odd", "other_module"), "odd", "other_module")
    with pytest.raises(EnvironmentFault, match=r"'odd': odd_module-package 1\.2 and other_module-package 1\.2\."):
        find_format("odd")


def test_a_list_of_entry_points_that_cannot_be_read_is_passed_over(site: Path) -> None:
    bring(site, RECORD.format("odd", "odd_module"))
    register(site, "torn", "1", {})
    (site / "torn-1.dist-info" / "entry_points.txt").write_text("[edgeseg.engines]\nno equals sign\n")
    assert find_format("odd").title == "X"


def test_a_broken_package_changes_nothing_for_the_others(
    site: Path, tiny_artifact: ArtifactMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    bring(site, "1 / 0\n")
    open_engine(tiny_artifact("openvino")).open_slot().close()
    for words in (["cache"], ["inspect", str(tiny_artifact("onnx").path)], ["doctor"]):
        assert main(words) == 0
    told = capsys.readouterr().out
    assert "odd           missing: The engine of 'odd' artifacts cannot be used: odd_module:F" in told
    assert "OpenVINO      20" in told


def test_an_artifact_whose_engine_is_not_installed_is_a_sentence(tiny_artifact: ArtifactMaker) -> None:
    with pytest.raises(ArtifactError, match="No engine runs 'odd' artifacts"):
        _ = dataclasses.replace(tiny_artifact("onnx"), format="odd").model_path


def test_an_artifact_whose_engine_is_broken_is_a_sentence(site: Path, tiny_artifact: ArtifactMaker) -> None:
    bring(site, "1 / 0\n")
    with pytest.raises(EnvironmentFault, match="ZeroDivisionError"):
        _ = dataclasses.replace(tiny_artifact("onnx"), format="odd").model_path


@pytest.mark.parametrize("change", [{"name": "a-b"}, {"name": ""}, {"model_file": "../m"}, {"model_file": "a/b"}])
def test_names_that_could_lead_elsewhere_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(UserError, match="of a format must match"):
        ModelFormat(**({"name": "odd", "title": "X", "model_file": "m", "engine": "x:E"} | change))


def test_starting_looks_for_no_packages() -> None:
    code = (
        "import sys; from edgeseg.cli import build_parser; build_parser(None); import edgeseg.runtime.engines.engine;"
        "from edgeseg.formats import find_format; from edgeseg.entry_points import _scan;"
        "find_format('openvino'); print(_scan.cache_info().misses)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "0\n"


def test_opening_an_artifact_of_edgeseg_imports_no_package(site: Path, tiny_artifact: ArtifactMaker) -> None:
    install_page(site)
    open_engine(Artifact.open(tiny_artifact("onnx").path)).close()
    assert "tiny_engine" not in sys.modules
