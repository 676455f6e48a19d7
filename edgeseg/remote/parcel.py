"""What travels to another machine: artifacts, data and files, each in a folder of its own there."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgeseg.errors import DataError, UserError
from edgeseg.files.image_files import is_image
from edgeseg.remote.wheel import pack_wheel

WHEEL = "edgeseg.whl"
PIECE = 1 << 16
MOST_BESIDE = 16 << 20
"""Bytes of a file beside the pictures that are wanted, such as classes.txt, up to which it travels with them."""


@dataclass
class Parcel:
    """Files and folders on their way.

    Attributes:
        places: local path, and where it lies there, as seen from the folder that the command runs in.
        files: name there to local file.
        names: what else is called otherwise there: name there to name here.
        size_bytes: of all of them.
    """

    places: dict[Path, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files.values())

    def add(self, path: Path, wanted: Iterable[Path] | None = None, place: Path | None = None) -> str:
        """Add a file, or a folder.

        Args:
            path: of it.
            wanted: files in the folder that are needed; what is no picture comes with them. None: all.
            place: what the command line calls it, where that is not ``path``.

        Returns:
            Its path there.

        Raises:
            UserError: there is no such thing.
        """
        key = path if place is None else place
        if key in self.places:
            return self.places[key]
        path = path.absolute()
        if not path.exists():
            raise UserError(f"There is no file or folder {path}.")
        root = path.resolve()
        name = f"in/{len(self.places)}/{root.name or 'root'}"
        if root.is_file():
            self.files[name] = root
        else:
            chosen = _list_files(root) if wanted is None else [*wanted, *_list_beside(root)]
            for file in chosen:
                self.files[f"{name}/{_inside(file, path)}"] = file
        self.places[key] = f"../{name}"
        return self.places[key]

    def write(self, sends: Callable[[bytes], object]) -> None:
        """Write everything, and the wheel of this edgeseg, as a tar archive in pieces."""
        with tarfile.open(fileobj=_Pieces(sends), mode="w|", bufsize=PIECE, dereference=True) as archive:
            wheel = pack_wheel()
            about = tarfile.TarInfo(WHEEL)
            about.size = len(wheel)
            archive.addfile(about, io.BytesIO(wheel))
            for name, path in self.files.items():
                entry = archive.gettarinfo(path, name)
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                entry.mode = 0o600
                with path.open("rb") as file:
                    archive.addfile(entry, file)

    def local_names(self, folder: str) -> dict[str, str]:
        """List what things are called there, and here, longest first."""
        found = dict(self.names)
        for path, there in self.places.items():
            found[there] = str(path)
            found[f"{folder}/{there.removeprefix('../')}"] = str(path)
        return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


def _inside(file: Path, folder: Path) -> str:
    """Where a file lies in a folder, by its name or by what that is a link to."""
    for one, root in ((file.absolute(), folder.absolute()), (file.resolve(), folder.resolve())):
        if one.is_relative_to(root):
            return one.relative_to(root).as_posix()
    raise DataError(
        f"{file} lies outside of {folder}, so it cannot be sent with it. Give a folder that holds all of the data."
    )


def _list_files(root: Path) -> Iterator[Path]:
    yield from (path for path in sorted(root.rglob("*")) if path.is_file())


def _list_beside(root: Path) -> Iterator[Path]:
    """Files that are no pictures and lie at the top, or one folder below."""
    for path in sorted([*root.glob("*"), *root.glob("*/*")]):
        if path.is_file() and not is_image(path) and path.stat().st_size <= MOST_BESIDE:
            yield path


class _Pieces(io.RawIOBase):
    def __init__(self, sends: Callable[[bytes], object]) -> None:
        self._sends = sends

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        for start in range(0, len(content), PIECE):
            self._sends(bytes(content[start : start + PIECE]))
        return len(content)
