"""Third-party chatter and telemetry."""

from __future__ import annotations

import logging
import os
import sys
import warnings

import pytest

from edgeseg.console.quiet import quiet


def test_prints_warnings_and_log_lines_are_swallowed(capfd):
    with quiet():
        print("chatter")
        print("chatter", file=sys.stderr)
        warnings.warn("chatter", stacklevel=1)
        logging.getLogger("nncf").error("chatter")
    assert capfd.readouterr() == ("", "")


def test_errors_come_through():
    with pytest.raises(RuntimeError, match="real"), quiet():
        raise RuntimeError("real")


def test_libraries_are_told_to_keep_off_the_network_and_the_environment_is_put_back(monkeypatch):
    monkeypatch.delenv("NNCF_CI", raising=False)
    monkeypatch.setenv("CI", "mine")
    with quiet():
        assert (os.environ["NNCF_CI"], os.environ["CI"]) == ("1", "true")
    assert "NNCF_CI" not in os.environ
    assert os.environ["CI"] == "mine"
