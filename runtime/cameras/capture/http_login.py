"""What a request says to who asks for a user and a password: RFC 7617 (basic) and RFC 7616 (digest).

Cameras ask for digest more often than not, with MD5; the standard's SHA-256 is answered too.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence

from edgeseg.runtime.cameras.capture.stream_fault import StreamFault

_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


class HttpLogin:
    """A user and a password, and what the server has asked for so far.

    Args:
        user, password: as they are meant, not percent-encoded.
    """

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._digest: dict[str, str] | None = None
        self._basic = False
        self._count = 0

    @property
    def is_known(self) -> bool:
        """Whether there is anything to say."""
        return bool(self._user or self._password)

    def take_challenge(self, challenges: Sequence[str]) -> None:
        """Take what ``WWW-Authenticate`` asks for; digest comes before basic, SHA-256 before MD5.

        Raises:
            StreamFault: neither of both is offered.
        """
        offered = [_read_challenge(text) for text in challenges]
        digests = {values.get("algorithm", "MD5").upper(): values for scheme, values in offered if scheme == "digest"}
        self._digest = next((digests[name] for name in ("SHA-256", "MD5") if name in digests), None)
        self._basic = self._digest is None and any(scheme == "basic" for scheme, _ in offered)
        self._count = 0
        if self._digest is None and not self._basic:
            names = ", ".join(sorted({scheme for scheme, _ in offered})) or "nothing that is named"
            raise StreamFault(
                "unauthorized", f"it asks for a login of another kind ({names}); basic and digest are known"
            )

    def authorization(self, method: str, path: str) -> str | None:
        """Word the header ``Authorization``; None while nothing was asked for.

        Args:
            method: ``GET``.
            path: of the request, with its query.
        """
        if self._basic:
            return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        if self._digest is None:
            return None
        self._count += 1
        return digest_answer(
            self._digest, (self._user, self._password), method, path, secrets.token_hex(8), self._count
        )


def digest_answer(
    challenge: dict[str, str], login: tuple[str, str], method: str, path: str, client_nonce: str, count: int
) -> str:
    """Answer a challenge of RFC 7616, without its body's digest (``auth-int``).

    Args:
        challenge: ``realm``, ``nonce``, and where given ``qop``, ``algorithm`` and ``opaque``.
        login: user and password.
        method, path: of the request.
        client_nonce: made up for it.
        count: of requests with this nonce, from 1.

    >>> asked = {"realm": "cam", "nonce": "n", "qop": "auth"}
    >>> digest_answer(asked, ("u", "p"), "GET", "/", "c", 1).partition("response=")[2][:34]
    '"2d65e86ed11a5583a1e24b3ff052cb96"'
    """
    algorithm = challenge.get("algorithm", "MD5").upper()

    def digest(text: str) -> str:
        return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()

    user, password = login
    realm, nonce = challenge.get("realm", ""), challenge.get("nonce", "")
    secret, request = digest(f"{user}:{realm}:{password}"), digest(f"{method}:{path}")
    has_quality = "auth" in [word.strip() for word in challenge.get("qop", "").split(",")]
    middle = f"{count:08x}:{client_nonce}:auth:" if has_quality else ""
    said = {"username": user, "realm": realm, "nonce": nonce, "uri": path}
    said["response"] = digest(f"{secret}:{nonce}:{middle}{request}")
    if "opaque" in challenge:
        said["opaque"] = challenge["opaque"]
    if has_quality:
        said["cnonce"] = client_nonce
    words = [f'{name}="{_quote(value)}"' for name, value in said.items()]
    words += [f"qop=auth, nc={count:08x}"] if has_quality else []
    words += [f"algorithm={challenge['algorithm']}"] if "algorithm" in challenge else []
    return "Digest " + ", ".join(words)


def _quote(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _read_challenge(text: str) -> tuple[str, dict[str, str]]:
    scheme, _, rest = text.strip().partition(" ")
    from urllib.request import parse_http_list, parse_keqv_list  # brings http.client and more along

    pairs = [pair for pair in parse_http_list(rest) if "=" in pair]
    return scheme.lower(), {name.lower(): value for name, value in parse_keqv_list(pairs).items()}
