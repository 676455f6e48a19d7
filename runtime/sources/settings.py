"""A run's source in settings: which one, which frames of it, how long it may be silent, and whom it trusts."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeseg.console.quantities import number_above
from edgeseg.errors import UserError
from edgeseg.runtime.cameras.capture.tls_trust import SYSTEM, Trust
from edgeseg.runtime.events.redact import split_url
from edgeseg.runtime.sources.selection import Selection

LONGEST_TIMEOUT_S = 3600.0
MOST_FPS = 240.0


@dataclass(frozen=True)
class SourceSettings:
    """What is read, and what of it is used.

    Attributes:
        source: a camera, an address, a file, a folder or a glob: what
            :func:`edgeseg.runtime.sources.source.open_source` takes.
        selection: which frames, and which part of each.
        timeout_s: a camera that is silent for so long is lost.
        trust: which certificate of a camera is taken.
        fps: images a second of a folder, a glob or a pattern, which tell none; how often a second an address that
            gives one picture is asked for it. None for 10 and 1.

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
    fps: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.source, str):
            raise UserError(f"`source` is a path or an address as text; found {self.source!r}.")
        self.selection.check()
        number_above(0, LONGEST_TIMEOUT_S).expect("timeout_s", self.timeout_s)
        if self.fps is not None:
            number_above(0, MOST_FPS).expect("fps", self.fps)
            self._expect_no_rate_of_its_own()

    @property
    def kind(self) -> str:
        """``camera``, ``image``, ``images`` or ``video``."""
        from edgeseg.runtime.sources.kind import kind_of_source  # not needed for the help of a verb

        return kind_of_source(self.source)

    def _expect_no_rate_of_its_own(self) -> None:
        is_asked = self.source.lower().startswith(("http://", "https://")) or self.source.endswith(".streams")
        if self.kind == "video" or (self.live and not is_asked):
            raise UserError(
                f"`fps` is for pictures that tell no rate, and {split_url(self.source).safe.removeprefix('://')} has "
                "one of its own. To use fewer of its frames give `max_fps`."
            )

    @property
    def live(self) -> bool:
        """Whether frames come whether or not anybody reads them."""
        return self.kind == "camera"
