"""The formats that models are kept in, each with the engine that runs it: one record a format, and no other list.

edgeseg's own are :data:`BUILT_IN`. Others come with packages that people install: an entry point of the group
``edgeseg.engines``, called like its format, names a :class:`ModelFormat` (docs/engines.md has a whole one). Such a
package is imported when its format is asked for. One that cannot be used is said in a sentence where somebody asks
for it, and ``edgeseg doctor`` lists it; nothing else notices.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeseg.entry_points import describe_package, find_entry_points
from edgeseg.errors import ArtifactError, EdgesegError, EnvironmentFault, UserError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "edgeseg.engines"
_NAME = re.compile(r"[a-z][a-z0-9]*")
_FILE = re.compile(r"\w[\w.]*")


@dataclass(frozen=True, kw_only=True)
class ModelFormat:
    """All that edgeseg knows of a format. Code is named as ``module:attribute`` and imported when it is used.

    Attributes:
        name: ends the names of artifacts; what ``format`` takes.
        title: of the engine, for people.
        model_file: what the engine loads, in the artifact's folder.
        engine: called with an artifact and :class:`~edgeseg.runtime.engines.engine.EngineOptions`, gives its
            :class:`~edgeseg.runtime.engines.engine.Engine`.
        tag: the engine's name inside files that were quantised for it, and in tables; default: ``name``.
        convert: called with a deployed fp32 ONNX file, an empty folder, the spec and the names of the outputs, writes
            the fp32 model files into the folder; empty where the ``onnx`` artifact itself is what is quantised.
        quantizer: called with nothing, gives a :class:`~edgeseg.calibration.quantizers.quantizer.Quantizer`; empty
            where there is no INT8.
        export_needs, int8_needs: modules for that which the extra ``export`` brings, asked for before any work.
        packages: distributions whose versions an artifact records.
        findings: called with nothing, gives the rows of ``edgeseg doctor``, as
            :data:`~edgeseg.runtime.engines.diagnosis.Row`; empty: that its engine can be imported.
        precisions: called with the engine's name of a device, gives those of ``f32``, ``bf16`` and ``f16`` that layers
            in float can be computed in there, the most precise first; empty: ``f32`` alone, or the engine's own choice.
        devices: called with nothing, gives the engine's names of the devices that are here; empty: the one that is its
            default.
        layers: called with an artifact, gives each :class:`~edgeseg.runtime.measure.layer_precision.Layer`.
        layers_untold: what is said where there is no ``layers``.
        layer_times: called with an artifact and ``device=``, gives each
            :class:`~edgeseg.runtime.measure.layer_times.LayerTime`; empty where the engine does not tell.
        trace: called with a model file and what tables call it, gives the form that a trace compares.
        cache_title: of what it keeps in the folder of its name in the cache; empty where it keeps nothing.
        is_built_on_device: whether its speed and masks are only known where it will run.

    Raises:
        UserError: a name that could not be part of a file's name.

    Example:
        >>> ModelFormat(name="abacus", title="Abacus", model_file="model.beads", engine="abacus.engine:Abacus").tag
        'abacus'
    """

    name: str
    title: str
    model_file: str
    engine: str
    tag: str = ""
    convert: str = ""
    quantizer: str = ""
    export_needs: tuple[str, ...] = ()
    int8_needs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    findings: str = ""
    precisions: str = ""
    devices: str = ""
    layers: str = ""
    layers_untold: str = "the engine does not tell"
    layer_times: str = ""
    trace: str = ""
    cache_title: str = ""
    is_built_on_device: bool = False

    def __post_init__(self) -> None:
        for field, pattern in (("name", _NAME), ("model_file", _FILE)):
            if not pattern.fullmatch(getattr(self, field)):
                raise UserError(
                    f"The {field} of a format must match {pattern.pattern}; found {getattr(self, field)!r}."
                )
        object.__setattr__(self, "tag", self.tag or self.name)

    def load(self, field: str) -> Any:
        """Import what a field names.

        Raises:
            EnvironmentFault: the package that brought the format cannot be imported, or has no such thing.
        """
        module, _, attribute = str(getattr(self, field)).partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:
            if self.name in BUILT_IN:
                raise
            raise EnvironmentFault(
                f"The {field} of {self.title} ({module}:{attribute}) cannot be loaded: {_describe(error)}. Install the "
                "package that brings it again, or ask those who make it."
            ) from error


ONNX = ModelFormat(
    name="onnx",
    title="ONNX Runtime",
    model_file="model.onnx",
    engine="edgeseg.runtime.engines.ort_engine:OrtEngine",
    tag="onnxruntime",
    quantizer="edgeseg.calibration.quantizers.ort_quantizer:OrtQuantizer",
    export_needs=("onnxruntime",),
    int8_needs=("onnx", "onnxruntime"),
    packages=("onnxruntime",),
    findings="edgeseg.runtime.engines.diagnosis:onnxruntime_rows",
    devices="edgeseg.runtime.engines.ort_providers:list_ort_devices",
    layers_untold="ONNX Runtime does not tell",
    trace="edgeseg.export.trace.open_forms:optimised_onnx_form",
)
OPENVINO = ModelFormat(
    name="openvino",
    title="OpenVINO",
    model_file="model.xml",
    engine="edgeseg.runtime.engines.openvino_engine:OpenVinoEngine",
    convert="edgeseg.export.graphs.ir_from_onnx:convert_to_ir",
    quantizer="edgeseg.calibration.quantizers.openvino_quantizer:OpenVinoQuantizer",
    export_needs=("openvino",),
    int8_needs=("openvino", "nncf"),
    packages=("openvino", "nncf"),
    findings="edgeseg.runtime.engines.diagnosis:openvino_rows",
    precisions="edgeseg.runtime.engines.openvino_core:openvino_precisions",
    devices="edgeseg.runtime.engines.openvino_core:openvino_devices",
    layers="edgeseg.runtime.measure.layer_precision:executed_layers",
    layer_times="edgeseg.runtime.measure.layer_times:layer_times",
    trace="edgeseg.export.trace.open_forms:openvino_form",
    cache_title="OpenVINO compiled models",
)
TENSORRT = ModelFormat(
    name="tensorrt",
    title="TensorRT",
    model_file="model.onnx",
    engine="edgeseg.runtime.trt.trt_engine:TensorRtEngine",
    quantizer="edgeseg.calibration.quantizers.tensorrt_quantizer:TensorRtQuantizer",
    export_needs=("onnxruntime",),
    int8_needs=("onnx", "onnxruntime"),
    findings="edgeseg.runtime.trt.diagnosis:tensorrt_rows",
    layers_untold="decided when TensorRT builds the engine on the device",
    trace="edgeseg.export.trace.open_forms:exact_onnx_form",
    cache_title="TensorRT engines",
    is_built_on_device=True,
)
BUILT_IN: Mapping[str, ModelFormat] = {one.name: one for one in (ONNX, OPENVINO, TENSORRT)}


def find_format(name: str) -> ModelFormat:
    """Find the record of a format.

    Raises:
        ArtifactError: no installed package brings it.
        EnvironmentFault: the package that brings it cannot be used.

    Example:
        >>> find_format("openvino").model_file
        'model.xml'
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    found = [point for point in find_entry_points(GROUP) if point.name == name]
    if not found:
        raise ArtifactError(
            f"No engine runs {name!r} artifacts; known formats are {', '.join(format_names())}. Install the package "
            "that brings this one, or export the model again."
        )
    return _load_plugin(found)


