"""Which pictures a network learned from, as its checkpoint records them, and whether others are among them.

A figure on pictures of the training, or of the same drives, flatters the network. Whoever proves it may not have its
training folder any more, so the checkpoint brings what is needed to tell: digests and sequences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeseg.files.picture_digests import digest_file
from edgeseg.files.sequences import sequence_of

MOST_DIGESTS = 5000
"""So many pictures are recorded one by one: 100 kB of a manifest. Of more, sequences alone."""
SHOWN = 3


def record_training(images: Sequence[Path]) -> dict[str, Any]:
    """Return what a checkpoint records of its training pictures.

    >>> record_training([Path("a_1.png"), Path("a_2.png")])
    {'pictures': 2, 'digests': ['-', '-'], 'sequences': ['a_']}
    """
    few = len(images) <= MOST_DIGESTS
    return {
        "pictures": len(images),
        "digests": [digest_file(path) for path in images] if few else [],
        "sequences": list_sequences([path.name for path in images]),
    }


def list_sequences(names: Sequence[str]) -> list[str]:
    """List the sequences that names tell, sorted; names without a number tell none.

    >>> list_sequences(["0001TP_006690.jpg", "0016E5_07959.jpg", "beach.jpg", "0016E5_07961.jpg"])
    ['0001TP_', '0016E5_']
    """
    return sorted({found[0] for name in names if (found := sequence_of(name)) is not None})


def compare_training(trained: Mapping[str, Any] | None, images: Sequence[Path], fallback: Sequence[str] = ()) -> str:
    """Say in a sentence or two how pictures stand to those that a network learned from.

    Args:
        trained: as :func:`record_training` gave it; None where the network does not say.
        images: the files that prove.
        fallback: names of the data folder's own training pictures, where the network does not say.

    >>> trained = record_training([Path("a_1.png"), Path("b_1.png")])
    >>> compare_training(trained, [Path("a_7.png"), Path("c_1.png")])
    'By its record the network learned from 2 images. Of those that prove, 1 of 2 share a sequence with them (a_).'
    """
    if trained is None:
        told = "The network does not say what it was trained on, so nobody knows whether these images were part of it."
        shared = _share_sequences(list_sequences(fallback), images) if fallback else ""
        return " ".join([told, *([f"By the data folder's own training split: {shared}."] if shared else [])])
    known = {digest for digest in trained["digests"] if len(digest) > 1}
    again = [path for path in images if digest_file(path) in known]
    clauses = [f"{len(again)} of {len(images)} are among them"] if again else []
    if shared := _share_sequences(trained["sequences"], images):
        clauses.append(shared)
    if not clauses:
        clauses = ["none is among them" if known else "their names share no sequence"]
    learned = f"By its record the network learned from {trained['pictures']} images."
    return f"{learned} Of those that prove, {', and '.join(clauses)}."


def _share_sequences(sequences: Sequence[str], images: Sequence[Path]) -> str:
    """A clause; empty where names tell no two sequences apart, as numbered pictures do not."""
    own = [sequence_of(path.name) for path in images]
    if len({*sequences, *(one[0] for one in own if one is not None)}) < 2:
        return ""
    shared = [one[0] for one in own if one is not None and one[0] in sequences]
    names = list(dict.fromkeys(shared))
    more = ", ..." if len(names) > SHOWN else ""
    told = f"{len(shared)} of {len(images)} share a sequence with them ({', '.join(names[:SHOWN])}{more})"
    return told if shared else ""
