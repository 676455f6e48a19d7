"""``--on user@box``: a verb carried out on another machine."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from edgeseg.errors import UserError
from edgeseg.verbs.flags.trip import Trip, go, start_trip

SUMMARY = "GITHUB_STEP_SUMMARY"
SUMMARY_FILE, ROW, MANIFEST = "summary.md", "row.csv", "edgeseg.json"


def add_on_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where else it is done."""
    group = parser.add_argument_group("on another machine")
    group.add_argument(
        "--on", metavar="USER@BOX", help="copy what it needs there with ssh, do it there, and leave nothing"
    )
    group.add_argument(
        "--on-python", metavar="PATH", help="Python there (default: of ~/edgeseg-venv, else the one that has edgeseg)"
    )


def bench_on(args: argparse.Namespace) -> int:
    """Run ``edgeseg bench`` on another machine."""
    trip = start_trip(args, "bench")
    trip.add_model(args.artifact)
    if args.against is not None:
        trip.add_model(args.against)
    return go(trip)


def check_on(args: argparse.Namespace) -> int:
    """Run ``edgeseg check`` on another machine; the history is appended to here."""
    if args.artifact is None:
        raise UserError("Give an artifact to check. A plot alone is drawn here, without `on`.")
    trip = _pack_check(args)
    summary = os.environ.get(SUMMARY) if args.github else None
    with tempfile.TemporaryDirectory(prefix="edgeseg-on-") as folder:
        kept = {name: Path(folder) / name for name in (ROW, SUMMARY_FILE)}
        if summary:
            trip.env[SUMMARY] = SUMMARY_FILE
        if args.history is not None:
            _take_history(trip)
        code = go(trip, kept)
        if summary and kept[SUMMARY_FILE].is_file():
            from edgeseg.ci.markdown import append_markdown

            append_markdown(Path(summary), kept[SUMMARY_FILE].read_text(encoding="utf-8").rstrip("\n") + "\n")
        if args.history is not None and kept[ROW].is_file():
            from edgeseg.ci.history import append_row, read_rows

            for row in read_rows(kept[ROW]):
                append_row(args.history, row)
    return code


def _pack_check(args: argparse.Namespace) -> Trip:
    from edgeseg.files.output_paths import check_apart
    from edgeseg.remote.data import add_checked_data

    trip = start_trip(args, "check")
    artifact = trip.add_model(args.artifact)
    if artifact is None:
        raise UserError(f"{args.artifact} is no artifact. Export it first.")
    for path in (args.reference, args.baseline):
        if path is not None and path.is_file() and not (path.parent / MANIFEST).is_file():
            trip.parcel.add(path)
        elif path is not None:
            trip.add_model(path)
    written = [args.junit, args.markdown, args.history, args.plot, args.save_baseline]
    check_apart([one for one in written if one is not None], [artifact.path, *([args.data] if args.data else [])])
    if args.data is not None:
        add_checked_data(trip.parcel, args.data, artifact, args.ignore_index, args.mask_values)
    trip.bring(args.junit, "--junit")
    trip.bring(args.markdown, "--markdown")
    if args.save_baseline is not None:
        _take_baseline(trip, args.save_baseline)
    return trip


def _take_history(trip: Trip) -> None:
    """Only a row comes back: others may append to the file here meanwhile."""
    from edgeseg.ci.history import find_commit, read_rows

    path, commit = trip.args.history, trip.args.commit
    if path.exists() and path.stat().st_size:
        read_rows(path)  # before any work, not after
    trip.left_out |= {"--history", "--commit", "--plot"}
    trip.added += ["--history", ROW, f"--commit={find_commit() if commit is None else commit}"]


def _take_baseline(trip: Trip, path: Path) -> None:
    """A baseline holds several devices: what is in it travels along, and comes back with one more."""
    name = "saved-baseline.json"
    trip.outputs[name] = path
    trip.left_out.add("--save-baseline")
    trip.added += ["--save-baseline", name]
    if path.exists():
        trip.parcel.files[f"out/{name}"] = path


def verify_on(args: argparse.Namespace) -> int:
    """Run ``edgeseg verify`` on another machine; what it proves there is written into the artifacts here."""
    from edgeseg.remote.data import add_split
    from edgeseg.remote.proofs import bring_proof, name_manifests

    trip = start_trip(args, "verify")
    opened = {path: trip.add_model(path) for path in args.models}
    artifacts = {path: one for path, one in opened.items() if one is not None}
    trip.need("onnx", "export")
    if args.data is not None:
        add_split(trip.parcel, args.data, args.split, args.ignore_index, args.mask_values)
    if args.when_changed is not None:
        trip.parcel.add(args.when_changed)
    if args.trace:
        trip.bring(args.trace_out or Path("trace.png"), "--trace-out")
    if args.device or args.precision:
        trip.fetch = name_manifests(list(artifacts.values()), trip.parcel.places, list(artifacts))
    with tempfile.TemporaryDirectory(prefix="edgeseg-on-") as folder:
        code = go(trip, {name: Path(folder) / name for name in trip.fetch})
        for name, artifact in zip(trip.fetch, artifacts.values(), strict=False):
            if (Path(folder) / name).is_file():
                bring_proof(artifact, Path(folder) / name)
    return code
