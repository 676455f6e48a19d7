"""The command that adds a package to this installation, worded by how this copy of edgeseg came here (PEP 610)."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

NAME = "edgeseg"
_BARE = re.compile(r"[\w@%+=:,./-]+")
_UNSAFE_IN_DOUBLE_QUOTES = re.compile(r'["$`\\!]')


def install_line(extra: str = "", *others: str) -> str:
    """Word the command that adds an extra, and other packages with it, to this installation.

    A checkout, a wheel file and a repository are named again, since the package index may not know edgeseg. Where that
    cannot be, as when the file is gone, the extra's own requirements are named.

    Args:
        extra: as in pyproject.toml, such as ``openvino``; empty for what every installation needs.
        others: requirements of packages beside it.
    """
    origin = None if _is_pipx(Path(sys.prefix)) else _origin(extra)
    return pip_line(*others, *(requirements(extra) if origin is None else origin))


def pip_line(*words: str) -> str:
    """Word ``pip install WORDS`` for the interpreter that is running, quoted for a shell."""
    return " ".join([*_installer(), *map(quote, words)])


def reinstall_line(module: str) -> str:
    """Word the command that installs the distribution with ``module`` again, in the same version."""
    from importlib import metadata

    names = metadata.packages_distributions().get(module.partition(".")[0], [module])
    return pip_line("--force-reinstall", "--no-deps", *(_pin(name) for name in dict.fromkeys(names)))


def requirements(extra: str) -> list[str]:
    """Return what an extra asks for, as this copy's metadata says; edgeseg itself where there are none."""
    from importlib import metadata

    try:
        lines = metadata.requires(NAME) or []
    except metadata.PackageNotFoundError:
        lines = []
    found = [line for line in map(_split_extra, lines) if line[1] == extra]
    return [name for line, _ in found for name in _own_extras(line)] or [_with(extra, NAME)]


def quote(word: str) -> str:
    """Quote a word for a shell, in double quotes where those are enough: they serve every shell.

    >>> quote("edgeseg[openvino]")
    '"edgeseg[openvino]"'
    """
    if _BARE.fullmatch(word):
        return word
    return shlex.quote(word) if _UNSAFE_IN_DOUBLE_QUOTES.search(word) else f'"{word}"'


def _split_extra(line: str) -> tuple[str, str]:
    """``cuda-bindings; platform_system != "Darwin" and extra == "tensorrt"`` without its extra, and the extra."""
    asked = re.search(r"""(?:\s+and|;)?\s*\bextra\s*==\s*['"]([\w-]+)['"]""", line)
    return (line[: asked.start()] + line[asked.end() :], asked[1]) if asked else (line, "")


def _with(extra: str, name: str) -> str:
    return f"{name}[{extra}]" if extra else name


def _own_extras(line: str) -> list[str]:
    """An extra such as ``all`` asks for others of edgeseg's."""
    if own := re.match(rf"{NAME}\[([^\]]+)\]", line):
        return list(dict.fromkeys(name for extra in own[1].split(",") for name in requirements(extra.strip())))
    return [line]


def _pin(name: str) -> str:
    from importlib import metadata

    try:
        return f"{name}=={metadata.version(name).partition('+')[0]}"
    except metadata.PackageNotFoundError:
        return name


def _origin(extra: str) -> list[str] | None:
    """What pip is to be given so that it finds this copy again; None where its origin is gone."""
    told = _direct_url()
    if told is None:
        checkout = Path(__file__).resolve().parents[2]
        return ["-e", _with(extra, str(checkout))] if (checkout / "pyproject.toml").is_file() else [_with(extra, NAME)]
    address = str(told["url"])
    path = _local_path(address)
    if path is not None and ("vcs_info" in told or not path.exists()):  # older pip takes no "edgeseg @ git+file:"
        return None
    if "vcs_info" in told:
        vcs = told["vcs_info"]
        folder = f"#subdirectory={told['subdirectory']}" if told.get("subdirectory") else ""
        return [f"{_with(extra, NAME)} @ {vcs['vcs']}+{address}@{vcs['commit_id']}{folder}"]
    if path is None or ";" in str(path):  # pip takes a semicolon in a path for the start of a marker
        return [f"{_with(extra, NAME)} @ {address}"]
    return [*(["-e"] if told.get("dir_info", {}).get("editable") else []), _with(extra, str(path))]


def _direct_url() -> dict[str, Any] | None:
    """How the installer came by this copy; None from an index, or where nothing is installed."""
    from importlib import metadata

    try:
        text = metadata.distribution(NAME).read_text("direct_url.json")
        told = json.loads(text) if text else None
    except (metadata.PackageNotFoundError, ValueError):
        return None
    return told if isinstance(told, dict) and isinstance(told.get("url"), str) else None


def _local_path(address: str) -> Path | None:
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _installer() -> list[str]:
    """The words before the requirements: pip of this interpreter, or what stands in for it here."""
    prefix = Path(sys.prefix)
    if _is_pipx(prefix):
        return ["pipx", "inject", quote(prefix.name)]
    if not _has_pip():
        return _without_pip(prefix)
    words = [*_pip(), "install"]
    if sys.prefix == sys.base_prefix and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").is_file():
        words.append("--break-system-packages")  # without it pip refuses here, and it was used for edgeseg itself
    return words


def _has_pip() -> bool:
    """Look without ``find_spec``, which setuptools turns into a warning when distutils is in use."""
    from importlib import metadata

    try:
        return bool(metadata.version("pip"))
    except metadata.PackageNotFoundError:
        return False


def _pip() -> list[str]:
    """``pip`` where that word runs this interpreter's, else the interpreter by its path."""
    here = Path(sys.executable).parent
    if _needs_root(here.parent):
        return ["sudo", quote(sys.executable), "-m", "pip"]
    if sys.prefix != sys.base_prefix and _is_first_on_path("pip", here / "pip"):
        return ["pip"]
    for name in ("python3", "python"):
        if _is_first_on_path(name, Path(sys.executable)):
            return [name, "-m", "pip"]
    return [quote(sys.executable), "-m", "pip"]


def _without_pip(prefix: Path) -> list[str]:
    """An environment of uv's has no pip; others can have it added."""
    executable = quote(sys.executable)
    if shutil.which("uv") or _made_by_uv(prefix):
        return ["uv", "pip", "install", "--python", executable]
    return [executable, "-m", "ensurepip", "&&", executable, "-m", "pip", "install"]


def _made_by_uv(prefix: Path) -> bool:
    try:
        return bool(re.search(r"^uv\s*=", (prefix / "pyvenv.cfg").read_text(encoding="utf-8"), re.MULTILINE))
    except OSError:
        return False


def _is_pipx(prefix: Path) -> bool:
    return (prefix / "pipx_metadata.json").is_file()


def _needs_root(prefix: Path) -> bool:
    """A virtual environment of root's, such as one in /opt; outside of one pip installs for the user."""
    return sys.prefix != sys.base_prefix and os.name == "posix" and not os.access(prefix, os.W_OK)


def _is_first_on_path(name: str, program: Path) -> bool:
    """The interpreters of all environments may be links to one file: the folder has to be the same as well."""
    found = Path(shutil.which(name) or "")
    return found.is_file() and _same(found, program) and _same(found.parent, program.parent)


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
