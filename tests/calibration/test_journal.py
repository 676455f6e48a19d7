"""What a search has measured survives an interruption, and nothing else does."""

from __future__ import annotations

import pytest

from edgeseg.calibration.journal import Journal, journal_path, short_key
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
    again = Journal(path, INPUTS)
    assert again.get("a") == {"x": 1.5}
    assert (again.folder("model") / "m.bin").read_bytes() == b"123"
    assert again.get("b") is None
    assert again.folder("b") is None


def test_results_of_other_inputs_are_thrown_away(path):
    Journal(path, INPUTS).put("a", {"x": 1})
    other = Journal(path, {**INPUTS, "weights": "cd"})
    assert other.get("a") is None
    assert [file.name for file in path.iterdir()] == ["inputs.json"]


def test_what_was_not_finished_is_not_there(path):
    journal = Journal(path, INPUTS)

    def interrupted():
        with journal.making("model") as staged:
            (staged / "half.bin").write_bytes(b"1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert journal.folder("model") is None
    (path / "making-killed").mkdir()
    (path / "a.json").write_text('{"half": ')
    again = Journal(path, INPUTS)
    assert again.get("a") is None
    assert not (path / "making-killed").exists()


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
