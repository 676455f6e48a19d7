"""``edgeseg verify``: the masks of several forms of a model, from the image file on; ``--trace`` goes by layer."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from edgeseg.api.needs import need, need_to_compare
from edgeseg.console.progress import bar_on_tty, show_progress
from edgeseg.console.quantities import number, number_above, whole
from edgeseg.console.terminal import complain, say_lines
from edgeseg.console.wording import reword
from edgeseg.errors import UserError
from edgeseg.runtime.engines.precision_names import PRECISIONS
from edgeseg.verbs.flags.budget import MEASURED, add_budget_arguments, read_limits
from edgeseg.verbs.flags.masks import add_mask_arguments
from edgeseg.verbs.flags.on import add_on_arguments
from edgeseg.verbs.flags.tile import add_tile_arguments, read_tile_flags

EXAMPLES = (
    "edgeseg verify best.pt best-fp32-openvino best-int8-openvino --data DIR",
    "edgeseg verify best.pt best-int8-openvino --data DIR --trace",
    "edgeseg verify best-int8-openvino --data DIR --precision auto",
    "edgeseg verify best-fp32-openvino best-int8-openvino --data DIR --tile",
    "edgeseg verify best-int8-openvino --when-changed CLIP.mp4",
    "edgeseg verify best-fp32-onnx best-int8-onnx --data DIR --on pi@camera-3",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg verify``."""
    parser.add_argument(
        "models", type=Path, nargs="+", metavar="MODEL", help="checkpoints and artifacts, reference first"
    )
    data = parser.add_argument_group("data")
    data.add_argument("--data", type=Path, metavar="DIR", help="data folder, or a folder of images")
    data.add_argument("--split", help="which split of a data folder (default: val)")
    add_mask_arguments(data)
    add_budget_arguments(parser.add_argument_group("gate"), MEASURED, MEASURED)
    add_tile_arguments(parser.add_argument_group("images of any size"))
    proof = parser.add_argument_group("proof on a device, written into the artifacts")
    proof.add_argument("--device", metavar="NAME", help="engine's name of the device that is proven (default: CPU)")
    proof.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="what is proven there, and run in from then on; auto: what the engine likes (default: as it runs there)",
    )
    trace = parser.add_argument_group("trace")
    trace.add_argument("--trace", action="store_true", help="compare layer by layer and name the first that diverges")
    trace.add_argument("--trace-images", type=whole(1), default=4, metavar="N", help="images for --trace")
    trace.add_argument("--trace-out", type=Path, metavar="PNG", help="draw the trace by depth (default: trace.png)")
    _add_change_arguments(parser.add_argument_group("only when something changes"))
    add_on_arguments(parser)
    parser.add_argument_group("output").add_argument("--json", action="store_true", help="print the result as JSON")


def _add_change_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--when-changed",
        type=Path,
        metavar="CLIP",
        help="what edgeseg run --when-changed saves and costs on a clip of a fixed camera",
    )
    group.add_argument(
        "--change",
        type=number(0, 100),
        metavar="PERCENT",
        help="of the picture that must have changed (default: the most that loses at most --max-drop, 1 point)",
    )
    group.add_argument(
        "--refresh", type=number_above(0, 86400), metavar="S", help="infer at least so often (default: 2)"
    )


def run(args: argparse.Namespace) -> int:
    """Compare models and print how much they differ; returns the exit code."""
    tiling = read_tile_flags(args.tile, args.tile_edges)
    if args.trace and tiling is not None:
        raise UserError("`tile` does not go with `trace`: layers are compared at the network's own size.")
    if args.when_changed is not None and tiling is not None:
        raise UserError("--when-changed does not go with --tile: a clip is resized to the network, frame by frame.")
    if args.on is not None and (args.data is not None or args.when_changed is not None):
        from edgeseg.verbs.flags.on import verify_on

        return verify_on(args)
    if args.when_changed is not None:
        from edgeseg.verbs.verify_when_changed import verify_when_changed

        return verify_when_changed(args)
    if args.data is None:
        raise UserError("edgeseg verify needs --data DIR, what is compared on; or --when-changed CLIP.")
    if args.trace:
        return _trace(args)
    need_to_compare(args.models)
    from edgeseg.api.verify import verify
    from edgeseg.export.report import comparison_text
    from edgeseg.proof.budget import Budget
    from edgeseg.proof.judgement import judgement_table
    from edgeseg.proof.judges.gates import check_budget, limit_drop
    from edgeseg.proof.judges.judge import list_judgements

    given = read_limits(args)
    with show_progress() as progress:
        comparison = verify(
            args.models,
            args.data,
            split=args.split,
            ignore_index=args.ignore_index,
            mask_values=args.mask_values,
            device=args.device,
            precision=args.precision,
            budget=Budget(**given, require_held=args.require_held, asked=frozenset(given)),
            tile=tiling or False,
            progress=progress,
        )
    limits = limit_drop(args.max_drop, held=args.require_held)
    limits = replace(limits, **given, asked=frozenset(given))
    found = list_judgements(comparison, limits)
    text = [reword(comparison_text(comparison)), *(f"{name}\n{judgement_table(one)}" for name, one in found.items())]
    values = {name: [judged.to_dict() for judged in one] for name, one in found.items()}
    said = json.dumps({**comparison.to_dict(), "judgements": values}, indent=2) if args.json else "\n".join(text)
    say_lines(said)
    check_budget(comparison, limits)
    if args.device or args.precision:
        for model in args.models[1:] or args.models:
            complain(
                f"proven  {model}: {_last_proof(model)}, written into its edgeseg.json; it runs so there from now on"
            )
    return 0


def _last_proof(model: Path) -> str:
    from edgeseg.artifact import Artifact
    from edgeseg.runtime.engines.placement import proven_placements

    return str(proven_placements(Artifact.open(model))[-1])


def _trace(args: argparse.Namespace) -> int:
    need_to_compare(args.models)
    need("export", "onnxruntime", "matplotlib")
    from edgeseg.artifact import artifact_folder
    from edgeseg.export.trace.picture import check_picture, write_trace
    from edgeseg.export.trace.report import check_traces, traces_dict, traces_text
    from edgeseg.export.verify import trace_stages
    from edgeseg.files.output_paths import check_apart, picture_folders

    out = args.trace_out or Path("trace.png")
    check_picture(out)
    check_apart([out], [*map(artifact_folder, args.models), *picture_folders(args.data)])
    data = (args.data, args.split, args.ignore_index, args.mask_values)
    traces = trace_stages(args.models, data, args.trace_images, bar_on_tty)
    write_trace(out, traces)
    say_lines(json.dumps(traces_dict(traces, out), indent=2) if args.json else traces_text(traces, out))
    check_traces(traces)
    return 0
