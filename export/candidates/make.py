"""Every artifact whose engine runs on this machine: in float and INT8, each proven as it is made."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantization import Quantization, quantize_artifact
from edgeseg.errors import ArtifactError, EdgesegError, GateFailed, UserError
from edgeseg.export.forms import ExportOptions, Warn, choose_evidence, make_floats
from edgeseg.export.source.source_net import SourceNet
from edgeseg.export.tensorrt_artifact import finish_tensorrt, tensorrt_artifact
from edgeseg.formats import TENSORRT, find_format
from edgeseg.proof.publishing import ExportResult, OutputOptions
from edgeseg.proof.samples import Samples


@dataclass(frozen=True)
class Made:
    """One artifact, or why there is none.

    Attributes:
        name: precision and format, ``int8 openvino``.
        built: the artifact and its proof; None where it was refused.
        refused: why, in a sentence.
    """

    name: str
    built: ExportResult | None = None
    refused: str = ""


def make_artifacts(
    source: SourceNet, options: ExportOptions, place: OutputOptions, weights: Collection[str], warn: Warn
) -> tuple[list[Made], Samples]:
    """Make what can run here; the first is the fp32 ONNX artifact, which the others are held against.

    Args: see :func:`~edgeseg.export.forms.export_forms`; ``options.int8`` says how INT8 is made.

    Returns:
        Artifacts and refusals, and the images that they are proven on.

    Raises:
        UserError: ``options.int8`` is missing.
        DataError, GateFailed, OutputError: see :func:`~edgeseg.export.forms.export_forms`.
    """
    asked = options.int8
    images, samples = choose_evidence(source, options, place, weights, warn)
    if asked is None or images is None:
        raise UserError("Candidates are in float and in INT8; give `int8`, how INT8 is made.")
    untimed = replace(place, benchmark_seconds=0.0)
    floats = make_floats(source, options, untimed, samples, warn)
    made = [Made(_name(one), one) for one in floats]
    made += [_make_int8(one, asked, images, samples, untimed) for one in floats]
    if has_tensorrt():
        made += _make_tensorrt(floats[0], options, asked, images, samples, untimed)
    return made, samples


def _make_int8(
    fp32: ExportResult, asked: Quantization, images: CalibrationSet, samples: Samples, place: OutputOptions
) -> Made:
    name, model_format = f"int8 {fp32.artifact.format}", fp32.artifact.format
    if not find_format(model_format).quantizer:
        return Made(name, refused=f"{find_format(model_format).title} has no INT8.")
    return _try(name, lambda: quantize_artifact(asked, fp32.artifact, images, samples, place, model_format))


def _make_tensorrt(
    fp32: ExportResult,
    options: ExportOptions,
    asked: Quantization,
    images: CalibrationSet,
    samples: Samples,
    place: OutputOptions,
) -> list[Made]:
    def make_float(half: bool) -> ExportResult:
        return tensorrt_artifact(fp32.artifact, place, samples, options.build, half, asked.budget)

    def make_int8() -> ExportResult:
        made = quantize_artifact(asked, fp32.artifact, images, samples, place, TENSORRT.name)
        return finish_tensorrt(made, place, samples, options.build, True, asked.budget)

    return [
        _try("fp32 tensorrt", lambda: make_float(False)),
        _try("fp16 tensorrt", lambda: make_float(True)),
        _try("int8 tensorrt", make_int8),
    ]


def _try(name: str, make: Callable[[], ExportResult]) -> Made:
    try:
        return Made(name, make())
    except (GateFailed, ArtifactError) as error:
        return Made(name, refused=str(error).splitlines()[0])


def has_tensorrt() -> bool:
    """Tell whether TensorRT and a GPU are here."""
    from edgeseg.runtime.trt.cuda import load_cuda
    from edgeseg.runtime.trt.versions import find_library

    try:
        find_library(None)
        load_cuda().gpu()
    except EdgesegError:
        return False
    return True


def _name(one: ExportResult) -> str:
    return f"{one.artifact.precision} {one.artifact.format}"
