"""A command of edgeseg carried out on another machine, and what it left brought back."""

from __future__ import annotations

import codecs
import io
import json
import shlex
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.errors import EnvironmentFault
from edgeseg.remote.address import Address
from edgeseg.remote.connection import Connection, ssh_words
from edgeseg.remote.parcel import Parcel
from edgeseg.remote.wheel import wheel_name

LEAST_PYTHON = (3, 10)
ALWAYS = ("numpy", "cv2")
DISK_FULL = (28, 122)
"""errno of a full disk and of a quota."""
OnLine = Callable[[str, bool], object]
"""Told of each line, and whether it came from standard error."""


@dataclass(frozen=True)
class Errand:
    """What is to be done.

    Attributes:
        words: of edgeseg's command line, with the paths that they have there.
        parcel: what travels.
        modules: that have to be importable there, beside numpy and OpenCV.
        extra: of pyproject.toml, which brings those.
        env: variables for the command.
        python: the interpreter there; None: one is looked for.
        fetch: files to bring back beside those that the command leaves where it runs: name here to path there.
    """

    words: Sequence[str]
    parcel: Parcel
    modules: Sequence[str] = ()
    extra: str = ""
    env: Mapping[str, str] | None = None
    python: str | None = None
    fetch: Mapping[str, str] | None = None


def carry_out(errand: Errand, address: Address, results: Path, on_line: OnLine, on_event: OnLine) -> int:
    """Run a command on another machine.

    Args:
        errand: what is to be done.
        address: of that machine.
        results: an empty folder; files that the command left in its working directory are put there.
        on_line: told of each line that it printed, with names as they are here.
        on_event: told what is done now.

    Returns:
        The command's exit code.

    Raises:
        EnvironmentFault: no way there; or what is needed is not there, and then the line that installs it.
    """
    with Connection(address, errand.python) as there:
        asked = {
            "words": [str(word) for word in errand.words],
            "modules": [*ALWAYS, *errand.modules],
            "least": LEAST_PYTHON,
            "python": errand.python,
            "env": dict(errand.env or {}),
            "fetch": dict(errand.fetch or {}),
        }
        there.send(b"H", json.dumps(asked).encode())
        told = _expect(there, b"P", address)
        if told["python"] is None:
            raise EnvironmentFault(describe_lack(told["found"], errand, address))
        on_event(
            f"{address}: {_mb(errand.parcel.size_bytes)} MB on their way; it runs there with {told['python']}.", True
        )
        errand.parcel.write(lambda piece: there.send(b"T", piece))
        there.send(b"T")
        return _receive(there, address, results, _Printed(errand.parcel.local_names(told["folder"]), on_line))


def describe_lack(found: Sequence[Mapping[str, Any]], errand: Errand, address: Address) -> str:
    """Word what another machine lacks, with the line that installs edgeseg there."""
    said = [_describe_python(one) for one in found]
    lacks = "; ".join(said) or (f"there is no {errand.python}" if errand.python else "there is no Python")
    is_old = bool(found) and all(one["version"] is not None and tuple(one["version"]) < LEAST_PYTHON for one in found)
    needed = " Install Python 3.10 or later there first." if is_old else ""
    return (
        f"edgeseg cannot run on {address}: {lacks}.{needed} This line installs it there, in ~/edgeseg-venv, where it "
        f"is looked for first:\n{install_line(address, errand.extra)}"
    )


def install_line(address: Address, extra: str) -> str:
    """Word the line that takes the wheel of this edgeseg to another machine and installs it there.

    Args:
        address: of that machine.
        extra: of pyproject.toml, such as ``openvino``.
    """
    wheel = wheel_name() + (f"[{extra}]" if extra else "")
    script = (
        f'd=$(mktemp -d) && cat >"$d/{wheel_name()}" && python3 -m venv ~/edgeseg-venv && '
        f'~/edgeseg-venv/bin/pip install "$d/{wheel}"; rm -r "$d"'
    )
    pack = f"{shlex.quote(sys.executable)} -m edgeseg.remote.wheel"
    return f"{pack} | {shlex.join([*ssh_words(), *address.words])} {shlex.quote(script)}"


def _describe_python(found: Mapping[str, Any]) -> str:
    name, version = found["python"], found["version"]
    if version is None:
        return f"{name} does not start"
    number = ".".join(map(str, version))
    if tuple(version) < LEAST_PYTHON:
        return f"{name} is Python {number}, and 3.10 is needed"
    return f"{name} (Python {number}) has no {', '.join(found['missing'])}"


def _expect(there: Connection, kind: bytes, address: Address) -> Any:
    found, content = there.receive()
    if found == b"X":
        raise _fault(json.loads(content), address)
    assert found == kind, found
    return json.loads(content)


def _fault(end: Mapping[str, Any], address: Address) -> EnvironmentFault:
    if end.get("errno") in DISK_FULL:
        return EnvironmentFault(
            f"The disk of {address} is full: what the command needs has no room there. Free some space in its folder "
            "of temporary files (TMPDIR, else /tmp)."
        )
    what = str(end.get("fault", end)).rstrip(".")
    where = f" ({end['file']})" if end.get("file") else ""
    return EnvironmentFault(f"{address} could not make ready for the command: {what}{where}.")


def _receive(there: Connection, address: Address, results: Path, printed: _Printed) -> int:
    archive = io.BytesIO()
    while True:
        kind, content = there.receive()
        if kind in (b"O", b"E"):
            printed.add(content, kind == b"E")
        elif kind == b"R":
            archive.write(content)
        elif kind == b"X":
            printed.end()
            end = json.loads(content)
            if "code" not in end:
                raise _fault(end, address)
            _unpack(archive, results)
            return _exit_code(int(end["code"]), address)


def _exit_code(code: int, address: Address) -> int:
    if code < 0:
        raise EnvironmentFault(
            f"The command on {address} was ended by signal {-code}"
            f"{': that machine may have too little memory for it' if code == -9 else ''}."
        )
    return code


def _unpack(archive: io.BytesIO, results: Path) -> None:
    """Write plain files only, under their own names only: the other machine is not trusted with more."""
    archive.seek(0)
    with tarfile.open(fileobj=archive, mode="r:") as found:
        for member in found:
            file = found.extractfile(member) if member.isreg() else None
            if file is not None and Path(member.name).name == member.name:
                (results / member.name).write_bytes(file.read())


class _Printed:
    """Lines of two streams as they come, with names as they are here."""

    def __init__(self, names: Mapping[str, str], on_line: OnLine) -> None:
        self._names, self._on_line = names, on_line
        self._rest = {False: "", True: ""}
        self._decoders = {is_error: codecs.getincrementaldecoder("utf-8")("replace") for is_error in (False, True)}

    def add(self, content: bytes, is_error: bool) -> None:
        text = self._rest[is_error] + self._decoders[is_error].decode(content)
        *lines, self._rest[is_error] = text.split("\n")
        for line in lines:
            self._tell(line, is_error)

    def end(self) -> None:
        for is_error, rest in self._rest.items():
            if rest:
                self._tell(rest, is_error)

    def _tell(self, line: str, is_error: bool) -> None:
        for there, here in self._names.items():
            line = line.replace(there, here)
        self._on_line(line, is_error)


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f}"
