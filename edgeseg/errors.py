"""Every error edgeseg raises on purpose.

::

    EdgesegError
    ├── GateFailed          exit 1: a measured value missed its limit
    ├── NoVerdict           exit 4: a machine too noisy to tell whether one did
    ├── UserError           exit 2: something that was given is wrong
    │   ├── SpecError         a model specification is missing or contradicts the model
    │   │   └── UnsaidError     somebody has to say more about a model
    │   ├── DataError         an image, a mask or a dataset folder
    │   ├── ArtifactError     an artifact directory or model file
    │   │   └── TamperedError   its bytes are not the ones that were written
    │   ├── CheckpointError   a training checkpoint
    │   ├── SourceError       a camera, video or folder to run on
    │   └── OutputError       somewhere to write: not writable, disk full
    └── EnvironmentFault    exit 3: this machine lacks something
        ├── MissingExtra      an optional package, named with its pip line
        └── EngineError       an inference engine or its device refused

Messages have three parts: what is wrong, what was found, what to do next.
Exceptions of other libraries are translated once, where that library is called.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""Type checkers take it for true; this module is imported at every start, and importing typing takes longer."""

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any


class EdgesegError(Exception):
    """Base of all deliberate errors; ``exit_code`` is what the command line returns."""

    exit_code = 2


class GateFailed(EdgesegError):
    """A promise about the masks or the speed was measured and not kept.

    Attributes:
        comparison: the :class:`~edgeseg.proof.compare.Comparison` that shows it, None where masks were not compared.
        misses: a :class:`~edgeseg.proof.judgement.Judgement` for each limit that was exceeded.
    """

    exit_code = 1

    def __init__(self, message: str = "", comparison: Any = None, misses: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.comparison, self.misses = comparison, tuple(misses)


class NoVerdict(EdgesegError):
    """A measurement could not tell whether a limit is kept."""

    exit_code = 4


class UserError(EdgesegError):
    """Something that was given is wrong."""

    exit_code = 2


class SpecError(UserError):
    """A spec is missing, incomplete or contradicts itself or the model."""


class UnsaidError(SpecError):
    """What a model means is not known, because neither it nor anybody said so.

    Attributes:
        missing: names of what is missing: ``classes``, ``task``, ``imgsz``, ``color_order``, ``mean``.
        input_size: (channels, height, width) of the model's input, None where it does not tell.
        channels: how many values its output has a pixel; None where that is not known yet.
    """

    def __init__(
        self,
        message: str = "",
        missing: Sequence[str] = (),
        input_size: Sequence[int | None] = (),
        channels: int | None = None,
    ) -> None:
        super().__init__(message)
        self.missing, self.input_size, self.channels = tuple(missing), tuple(input_size), channels


class DataError(UserError):
    """A data folder, an image or a mask cannot be used."""


class ArtifactError(UserError):
    """A folder is not an artifact, or not one that can be used here."""


class TamperedError(ArtifactError):
    """A file's digest is not the one that the artifact or the cache recorded."""


class CheckpointError(UserError):
    """A checkpoint cannot be read, or does not fit the network."""


class SourceError(UserError):
    """A camera, a video or a folder gives no frames."""


class OutputError(UserError):
    """A result cannot be written where it should go."""


class EnvironmentFault(EdgesegError):
    """This machine lacks something."""

    exit_code = 3


class MissingExtra(EnvironmentFault):
    """A package is not installed; the message has the pip line that brings it."""


class EngineError(EnvironmentFault):
    """An engine cannot be loaded, built or run on this device."""


class DataWarning(UserWarning):
    """What a person should know about the images that were given; the work goes on."""


class Interrupted(KeyboardInterrupt):
    """Somebody stopped long work, and the next call with the same arguments goes on from what is kept.

    Attributes:
        kept: the file or folder that holds it.
    """

    def __init__(self, kept: Path) -> None:
        super().__init__(str(kept))
        self.kept = kept
