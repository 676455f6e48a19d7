"""How many inferences at the same time: a number, or what to measure it for."""

from __future__ import annotations

from edgeseg.console.quantities import whole
from edgeseg.errors import UserError

AUTO, LATENCY, THROUGHPUT = "auto", "latency", "throughput"
GOALS = (LATENCY, THROUGHPUT)
"""One camera, whose masks are wanted soon; and files or many cameras, of which many masks a second are."""
MOST_SLOTS = 64
Slots = int | str
"""1 to :data:`MOST_SLOTS`, or :data:`AUTO`, or one of :data:`GOALS`."""
_TAKES = f"auto, latency, throughput or {whole(1, MOST_SLOTS).limits}"


def read_slots(text: str) -> Slots:
    """Read ``auto``, ``latency``, ``throughput`` or a number, as the ``type`` of a flag.

    Raises:
        argparse.ArgumentTypeError: something else.

    >>> read_slots("auto"), read_slots("4")
    ('auto', 4)
    """
    import argparse

    if text.strip() in (AUTO, *GOALS):
        return text.strip()
    try:
        return int(whole(1, MOST_SLOTS)(text))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"it takes {_TAKES}; found {text!r}") from None


def expect_slots(value: object, field: str = "slots") -> None:
    """Raise UserError, which names ``field``, for what is no number of slots and no goal."""
    fits = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_SLOTS
    if not fits and not (isinstance(value, str) and value in (AUTO, *GOALS)):
        raise UserError(f"`{field}` takes {_TAKES}; found {value!r}.")


def find_goal(slots: Slots, live: bool, cameras: int = 1) -> str | None:
    """Find what to measure for; None where the number is given.

    >>> find_goal("auto", live=True), find_goal("auto", live=True, cameras=4), find_goal("auto", live=False)
    ('latency', 'throughput', 'throughput')
    >>> find_goal(3, live=True), find_goal("latency", live=False)
    (None, 'latency')
    """
    if isinstance(slots, int):
        return None
    if slots != AUTO:
        return slots
    return LATENCY if live and cameras <= 1 else THROUGHPUT
