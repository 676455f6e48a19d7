"""``user@box:2222``: where another machine is, as ssh takes it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeseg.errors import UserError

_HOST = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]+(%\w+)?")
_USER = re.compile(r"[\w.@+\\$-]+")
MOST_PORT = 65535


@dataclass(frozen=True)
class Address:
    """Another machine.

    Attributes:
        host: a name, a number, or an alias in the configuration of ssh.
        user: empty: what that configuration says, or the name here.
        port: None: what it says, or 22.
    """

    host: str
    user: str = ""
    port: int | None = None

    @property
    def destination(self) -> str:
        """What ssh takes: ``user@host``."""
        return f"{self.user}@{self.host}" if self.user else self.host

    @property
    def words(self) -> list[str]:
        """The words for ssh's command line: port and destination."""
        return [*([] if self.port is None else ["-p", str(self.port)]), self.destination]

    def __str__(self) -> str:
        return self.destination if self.port is None else f"{self.destination}:{self.port}"


def parse_address(text: str) -> Address:
    """Read ``[ssh://][USER@]HOST[:PORT]``; an IPv6 address with a port stands in brackets.

    Raises:
        UserError: it is none.

    >>> parse_address("pi@camera-3:2222")
    Address(host='camera-3', user='pi', port=2222)
    >>> parse_address("[fe80::1]:22").host, parse_address("::1").host
    ('fe80::1', '::1')
    """
    user, _, place = text.removeprefix("ssh://").rstrip("/").rpartition("@")
    host, port = _split_port(place)
    is_wrong = not _HOST.fullmatch(host) or host.startswith("-") or not (port is None or 0 < port <= MOST_PORT)
    if is_wrong or (user and (not _USER.fullmatch(user) or user.startswith("-"))):
        raise UserError(
            f"{text!r} is no address of a machine. `on` takes what ssh takes, such as user@box, user@box:2222, or a "
            "name from ~/.ssh/config."
        )
    return Address(host, user, port)


def _split_port(place: str) -> tuple[str, int | None]:
    if place.startswith("["):
        host, bracket, port = place[1:].partition("]")
        return host if bracket else "", _read_port(port[1:]) if port else None
    if place.count(":") != 1:
        return place, None
    host, _, port = place.partition(":")
    return host, _read_port(port)


def _read_port(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_PORT)) else 0
