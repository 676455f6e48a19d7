"""What a person names a model by: a file, a folder, or words that are neither, such as ``package.module:build()``."""

from __future__ import annotations

import re
from pathlib import Path

ZOO_PREFIX = "zoo:"
"""Before a name it means a network of the zoo, whatever lies here."""
_WORDS = re.compile(r"[^\W\d][\w.]*:[^\W\d].*", re.DOTALL)


def read_model(text: str) -> str | Path:
    """Return words as they are, and anything else as a path; what is there is a path whatever it is called.

    >>> read_model("nets.unet:UNet(3, bilinear=True)"), read_model("runs/best.pt").name
    ('nets.unet:UNet(3, bilinear=True)', 'best.pt')
    """
    if text.startswith(ZOO_PREFIX):
        return Path(text)
    is_words = _WORDS.fullmatch(text) is not None and not is_there(text)
    return text if is_words else Path(text)


def is_there(text: str) -> bool:
    """Tell whether there is a file or folder of that name; false for what cannot be one."""
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False
