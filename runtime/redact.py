"""Camera addresses without their passwords, for everything that is printed, raised or stored.

Passwords of cameras hold ``@ / # ?`` more often than not, and an address with such a password is
ambiguous. So whatever could be a password is hidden, a little more rather than a little less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

HIDDEN = "***"
_SECRET_WORD = re.compile(
    r"(?i)\b((?:[a-z]*_)?(?:user(?:name)?|pass(?:word|wd)?|pwd|pw|token|secret|api_?key|key|auth|sig(?:nature)?)[=:])"
    r"[^&;\s]+"
)
_URL = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://[^\s'\"]+")


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
        shown = _SECRET_WORD.sub(rf"\g<1>{HIDDEN}", after)
        return f"{self.scheme}://{login}{shown}"


def split_url(text: str) -> Url:
    """Take an address apart; what is not ``scheme://...`` has an empty scheme."""
    scheme, _, rest = text.partition("://")
    at = _end_of_login(rest)
    if at < 0:
        return Url(scheme.lower(), "", "", rest)
    user, _, password = rest[:at].partition(":")
    return Url(scheme.lower(), unquote(user), unquote(password), rest[at + 1 :])


def redact(text: str) -> str:
    """``text`` with the credentials of every address in it hidden."""
    return _URL.sub(lambda found: split_url(found[0]).safe, text)


def scrub(text: str, address: str) -> str:
    """``text`` from another library, with ``address`` and any form of its password hidden."""
    url = split_url(address)
    for form in (address, url.encoded):
        text = text.replace(form, url.safe)
    for secret in {url.password, quote(url.password, safe=""), quote(url.password)} - {""}:
        text = text.replace(secret, HIDDEN)
    return redact(text)


def _end_of_login(rest: str) -> int:
    """Where the ``@`` after user and password is, or -1."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        return authority.rindex("@")
    _, colon, port = authority.partition(":")
    if colon and not port.isdecimal() and not authority.startswith("["):
        return rest.rfind("@")  # no host has such a port: the password holds a / ? or #
    return -1
