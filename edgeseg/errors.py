"""Every error edgeseg raises on purpose.

::

    EdgesegError
    ├── GateFailed          exit 1: a measured value missed its limit
    ├── UserError           exit 2: something that was given is wrong
    │   ├── SpecError         a model specification is missing or contradicts the model
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


class EdgesegError(Exception):
    """Base of all deliberate errors; ``exit_code`` is what the command line returns."""

    exit_code = 2


class GateFailed(EdgesegError):
    exit_code = 1


class UserError(EdgesegError):
    exit_code = 2


class SpecError(UserError):
    pass


class DataError(UserError):
    pass


class ArtifactError(UserError):
    pass


class TamperedError(ArtifactError):
    pass


class CheckpointError(UserError):
    pass


class SourceError(UserError):
    pass


class OutputError(UserError):
    pass


class EnvironmentFault(EdgesegError):
    exit_code = 3


class MissingExtra(EnvironmentFault):
    pass


class EngineError(EnvironmentFault):
    pass