def format_names() -> tuple[str, ...]:
    """Name every format, edgeseg's own first; no package is imported for that."""
    return tuple(dict.fromkeys([*BUILT_IN, *(point.name for point in find_entry_points(GROUP))]))


def usable_formats() -> list[ModelFormat]:
    """Give every format whose record can be read, edgeseg's own first."""
    found = []
    for name in format_names():
        try:
            found.append(find_format(name))
        except EdgesegError:
            continue
    return found


def formats_to_time() -> list[ModelFormat]:
    """Give the formats whose fp32 artifacts can be timed on the machine that exports: a choice is between these."""
    return [one for one in usable_formats() if one.convert or one is ONNX]


def broken_formats() -> dict[str, str]:
    """Give a sentence for every format of another package that cannot be used."""
    broken = {}
    for point in find_entry_points(GROUP):
        try:
            if point.name in BUILT_IN:
                raise EnvironmentFault(f"{_source(point)} calls its format like one of edgeseg's own; it is not used.")
            find_format(point.name)
        except EdgesegError as error:
            broken[point.name] = str(error)
    return broken


def engine_title(name: str) -> str:
    """Name the engine of a format for people; the format itself where no package brings it."""
    try:
        return find_format(name).title
    except EdgesegError:
        return name


def package_of(model_format: ModelFormat) -> str:
    """Say which distribution brings a format, with its version; empty for edgeseg's own."""
    return next((describe_package(point) for point in find_entry_points(GROUP) if point.name == model_format.name), "")


def _load_plugin(points: list[EntryPoint]) -> ModelFormat:
    if len(points) > 1:
        packages = " and ".join(sorted(map(describe_package, points)))
        raise EnvironmentFault(f"Two packages bring the format {points[0].name!r}: {packages}. Uninstall one of them.")
    (point,) = points
    try:
        loaded = point.load()
    except Exception as error:  # it is somebody else's module, whose import may end in anything
        raise _unusable(point, _describe(error)) from error
    if not isinstance(loaded, ModelFormat):
        raise _unusable(point, f"it is a {type(loaded).__name__} and no edgeseg.formats.ModelFormat")
    if loaded.name != point.name:
        raise _unusable(point, f"its format is called {loaded.name!r}")
    return loaded


def _unusable(point: EntryPoint, reason: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"The engine of {point.name!r} artifacts cannot be used: {_source(point)}: {reason}. Install that package "
        "again, or ask those who make it."
    )


def _source(point: EntryPoint) -> str:
    return f"{point.value} of {describe_package(point)}"


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(".: ")
