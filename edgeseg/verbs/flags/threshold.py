"""``--conf``: one threshold for every class, or one a class."""

from __future__ import annotations

from edgeseg.console.quantities import number
from edgeseg.spec import Threshold

METAVAR = "T"


def read_threshold(text: str) -> Threshold:
    """Read ``0.5``, or ``sky=0.7,road=0.4``, as the ``type`` of a flag.

    Raises:
        argparse.ArgumentTypeError: neither of both.

    >>> read_threshold("0.5"), read_threshold("sky=0.7,road=0.4")
    (0.5, {'sky': 0.7, 'road': 0.4})
    """
    if "=" not in text:
        return number(0)(text)
    parts = (part.rpartition("=") for part in text.split(","))
    return {name.strip(): number(0)(value) for name, _, value in parts}
