"""Addresses as people type them."""

from __future__ import annotations

import doctest

import pytest

from edgeseg.errors import UserError
from edgeseg.remote import address
from edgeseg.remote.address import parse_address


def test_the_examples() -> None:
    assert doctest.testmod(address)[0] == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("box", ["box"]),
        ("pi@box", ["pi@box"]),
        ("pi@box:2222", ["-p", "2222", "pi@box"]),
        ("ssh://pi@box:22/", ["-p", "22", "pi@box"]),
        ("pi@[fe80::1%eth0]:2222", ["-p", "2222", "pi@fe80::1%eth0"]),
        ("pi@2001:db8::1", ["pi@2001:db8::1"]),
        ("my_alias.local", ["my_alias.local"]),
        ("first.last@company.com@box", ["first.last@company.com@box"]),
    ],
)
def test_what_ssh_is_given(text: str, words: list[str]) -> None:
    assert parse_address(text).words == words


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pi@",
        "box:",
        "box:0",
        "box:65536",
        "box:x",
        "-oProxyCommand=x",
        "-x@box",
        "a b",
        "box;ls",
        "pi@bo\nx",
        "[::1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no address of a machine"):
        parse_address(text)
