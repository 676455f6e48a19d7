"""A run's source in settings: which one, which frames of it, how long it may be silent, and whom it trusts."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeseg.console.quantities import number_above
from edgeseg.errors import UserError
from edgeseg.runtime.cameras.capture.tls_trust import SYSTEM, Trust
from edgeseg.runtime.sources.selection import Selection

LONGEST_TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class SourceSettings:
    """What is read, and what of it is used.

    Attributes:
        source: a camera, an address, a file, a folder or a glob: what
            :func:`edgeseg.runtime.sources.source.open_source` takes.
        selection: which frames, and which part of each.
        timeout_s: a camera that is silent for so long is lost.
        trust: which certificate of a camera is taken.

    Raises:
        UserError: a value that cannot be meant.

    Example:
        >>> SourceSettings("rtsp://camera/stream", Selection(every=2)).live
        True
    """

    source: str
    selection: Selection = field(default_factory=Selection)
    timeout_s: float = 5.0
    trust: Trust = SYSTEM

    def __post_init__(self) -> None:
        if not isinstance(self.source, str):
            raise UserError(f"`source` is a path or an address as text; found {self.source!r}.")
        self.selection.check()
        number_above(0, LONGEST_TIMEOUT_S).expect("timeout_s", self.timeout_s)

    @property
    def kind(self) -> str:
        """``camera``, ``image``, ``images`` or ``video``."""
        from edgeseg.runtime.sources.kind import kind_of_source  # not needed for the help of a verb

        return kind_of_source(self.source)

    @property
    def live(self) -> bool:
        """Whether frames come whether or not anybody reads them."""
        return self.kind == "camera"
