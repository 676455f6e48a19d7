"""All forms of a network that were asked for, each from the one before it and each proven."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantization import Quantization, quantize_artifact
from edgeseg.errors import EdgesegError, UserError
from edgeseg.export import build
from edgeseg.export.graphs.deployed_graph import check_outputs
from edgeseg.export.source.source_net import SourceNet
from edgeseg.export.source.usual_readings import find_better_reading
from edgeseg.export.tensorrt_artifact import finish_tensorrt, tensorrt_artifact
from edgeseg.formats import BUILT_IN, OPENVINO, TENSORRT, find_format, formats_to_time
from edgeseg.masks.mask_values import GivenValues
from edgeseg.proof.budget import Budget
from edgeseg.proof.publishing import ExportResult, OutputOptions
from edgeseg.proof.samples import Samples, samples_from, synthetic_samples
from edgeseg.runtime.engines.logits import LOGITS, READ_BY
from edgeseg.runtime.trt.build_settings import BuildSettings

Warn = Callable[[str], object]


@dataclass(frozen=True)
class ExportOptions:
    """What is made of a network.

    Attributes:
        format: of :func:`~edgeseg.formats.format_names`.
        outputs: of the graph: ``labels``, and on request ``confidence`` and ``logits``; or ``logits`` alone.
        half: float16 wherever it is safe, for TensorRT.
        build: how TensorRT is to build engines of it.
        data: images that float forms are compared on; None: synthetic ones.
        ignore_index: mask value that is not scored; None: the model's.
        mask_values: what mask values mean, ``255=road``; None: as the data says it.
        int8: how INT8 is made as well; None: not at all.
        budget: what float16 may lose where there is no INT8.

    Raises:
        UserError: an unknown output, or ``logits`` alone for TensorRT.
    """

    format: str = OPENVINO.name
    outputs: Sequence[str] = ("labels",)
    half: bool = False
    build: BuildSettings = field(default_factory=BuildSettings)
    data: Path | None = None
    ignore_index: int | None = None
    mask_values: GivenValues | None = None
    int8: Quantization | None = None
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        if check_outputs(list(self.outputs)) == [LOGITS] and self.format not in READ_BY:
            raise UserError(
                f"`outputs=('logits',)` is for `format='openvino'` and `format='onnx'`; found {self.format!r}. "
                "Its engine reads labels: leave `outputs` out, or ask for labels and logits."
            )


def export_forms(
    source: SourceNet,
    options: ExportOptions,
    place: OutputOptions,
    weights: Collection[str] = (),
    warn: Warn = str,
) -> list[ExportResult]:
    """Write every artifact on the way to the one that was asked for, which is the last.

    Args:
        source: the network.
        options: what is made of it.
        place: where they go.
        weights: digests that stand for the network, see
            :func:`~edgeseg.calibration.images.set_file.weight_digests`.
        warn: called with each sentence about the images that a person should know.

    Raises:
        DataError: images cannot be used.
        GateFailed: a form does not segment what the network segments. What was proven before it stays.
        OutputError: one cannot be written.
    """
    images, samples = choose_evidence(source, options, place, weights, warn)
    made = _export_floats(source, options, place, samples)
    if options.int8 is not None and images is not None:
        made.append(quantize_artifact(options.int8, made[-1].artifact, images, samples, place, options.format))
    return _for_tensorrt(made, options, place, samples) if options.format == TENSORRT.name else made


def choose_evidence(
    source: SourceNet, options: ExportOptions, place: OutputOptions, weights: Collection[str], warn: Warn
) -> tuple[CalibrationSet | None, Samples]:
    """Choose what calibrates, where INT8 is asked for, and what the results are compared on; say what should be known.

    Arguments and errors are those of :func:`export_forms`.
    """
    images = None
    if options.int8 is not None:
        images = options.int8.choose_images(source.spec, weights, place.progress, warn)
        samples = options.int8.choose_samples(source.spec, images, warn)
    elif options.data is None:
        samples = synthetic_samples(source.spec)
    else:
        samples = samples_from(options.data, source.spec, None, options.ignore_index, mask_values=options.mask_values)
    for note in source.notes:
        warn(note)
    if (better := find_better_reading(source, samples)) is not None:
        warn(better.sentence(samples.source))
    return images, samples


def _export_floats(
    source: SourceNet, options: ExportOptions, place: OutputOptions, samples: Samples
) -> list[ExportResult]:
    onnx = build.onnx_artifact(source, place, options.outputs, samples)
    asked = find_format(options.format)
    return [onnx, build.converted_artifact(source, onnx.artifact, place, samples, asked)] if asked.convert else [onnx]


def make_floats(
    source: SourceNet, options: ExportOptions, place: OutputOptions, samples: Samples, warn: Warn
) -> list[ExportResult]:
    """Make fp32 in every format whose engine runs here; what an engine of another package does not take is left out.

    Arguments and errors are those of :func:`export_forms`; the ONNX artifact is the first.
    """
    made = [build.onnx_artifact(source, place, options.outputs, samples)]
    for one in formats_to_time():
        if not one.convert:
            continue
        try:
            made.append(build.converted_artifact(source, made[0].artifact, place, samples, one))
        except EdgesegError as error:
            if one.name in BUILT_IN:
                raise
            warn(f"{one.title} is left out: {str(error).splitlines()[0]}")
    return made


def _for_tensorrt(
    made: list[ExportResult], options: ExportOptions, place: OutputOptions, samples: Samples
) -> list[ExportResult]:
    """With the TensorRT artifact at the end; one of INT8 is replaced and keeps its proof."""
    last, budget = made[-1], options.int8.budget if options.int8 else options.budget
    if last.artifact.precision == "int8":
        return [*made[:-1], finish_tensorrt(last, place, samples, options.build, options.half, budget)]
    return [*made, tensorrt_artifact(last.artifact, place, samples, options.build, options.half, budget)]
