"""edgeseg: proven INT8 segmentation on edge devices.

::

    with edgeseg.load("cells-int8-openvino") as model:
        result = model("photo.png")

Importing this package is cheap on purpose: a name is imported from its room when it is first asked for.
"""

from edgeseg.version import __version__ as __version__

TYPE_CHECKING = False
"""Type checkers take it for true. Importing ``typing`` for it would take longer than all the rest of this module."""

if TYPE_CHECKING:
    from edgeseg import errors as errors
    from edgeseg.api.datasets import check_dataset as check_dataset
    from edgeseg.api.datasets import convert_dataset as convert_dataset
    from edgeseg.api.datasets import shard_dataset as shard_dataset
    from edgeseg.api.datasets import split_dataset as split_dataset
    from edgeseg.api.evaluate import evaluate as evaluate
    from edgeseg.api.export_candidates import export_candidates as export_candidates
    from edgeseg.api.export_model import export_model as export_model
    from edgeseg.api.load import load as load
    from edgeseg.api.model import Model as Model
    from edgeseg.api.quantize import quantize as quantize
    from edgeseg.api.result import Area as Area
    from edgeseg.api.result import Result as Result
    from edgeseg.api.stream import Stream as Stream
    from edgeseg.api.train import train as train
    from edgeseg.api.verify import verify as verify
    from edgeseg.artifact import Artifact as Artifact
    from edgeseg.errors import ArtifactError as ArtifactError
    from edgeseg.errors import CheckpointError as CheckpointError
    from edgeseg.errors import DataError as DataError
    from edgeseg.errors import EdgesegError as EdgesegError
    from edgeseg.errors import EngineError as EngineError
    from edgeseg.errors import EnvironmentFault as EnvironmentFault
    from edgeseg.errors import GateFailed as GateFailed
    from edgeseg.errors import MissingExtra as MissingExtra
    from edgeseg.errors import OutputError as OutputError
    from edgeseg.errors import SourceError as SourceError
    from edgeseg.errors import SpecError as SpecError
    from edgeseg.errors import TamperedError as TamperedError
    from edgeseg.errors import UserError as UserError
    from edgeseg.polygon import Polygon as Polygon
    from edgeseg.proof.budget import Budget as Budget
    from edgeseg.spec import ModelSpec as ModelSpec
else:
    _ERRORS = (
        "ArtifactError CheckpointError DataError EdgesegError EngineError EnvironmentFault GateFailed MissingExtra "
        "OutputError SourceError SpecError TamperedError UserError"
    )
    _HOMES = {
        **dict.fromkeys(_ERRORS.split(), "errors"),
        **dict.fromkeys(["check_dataset", "convert_dataset", "shard_dataset", "split_dataset"], "api.datasets"),
        "evaluate": "api.evaluate",
        "export_candidates": "api.export_candidates",
        "export_model": "api.export_model",
        "load": "api.load",
        "Model": "api.model",
        "quantize": "api.quantize",
        "Area": "api.result",
        "Result": "api.result",
        "Stream": "api.stream",
        "train": "api.train",
        "verify": "api.verify",
        "Artifact": "artifact",
        "Budget": "proof.budget",
        "ModelSpec": "spec",
        "Polygon": "polygon",
    }

    def __getattr__(name):
        from importlib import import_module

        if name == "errors":
            return import_module("edgeseg.errors")
        if name not in _HOMES:
            raise AttributeError(f"module 'edgeseg' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"edgeseg.{_HOMES[name]}"), name)
        return value

    def __dir__():
        return sorted({*globals(), *_HOMES, "errors"} - {"TYPE_CHECKING", "version"})
