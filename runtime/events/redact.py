"""Camera addresses without their passwords, for everything that is printed, raised or stored.

Passwords of cameras hold ``@ / # ?`` more often than not, and an address with such a password is
ambiguous. So whatever could be a password is hidden, a little more rather than a little less.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

HIDDEN = "***"
# Patterns are compiled when they are first used, and kept by `re`: every start imports this.
# Shorter passwords are parts of common words: with those replaced, the words would tell it.
_TELLING = 4
_NAMES = "user|usr|pass|pwd|psw|login|token|secret|auth|jwt"
_IN_QUERIES = "pas|pw|key|sig|session|sid|cred|pin|hash"
# A value in quotes may hold spaces; one in a query goes on over an & after which no other name follows.
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^&;\s'"]+(?:&(?![^&=;\s]*=)[^&;\s'"]*)*)"""
_SECRET_WORD = rf"(?i)([a-z_-]*(?:{_NAMES}|{_IN_QUERIES})[a-z_-]*[=:]){_VALUE}"
_ASSIGNED = rf"(?i)((?<![a-z])[a-z_-]*(?:{_NAMES})[a-z_-]*=){_VALUE}"
_QUERY = rf"(?i)([?&;](?:u|p|un|pd|up|uid|[a-z_-]*(?:{_NAMES}|{_IN_QUERIES})[a-z_-]*)=){_VALUE}"
# A password may hold quotes; an address is quoted more often. Up to the last @ all is login, then quotes end it.
_URL = r"(?i)\b[a-z][a-z0-9+.-]*://(?:\S*@)?[^\s'\"]*"
# Mistyped addresses: with one slash, three, or other signs in their place; and with none.
_MISTYPED = r"(?i)\b((?:rtsps?|https?|gst|rtmp|srt|udp|mms)[:;]?[/\\]*)(?<=[:;/\\])(?!\*\*\*@)[^\s/\\]\S*@(?=[\w\[])"
_SCHEMELESS = r"""([^\s'"`/\\:@,;()<>=\[\]{}|]*):([^\s@]\S*|)@(?=[\w\[])(\S*)"""
_CLOCK = r"(?:.*[T_-])?[0-2]?\d:[0-5]\d(:[0-5]\d(\.\d+)?)?"
_DRIVE = r"(?s)[A-Za-z]:[\\/].*"
_CERTAIN_HOST = r"(?i)(\[[0-9a-f:.]+\]|\d{1,3}(\.\d{1,3}){3}|localhost|[a-z0-9.-]+:\d{1,5})\b"
_HOST = r"(?i)(\[[0-9a-f:.]+\]|localhost|[a-z0-9-]+(\.[a-z0-9-]+)+)(:\d{1,5})?|[a-z0-9-]+:\d{1,5}"


@dataclass(frozen=True)
class Url:
    """``scheme://user:password@rest``; ``user`` and ``password`` as they are meant, not percent-encoded."""

    scheme: str
    user: str
    password: str
    rest: str

    @property
    def encoded(self) -> str:
        """The address as libraries take it: a password with ``@ / # ?`` percent-encoded."""
        if not self.user and not self.password:
            return f"{self.scheme}://{self.rest}"
        login = quote(self.user, safe="") + (f":{quote(self.password, safe='')}" if self.password else "")
        return f"{self.scheme}://{login}@{self.rest}"

    @property
    def safe(self) -> str:
        """The address to be shown: whatever stands before its last ``@`` is hidden."""
        _, at, after = self.rest.rpartition("@")
        login = f"{HIDDEN}@" if at or self.user or self.password else ""
        shown = _hide_values(re.sub(_SECRET_WORD, rf"\g<1>{HIDDEN}", after))
        return f"{self.scheme}://{login}{shown}"


def split_url(text: str) -> Url:
    """Take an address apart; what is not ``scheme://...`` has an empty scheme."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    at = _end_of_login(rest)
    if at < 0:
        return Url(scheme.lower(), "", "", rest)
    user, _, password = rest[:at].partition(":")
    return Url(scheme.lower(), unquote(user), unquote(password), rest[at + 1 :])


def redact(text: str) -> str:
    """Hide the credentials of every address in ``text``: whole ones, mistyped ones, those in queries."""
    text = re.sub(_URL, lambda found: split_url(found[0]).safe, text)
    text = re.sub(_MISTYPED, rf"\g<1>{HIDDEN}@", text)
    return _hide_values(re.sub(_SCHEMELESS, _without_login, text))


def redact_values(value: Any) -> Any:
    """Redact every text in ``value``, which is of what JSON can hold."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redact_values(item) for key, item in value.items()}
    return [redact_values(item) for item in value] if isinstance(value, (list, tuple)) else value


def _hide_values(text: str) -> str:
    return re.sub(_QUERY, rf"\g<1>{HIDDEN}", re.sub(_ASSIGNED, rf"\g<1>{HIDDEN}", text))


def _without_login(found: re.Match[str]) -> str:
    """A time of day in a file name, or a drive of Windows, is no login, unless a host follows for certain."""
    if found[2].lstrip("/\\").startswith(HIDDEN):
        return found[0]
    login, after = f"{found[1]}:{found[2]}", found[3]
    is_harmless = re.fullmatch(_CLOCK, login) or re.fullmatch(_DRIVE, login)
    if is_harmless and not re.match(_CERTAIN_HOST, after):
        return found[0]
    return f"{HIDDEN}@{after}"


def scrub(text: str, address: str) -> str:
    """Hide ``address`` and any form of its password in ``text`` from another library."""
    url = split_url(address)
    for form in (address, url.encoded):
        text = text.replace(form, url.safe)
    if len(url.password) >= _TELLING:
        for secret in (url.password, quote(url.password, safe=""), quote(url.password)):
            text = text.replace(secret, HIDDEN)
    return redact(text)


def _end_of_login(rest: str) -> int:
    """Where the ``@`` after user and password is, or -1.

    Where there are several, the standard's reading holds, unless it finds the host improbable and another
    reading finds a better one: ``user:p@ss/word@10.0.0.2/1``.
    """
    authority, last = _before_path(rest), rest.rfind("@")
    if "@" in authority:
        by_standard = authority.rindex("@")
        better = not re.fullmatch(_HOST, authority[by_standard + 1 :]) and re.fullmatch(
            _HOST, _before_path(rest[last + 1 :])
        )
        return last if better else by_standard
    _, colon, port = authority.partition(":")
    if colon and not port.isdecimal() and not authority.startswith("["):
        return last  # no host has such a port: the password holds a / ? or #
    return -1


def _before_path(rest: str) -> str:
    return re.split(r"[/?#]", rest, maxsplit=1)[0]
