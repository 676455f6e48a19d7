"""What ``save`` names: a video, one picture, or a folder of either."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import OutputError
from edgeseg.runtime.recording.video_file import CONTAINERS
from edgeseg.runtime.sources.kind import CAMERA, IMAGE, IMAGES, VIDEO, kind_of_source

PICTURES = (".jpg", ".jpeg", ".png")
MARK = "-overlay"
"""Ends the names of what is saved into a folder, so that it can lie beside its source."""


@dataclass(frozen=True)
class SaveTarget:
    """Where the frames with their masks drawn in go; one of the three is set.

    Attributes:
        video: a video file.
        picture: one picture file.
        folder: a folder with a picture for each image.
    """

    video: Path | None = None
    picture: Path | None = None
    folder: Path | None = None

    @property
    def path(self) -> Path:
        """The one that is set."""
        found = self.video or self.picture or self.folder
        assert found is not None
        return found


def save_target(path: Path, source: str) -> SaveTarget:
    """Choose what ``save=path`` means for a source.

    A name without an ending is a folder. Of a folder of images a video may be made as well.

    Raises:
        OutputError: an ending that is nothing edgeseg writes, or that does not go with the source.
    """
    kind, ending = kind_of_source(source), path.suffix.lower()
    if path.is_dir() or not ending:
        return _in_folder(path, kind, source)
    if ending in PICTURES:
        if kind == IMAGE:
            return SaveTarget(picture=path)
        more = f"{path.with_suffix('')}/" if kind == IMAGES else f"{path.with_suffix('.mp4').name}"
        found = {IMAGES: "several pictures", VIDEO: "a video"}.get(kind, "a camera")
        raise OutputError(f"`save={path.name!r}` is one picture, but {source} is {found}. Use `save={more!r}`.")
    if ending in CONTAINERS:
        return SaveTarget(video=path)
    raise OutputError(
        f"`save` takes a video ({', '.join(CONTAINERS)}), for an image a picture ({', '.join(PICTURES)}), or a folder; "
        f"found {path.name!r}. Rename it."
    )


def _in_folder(folder: Path, kind: str, source: str) -> SaveTarget:
    if kind in (IMAGE, IMAGES):
        if kind == IMAGES and _holds_images_from(folder, source):
            raise OutputError(
                f"{folder} holds the images of {source} themselves: one of them could be written over, and all that is "
                "written would be taken for an image the next time. Choose another folder."
            )
        return SaveTarget(folder=folder)
    stem = "camera" if kind == CAMERA else f"{Path(source).stem}{MARK}"
    return SaveTarget(video=folder / f"{stem}{'.mkv' if kind == CAMERA else '.mp4'}")


def _holds_images_from(folder: Path, source: str) -> bool:
    if not folder.is_dir():
        return False
    places = (
        {Path(name).parent for name in glob.glob(source, recursive=True)} if glob.has_magic(source) else {Path(source)}
    )
    return any(place.is_dir() and place.samefile(folder) for place in places)
