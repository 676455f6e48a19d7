"""Which pictures a figure was measured on, by their content, so that the same ones can be measured again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import ArtifactError
from edgeseg.files.atomic import file_sha256

NO_FILE = "-"
HEX_DIGITS = 16


@dataclass(frozen=True)
class PictureRecord:
    """One picture that was measured.

    Attributes:
        name: of the image file.
        image: the first sixteen hex digits of the SHA-256 of its bytes, as ``sha256sum`` prints them.
        mask: the same of its mask, or ``-`` where there was none; see :func:`digest_files`.
    """

    name: str
    image: str
    mask: str = NO_FILE

    @classmethod
    def parse(cls, line: object) -> PictureRecord:
        """Read what ``str`` wrote.

        Raises:
            ArtifactError: it is something else.

        >>> PictureRecord.parse("00ff00ff00ff00ff - a street.jpg").name
        'a street.jpg'
        """
        parts = line.split(" ", 2) if isinstance(line, str) else []
        if len(parts) != 3 or not parts[2]:
            raise ArtifactError(f"A picture is recorded as `IMAGE MASK NAME`; found {line!r:.80}.")
        return cls(parts[2], parts[0], parts[1])

    def __str__(self) -> str:
        return f"{self.image} {self.mask} {self.name}"


def digest_file(path: Path) -> str:
    """Compute the first sixteen hex digits of a file's SHA-256; ``-`` for one that cannot be read.

    >>> _ = Path("a.txt").write_bytes(b"abc")
    >>> digest_file(Path("a.txt")), digest_file(Path("none.txt"))
    ('ba7816bf8f01cfea', '-')
    """
    try:
        return file_sha256(path)[:HEX_DIGITS]
    except OSError:
        return NO_FILE


def digest_files(paths: Sequence[Path]) -> str:
    """Compute :func:`digest_file` of one file, or of several that of their digests; ``-`` for none."""
    if len(paths) < 2:
        return digest_file(paths[0]) if paths else NO_FILE
    return hashlib.sha256(" ".join(map(digest_file, paths)).encode()).hexdigest()[:HEX_DIGITS]


def record_pictures(files: Iterable[Sequence[Path]]) -> list[str]:
    """Give a line for each picture, of its image file and its mask files; what comes from no file is left out.

    >>> _ = Path("a.png").write_bytes(b"abc")
    >>> record_pictures([[Path("a.png")], []])
    ['ba7816bf8f01cfea - a.png']
    """
    return [str(PictureRecord(one[0].name, digest_file(one[0]), digest_files(one[1:]))) for one in files if one]
