"""A trained network becomes the artifact that is best on this machine."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.api.export_model import as_path, default_out, read_network
from edgeseg.api.needs import need_to_export
from edgeseg.api.quantize import choose_evidence
from edgeseg.console.progress import OnProgress, report_to
from edgeseg.errors import DataWarning
from edgeseg.files.atomic import check_writable
from edgeseg.files.model_name import read_model
from edgeseg.formats import formats_to_time
from edgeseg.proof.budget import Budget
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from edgeseg.export.candidates.choose import Candidates
    from edgeseg.masks.mask_values import GivenValues


def export_candidates(
    net: Any,
    data: str | Path,
    *,
    prefer: str = "latency",
    keep_all: bool = False,
    spec: ModelSpec | None = None,
    weights: str | Path | None = None,
    eval_data: str | Path | None = None,
    budget: Budget | None = None,
    count: int = 100,
    seed: int = 0,
    ignore_index: int | None = None,
    mask_values: GivenValues | None = None,
    out: str | Path | None = None,
    name: str | None = None,
    progress: OnProgress | None = None,
) -> Candidates:
    """Make, prove and measure what can run on this machine, and keep the best that holds the budget.

    fp32 and INT8 for every engine that is here, each in every precision that its device has, are held against the fp32
    ONNX artifact on the same images and measured in turns. The kept artifact runs in its precision from then on.
    ``<name>-candidates`` beside it holds ``candidates.json``, what lost and by how much, and a picture of the front.

    Args:
        net: a network of any kind, see :func:`edgeseg.export_model`.
        data: what calibrates INT8, and what all are proven on unless there is ``eval_data``.
        prefer: ``latency`` of one frame, ``throughput`` of several at once, ``energy`` a frame (CPU time where nothing
            measures energy), or ``size``.
        keep_all: keep every artifact that was made, in ``out``; else those that are not kept are removed.
        spec: what the network takes and gives, where it brings none.
        weights: a file with the weights of a network that a call builds.
        eval_data: other images to prove on.
        budget: what may be lost; None: see :func:`edgeseg.quantize`.
        count, seed: calibration images, and what chooses them.
        ignore_index: mask value that is not scored; None: the model's.
        mask_values: what mask values mean, ``{255: "road"}`` or ``255=road``; None: as the data says it.
        out: the folder for artifacts; None: ``artifacts`` beside the file, or here for a module.
        name: what they are called; None: as the file, or the module's class.
        progress: called with a description, a count and its end.

    Returns:
        ``kept.artifact``, and ``tried``: each candidate with what it lost and what it costs.

    Raises:
        UserError: ``prefer`` is something else, or a spec that cannot be used.
        GateFailed: the network itself proves nothing.
        CheckpointError, ArtifactError, DataError: what is given cannot be used.
        MissingExtra: a package is not installed.
        OutputError: ``out`` cannot be written.

    Warns:
        DataWarning: what a person should know about the images.

    Example:
        >>> budget = edgeseg.Budget(max_drop=5, max_class_drop=10)
        >>> found = edgeseg.export_candidates(net, "data", spec=spec, prefer="size", budget=budget, out="smallest")
        >>> found.kept.artifact.path.name.startswith("shapes"), len(found.tried) >= 4
        (True, True)
    """
    model = read_model(str(net)) if isinstance(net, str | Path) else None
    for one in formats_to_time():
        need_to_export(model, one.name, True)
    from edgeseg.calibration.quantization import Quantization
    from edgeseg.export.candidates.export_candidates import export_candidates as export
    from edgeseg.export.forms import ExportOptions
    from edgeseg.export.source.source_net import SourceRequest
    from edgeseg.export.specs.foreign_spec import SpecFlags
    from edgeseg.proof.publishing import OutputOptions

    calibrating, proving = choose_evidence(data, eval_data)
    limits = Budget() if budget is None else budget
    int8 = Quantization(
        calibrating,
        proving,
        count,
        seed,
        budget=limits,
        ignore_index=ignore_index,
        mask_values=mask_values,
    )
    folder = as_path(out) or default_out(net, as_path(weights))
    check_writable(folder)
    shown = report_to(progress)
    source = read_network(net, SourceRequest(SpecFlags(), spec, None, as_path(weights), name, shown))
    options = ExportOptions(data=proving, ignore_index=ignore_index, mask_values=mask_values, int8=int8, budget=limits)
    warn = partial(warnings.warn, category=DataWarning, stacklevel=5)
    return export(source, options, prefer, OutputOptions(folder, name or source.name, shown), keep_all, (), warn)
