"""What ssh complains about, as a sentence that says what to do."""

from __future__ import annotations

import shlex

from edgeseg.errors import EnvironmentFault
from edgeseg.remote.address import Address

NO_CLIENT = "There is no OpenSSH client here ({program}). Install it, on Debian with: apt-get install openssh-client"
OLD_PYTHON, NO_COMMAND = 97, 127
"""Exit codes of what is run there first: its Python is too old, or there is none."""

_SIGNS = (
    (
        ("host key is known for", "host key verification failed"),
        "does not know the key of {host}, so it cannot tell whether that is the machine that is meant. Look at its "
        "fingerprint and accept it once with: ssh {words}",
    ),
    (
        ("permission denied", "no more authentication methods", "too many authentication failures"),
        "was not let in to {box}: none of the keys here is accepted there. edgeseg never asks for a password. Bring a "
        "key there with: ssh-copy-id {words}; or name another one in ~/.ssh/config.",
    ),
    (("could not resolve",), "does not find {host}: no machine has that name here. Check the name."),
    (
        ("no route to host", "network is unreachable"),
        "has no way to {host}: no route leads there. Check the address and the network.",
    ),
    (
        ("connection refused",),
        "was refused by {host}: nothing listens there. Check the port, and that sshd runs there.",
    ),
    (
        ("timed out", "timeout"),
        "got no answer from {box}. Check the address, and that the machine is on and its port can be reached.",
    ),
    (
        ("unprotected private key", "bad permissions", "error in libcrypto", "invalid format", "no such identity"),
        "cannot use its key. Check the file that is named for {host}.",
    ),
)
CHANGED = "remote host identification has changed"


def describe_refusal(address: Address, said: str) -> EnvironmentFault:
    """Word why ssh did not get through.

    Args:
        address: of the other machine.
        said: by ssh on standard error.
    """
    text = said.lower()
    values = {"host": address.host, "box": str(address), "words": " ".join(address.words)}
    own = _last_line(said)
    known = address.host if address.port is None else f"[{address.host}]:{address.port}"
    if CHANGED in text:
        return EnvironmentFault(
            f"The key of {address.host} is another one than before. Either that machine was set up anew, or another "
            f"one answers in its place. If it is known why, forget the old key with: ssh-keygen -R {shlex.quote(known)}"
        )
    for signs, sentence in _SIGNS:
        if any(sign in text for sign in signs):
            return EnvironmentFault(f"ssh {sentence.format(**values)} ({own})")
    return EnvironmentFault(f"ssh did not get through to {address}: {own or 'it said nothing'}")


def describe_lost(address: Address, said: str) -> EnvironmentFault:
    """Word that a connection ended before the work did."""
    own = _last_line(said)
    return EnvironmentFault(
        f"The connection to {address} was lost before the command there had ended"
        f"{f' ({own})' if own else ''}. What runs there ends by itself within a minute and removes its folder. "
        "Run again."
    )


def describe_start(address: Address, code: int, said: str, python: str | None = None) -> EnvironmentFault:
    """Word why nothing started over there, although ssh got through.

    Args:
        address: of the other machine.
        code: exit code of what was to start.
        said: on standard error.
        python: the interpreter that was asked for.
    """
    own = _last_line(said)
    if python is not None and code != OLD_PYTHON:
        return EnvironmentFault(
            f"{python} on {address} does not start as a Python does (exit code {code}{own and ': '}{own}). Give "
            "another `on_python`."
        )
    if code == OLD_PYTHON:
        return EnvironmentFault(f"{address} has only {own or 'an old Python'}; edgeseg needs 3.10 or later there.")
    if code == NO_COMMAND:
        return EnvironmentFault(f"{address} has no python3. Install Python 3.10 or later there. ({own})")
    return EnvironmentFault(
        f"{address} let ssh in, and started nothing (exit code {code}): {own or 'it said nothing'}. Does its shell run "
        f"commands? Try: ssh {' '.join(address.words)} python3 --version"
    )


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
