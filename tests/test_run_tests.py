"""``scripts/run_tests.py``: two rounds, one summary, an exit code that tells; folders that are filled once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "run_tests.py"
FIXTURES = Path(__file__).parent
INI = "[pytest]\nmarkers =\n    alone: x\n    long: x\npythonpath = {folder}\n"
SOME = """
import os, pytest
from shared_folder import fill_once

def fill(folder):
    with open(os.environ["LEDGER"], "a") as ledger:
        ledger.write("filled\\n")
    (folder / "made").write_text("whole")

def check(fill_once):
    assert (fill_once("thing", fill) / "made").read_text() == "whole"
"""
TESTS = {
    "test_a.py": "def test_one(fill_once): check(fill_once)\n\ndef test_two(): pytest.skip('no camera')\n",
    "test_b.py": "def test_three(fill_once): check(fill_once)\n\ndef test_four(): pytest.skip('no camera')\n",
    "test_c.py": "@pytest.mark.alone\ndef test_five(fill_once):\n    check(fill_once)\n"
    "    assert 'PYTEST_XDIST_WORKER' not in os.environ\n    assert 'OMP_NUM_THREADS' not in os.environ\n",
    "test_d.py": "@pytest.mark.long\ndef test_six(): assert 0, 'long ones are for --long'\n",
}


def run_tests(folder: Path, *words: str, **more: str) -> tuple[int, str]:
    """Run the script on a few tests; ``more`` adds files."""
    (folder / "pytest.ini").write_text(INI.format(folder=FIXTURES))
    for name, text in {**TESTS, **{f"{name}.py": text for name, text in more.items()}}.items():
        (folder / name).write_text(SOME + text)
    unwanted = ("PYTEST_XDIST_WORKER", "EDGESEG_TESTS_SHARED", "OMP_NUM_THREADS", "PYTEST_ADDOPTS")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment["LEDGER"] = str(folder / "ledger")
    command = [sys.executable, str(SCRIPT), "--jobs", "2", "-p", "no:cacheprovider", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.rpartition("--- ")[2]


def test_both_rounds_are_summed_up_and_skips_are_counted_by_their_reason(tmp_path: Path) -> None:
    code, summary = run_tests(tmp_path)
    first, *reasons = summary.splitlines()
    assert first.startswith("3 passed, 0 failed, 2 skipped in 0:")
    assert reasons == ["     2 skipped: no camera"]
    assert code == 0


def test_a_folder_is_filled_once_for_all_processes_of_both_rounds(tmp_path: Path) -> None:
    run_tests(tmp_path)
    assert (tmp_path / "ledger").read_text() == "filled\n"


def test_a_failure_of_the_first_round_is_the_exit_code_and_named_at_the_end(tmp_path: Path) -> None:
    code, summary = run_tests(tmp_path, test_e="def test_seven(): assert 0\n")
    assert "3 passed, 1 failed, 2 skipped" in summary
    assert "  FAILED test_e::test_seven" in summary
    assert code == 1


def test_a_failure_of_the_second_round_is_the_exit_code_too(tmp_path: Path) -> None:
    code, summary = run_tests(tmp_path, test_e="@pytest.mark.alone\ndef test_seven(): assert 0\n")
    assert "3 passed, 1 failed, 2 skipped" in summary
    assert code == 1


def test_long_tests_run_when_asked_for(tmp_path: Path) -> None:
    code, summary = run_tests(tmp_path, "--long")
    assert "0 passed, 1 failed, 0 skipped" in summary
    assert code == 1


def test_paths_without_tests_are_an_error(tmp_path: Path) -> None:
    assert run_tests(tmp_path, "-k", "nothing")[0] == 5
