"""What kind of thing a source names, without opening it."""

from __future__ import annotations

import glob
from pathlib import Path

from edgeseg.files.image_files import is_image
from edgeseg.runtime.cameras.address import is_device, is_live
from edgeseg.runtime.sources.image_sequence import is_sequence
from edgeseg.runtime.sources.source_name import plain_name

CAMERA, IMAGE, IMAGES, VIDEO = "camera", "image", "images", "video"


def kind_of_source(text: str) -> str:
    """Say ``camera`` for what is live, ``image`` for one picture, ``images`` for several, else ``video``."""
    text = plain_name(text)
    path = Path(text)
    if is_live(text) or is_device(text) or path.suffix == ".streams":
        return CAMERA
    if path.is_dir():
        return IMAGES
    if path.is_file():
        return IMAGE if is_image(path) else VIDEO
    return IMAGES if glob.has_magic(text) or is_sequence(text) else VIDEO
