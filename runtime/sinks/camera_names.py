"""File names for several cameras."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from edgeseg.runtime.events.redact import HIDDEN, redact

_LONGEST = 40


def make_slugs(sources: Sequence[str]) -> dict[str, str]:
    """Make a part of a file name for each camera: distinct whatever the file system, without credentials."""
    plain = {source: _slug(source) for source in sources}
    count = Counter(slug.casefold() for slug in plain.values())
    clear = {s: slug for s, slug in plain.items() if count[slug.casefold()] == 1 and len(slug) <= _LONGEST}
    taken = {slug.casefold() for slug in clear.values()}
    slugs = dict(clear)
    for source in plain.keys() - clear.keys():
        slugs[source] = _mark(source, plain[source], taken)
    return {source: slugs[source] for source in plain}


def _slug(source: str) -> str:
    address = redact(source).rpartition("://")[2].replace(f"{HIDDEN}@", "")
    return re.sub(r"[^\w.]+", "-", address).strip("-._") or "camera"


def _mark(source: str, slug: str, taken: set[str]) -> str:
    """With six digits of the name itself, so that it does not depend on the other cameras' order."""
    mark = hashlib.sha256(redact(source).encode()).hexdigest()[:6]
    marked, number = f"{slug[: _LONGEST - 7]}-{mark}", 1
    while marked.casefold() in taken:
        number += 1
        marked = f"{slug[: _LONGEST - 7]}-{mark}-{number}"
    taken.add(marked.casefold())
    return marked
