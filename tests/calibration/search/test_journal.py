"""What a search has measured survives an interruption, and nothing else does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgeseg.calibration.search.journal import Journal, journal_path, short_key
from edgeseg.errors import OutputError

INPUTS = {"weights": "ab", "recipe": {"method": "minmax", "keep_float": []}}


@pytest.fixture
def path(tmp_path):
    return journal_path(tmp_path / "net-int8-openvino")


def test_it_is_hidden_beside_the_artifact(path):
    assert path.name == ".net-int8-openvino.search"


def test_results_and_files_are_there_for_the_next_run(path):
    journal = Journal(path, INPUTS)
    journal.put("a", {"x": 1.5})
    with journal.making("model") as staged:
        (staged / "m.bin").write_bytes(b"123")
    journal.close()
    again = Journal(path, INPUTS)
    assert again.get("a") == {"x": 1.5}
    assert (again.folder("model") / "m.bin").read_bytes() == b"123"
    assert again.get("b") is None
    assert again.folder("b") is None


def test_results_of_other_inputs_are_thrown_away(path):
    with Journal(path, INPUTS) as journal:
        journal.put("a", {"x": 1})
    other = Journal(path, {**INPUTS, "weights": "cd"})
    assert other.get("a") is None
    assert sorted(file.name for file in path.iterdir()) == ["holder.json", "inputs.json"]


def test_what_was_not_finished_is_not_there(path):
    journal = Journal(path, INPUTS)

    def interrupted():
        with journal.making("model") as staged:
            (staged / "half.bin").write_bytes(b"1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert journal.folder("model") is None
    (path / "a.json").write_text('{"half": ')
    journal.close()
    assert Journal(path, INPUTS).get("a") is None


HOLD = """
import sys
from pathlib import Path
from edgeseg.calibration.search.journal import Journal
journal = Journal(Path(sys.argv[1]), {})
with journal.making("model") as staged:
    (staged / "model.bin").write_bytes(b"1")
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(path):
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        yield child
        child.kill()


def test_a_second_run_is_told_who_holds_it_and_harms_nothing(path, holder):
    before = sorted(path.rglob("*"))
    said = rf"Another run is making net-int8-openvino .*process {holder.pid} on .*`out` or `name`"
    with pytest.raises(OutputError, match=said):
        Journal(path, INPUTS)
    assert sorted(path.rglob("*")) == before
    assert holder.poll() is None


def test_what_a_killed_run_held_is_free_and_its_half_model_is_gone(path, holder):
    assert len(list(path.glob(".model.*.unfinished"))) == 1
    holder.kill()
    holder.wait()
    with Journal(path, {}) as journal:
        assert not list(path.glob(".model.*"))
        assert journal.folder("model") is None


def test_one_that_its_holder_removes_can_be_had_at_once(path):
    Journal(path, INPUTS).remove()
    with Journal(path, INPUTS) as journal:
        assert journal.get("a") is None
        journal.put("a", {"x": 1})
        assert journal.get("a") == {"x": 1}


def test_dropped_files_keep_their_result_and_remove_leaves_nothing(path):
    journal = Journal(path, INPUTS)
    with journal.making("a") as staged:
        (staged / "m").write_text("")
    journal.put("a", {"x": 1})
    journal.drop("a")
    assert (journal.folder("a"), journal.get("a")) == (None, {"x": 1})
    journal.remove()
    assert not path.exists()


def test_a_link_or_a_file_of_its_name_is_not_written_through(path, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="is in the way"):
        Journal(path, INPUTS)
    path.unlink()
    path.write_text("")
    with pytest.raises(OutputError, match="is in the way"):
        Journal(path, INPUTS)


def test_keys_tell_values_apart():
    assert short_key(["a"]) == short_key(["a"]) != short_key(["b"])
