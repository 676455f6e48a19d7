"""A float artifact becomes a proven INT8 one."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.api.export_model import default_out
from edgeseg.api.needs import need_to_calibrate
from edgeseg.artifact import Artifact, open_artifact
from edgeseg.console.progress import OnProgress, report_to
from edgeseg.dataset import is_dataset
from edgeseg.errors import DataWarning, UserError
from edgeseg.files.atomic import check_writable
from edgeseg.formats import TENSORRT
from edgeseg.proof.budget import Budget
from edgeseg.runtime.trt.build_settings import BuildSettings

if TYPE_CHECKING:
    from edgeseg.calibration.images.calibration_set import CalibrationSet
    from edgeseg.masks.mask_values import GivenValues


def quantize(
    artifact: str | Path | Artifact,
    images: str | Path | CalibrationSet,
    *,
    eval_data: str | Path | None = None,
    budget: Budget | None = None,
    method: str = "minmax",
    keep_float: Collection[str] = (),
    count: int = 100,
    seed: int = 0,
    format: str | None = None,
    half: bool = False,
    build: BuildSettings | None = None,
    ignore_index: int | None = None,
    mask_values: GivenValues | None = None,
    out: str | Path | None = None,
    name: str | None = None,
    progress: OnProgress | None = None,
) -> Artifact:
    """Quantise an fp32 artifact to INT8, and hand it over only when it lost no more than ``budget``.

    Where INT8 as a whole loses more, the layers that are guilty stay in float, as few as possible. What was measured is
    kept beside the artifact until it is finished: the same call goes on from there.

    Args:
        artifact: fp32, of the format that its engine's INT8 starts from (``openvino``; ``onnx`` for the others).
        images: what calibrates: a folder of images, a data folder (its ``train``), a glob, a video, or a ``set.json``
            of ``edgeseg calibrate -o``.
        eval_data: what proves the result: a data folder (its ``val``, with masks), or a folder of images; None:
            ``images``. No image that calibrates proves: of what both have in common each takes a part.
        budget: what may be lost; None: 0.5 points of mIoU with masks, 5 % of the pixels without, 2 points of any class
            and 1 point of boundary IoU. ``measured["judgements"]`` says of each limit whether it holds on other images.
        method: how ranges are found: ``minmax``, ``entropy``, ``percentile`` or ``mse``; ``auto`` tries them all.
        keep_float: names of layers that are not quantised.
        count: calibration images; a set file has its own number.
        seed: chooses them.
        format: whose INT8, ``openvino``, ``onnx``, ``tensorrt`` or another package's; None: the artifact's.
        half: float16 for what is not INT8 (``tensorrt``).
        build: how a device is to build its engine (``tensorrt``).
        ignore_index: mask value that is not scored; None: the model's.
        mask_values: what mask values mean, ``{255: "road"}`` or ``255=road``; None: as the data says it.
        out: the folder for the artifact; None: beside the fp32 one.
        name: what it is called; None: as the fp32 one.
        progress: called with a description, a count and its end.

    Returns:
        The INT8 artifact, with ``report.html`` in it; what was compared is in ``measured``.

    Raises:
        GateFailed: no INT8 model of it holds the budget; ``comparison`` has every score, ``misses`` each limit that was
            exceeded, and by how much.
        ArtifactError: the artifact is something else, or cannot be quantised.
        DataError: images cannot be used, or every one that may prove calibrates.
        UserError: an argument that makes no sense.
        MissingExtra: a package is not installed.
        OutputError: ``out`` cannot be written.

    Warns:
        DataWarning: few, equal or stretched images, or images that calibrate and so do not prove.

    Example:
        >>> int8 = edgeseg.quantize(artifact, "data", budget=edgeseg.Budget(max_drop=5, max_class_drop=10))
        >>> int8.path.name, int8.measured["drop_points"] < 5
        ('shapes-int8-openvino', True)
    """
    parent = open_artifact(artifact)
    model_format = format or parent.format
    need_to_calibrate(model_format)
    from edgeseg.calibration.quantization import Quantization, make_int8
    from edgeseg.calibration.quantizers.quantizer import expect_parent, quantizer_for
    from edgeseg.proof.publishing import OutputOptions

    expect_parent(quantizer_for(model_format), parent)
    if isinstance(keep_float, str):
        raise UserError(f"`keep_float` is a list of names of layers; found the text {keep_float!r}.")
    calibrating, proving = choose_evidence(images, eval_data)
    limits = Budget() if budget is None else budget
    asked = Quantization(
        calibrating, proving, count, seed, method, frozenset(keep_float), limits, ignore_index, mask_values
    )
    place = OutputOptions(
        Path(out) if out else _default_out(artifact, parent), name or parent.name, report_to(progress)
    )
    if (half or build) and model_format != TENSORRT.name:
        raise UserError(f"`half` and `build` are for TensorRT; use `format='tensorrt'`. Found {model_format!r}.")
    check_writable(place.out)
    warn = partial(warnings.warn, category=DataWarning, stacklevel=4)
    made, samples = make_int8(asked, parent, place, model_format, warn)
    if not (half or build):
        return made.artifact
    from edgeseg.export.tensorrt_artifact import finish_tensorrt

    return finish_tensorrt(made, place, samples, build or BuildSettings(), half, asked.budget).artifact


def _default_out(given: Artifact | str | Path, parent: Artifact) -> Path:
    """Beside the fp32 artifact; here for a network of the zoo, whose artifact lies in the cache."""
    is_name = not isinstance(given, Artifact) and not Path(given).exists()
    return default_out(given) if is_name else parent.path.parent


def choose_evidence(
    images: str | Path | CalibrationSet, eval_data: str | Path | None
) -> tuple[Path | CalibrationSet, Path]:
    """Say what calibrates and what proves the result.

    Raises:
        UserError: ``images`` cannot prove anything, and there are no others.
    """
    calibrating = Path(images) if isinstance(images, str | Path) else images
    if eval_data is not None:
        return calibrating, Path(eval_data)
    if not isinstance(calibrating, Path) or (calibrating.is_file() and not is_dataset(calibrating)):
        raise UserError(
            "INT8 is proven as well as made: give `eval_data`, a data folder or a folder of images, where a glob, a "
            f"video or a set calibrates. Found {calibrating if isinstance(calibrating, Path) else 'a CalibrationSet'}."
        )
    return calibrating, calibrating
