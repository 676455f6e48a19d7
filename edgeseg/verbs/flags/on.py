"""``--on user@box``: a verb carried out on another machine."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.terminal import complain, say_lines
from edgeseg.errors import UserError

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.remote.parcel import Parcel

EXTRAS = {"onnx": ("onnxruntime", "onnxruntime"), "openvino": ("openvino", "openvino"), "tensorrt": ("", "tensorrt")}
"""Format to the module that its engine is imported as, where that is always the same one, and the extra with it."""


def add_on_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where else it is done."""
    group = parser.add_argument_group("on another machine")
    group.add_argument(
        "--on", metavar="USER@BOX", help="copy what it needs there with ssh, do it there, and leave nothing"
    )
    group.add_argument(
        "--on-python", metavar="PATH", help="Python there (default: of ~/edgeseg-venv, else the one that has edgeseg)"
    )


@dataclass
class Trip:
    """What a verb takes along, and what it brings back.

    Attributes:
        args: of its command line.
        verb: its name.
        parcel: what travels.
        outputs: file there to the one here that it replaces.
        modules: that have to be importable there.
        extra: that brings those.
        env: variables.
        left_out: flags that mean something here only.
        added: words beside those that were given.
        fetch: files to bring back from elsewhere than where it ran: name here to path there.
    """

    args: argparse.Namespace
    verb: str
    parcel: Parcel
    outputs: dict[str, Path] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)
    extra: str = ""
    env: dict[str, str] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=lambda: {"--on", "--on-python"})
    added: list[str] = field(default_factory=list)
    fetch: dict[str, str] = field(default_factory=dict)

    def add_model(self, path: Path) -> Artifact | None:
        """Take along an artifact, or a file of a model, with what opens it."""
        from edgeseg.api.needs import is_checkpoint
        from edgeseg.artifact import Artifact

        if path.is_file() and path.suffix in (".pt", ".pth", ".onnx") and not (path.parent / "edgeseg.json").is_file():
            self.parcel.add(path)
            self.need("torch" if is_checkpoint(path) else "onnx", "export")
            return None
        artifact = Artifact.open(path)
        self.parcel.add(artifact.path, place=path)
        module, extra = EXTRAS.get(artifact.format, ("", ""))
        self.need(module, extra)
        return artifact

    def need(self, module: str, extra: str) -> None:
        """Need a module there."""
        if module and module not in self.modules:
            self.modules.append(module)
        parts = [one for one in (self.extra, extra) if one]
        self.extra = ",".join(dict.fromkeys(",".join(parts).split(","))) if parts else ""

    def bring(self, path: Path | None, flag: str) -> None:
        """Bring back a file that a flag names."""
        if path is not None:
            name = f"{len(self.outputs)}-{path.name}"
            self.outputs[name] = path
            self.added += [flag, name]
            self.left_out.add(flag)

    def words(self) -> list[str]:
        """The words of the command line there."""
        found, given = [self.verb], iter(self.args.words)
        for word in given:
            flag, _, value = word.partition("=")
            if flag in self.left_out:
                if not value and flag not in NO_VALUE:
                    next(given, None)
            elif value and flag.startswith("--"):
                found.append(f"{flag}={self.parcel.places.get(Path(value), value)}")
            else:
                found.append(self.parcel.places.get(Path(word), word))
        return [*found, *self.added]


NO_VALUE = {"--github"}


def go(trip: Trip, keep: Mapping[str, Path] | None = None) -> int:
    """Carry a verb out over there, and put what it left where it belongs.

    Args:
        trip: what travels.
        keep: files there that are put elsewhere here, beside those that ``trip`` brings back.
    """
    from edgeseg.files.atomic import atomic_file
    from edgeseg.remote.address import parse_address
    from edgeseg.remote.errand import Errand, carry_out

    address = parse_address(trip.args.on)
    errand = Errand(trip.words(), trip.parcel, trip.modules, trip.extra, trip.env, trip.args.on_python, trip.fetch)
    with tempfile.TemporaryDirectory(prefix="edgeseg-on-") as folder:
        code = carry_out(errand, address, Path(folder), _tell, lambda line, _: complain(line))
        for name, path in {**trip.outputs, **(keep or {})}.items():
            if (Path(folder) / name).is_file():
                with atomic_file(path) as staged:
                    staged.write_bytes((Path(folder) / name).read_bytes())
    return code


def _tell(line: str, is_error: bool) -> None:
    if is_error:
        complain(line)
    else:
        say_lines(line)


def start_trip(args: argparse.Namespace, verb: str) -> Trip:
    """Begin with nothing in the parcel; the address is read first, so that a wrong one costs no work.

    Raises:
        UserError: the address is none.
    """
    from edgeseg.remote.address import parse_address
    from edgeseg.remote.parcel import Parcel

    parse_address(args.on)
    return Trip(args, verb, Parcel())


def bench_on(args: argparse.Namespace) -> int:
    """Carry out ``edgeseg bench`` on another machine."""
    trip = start_trip(args, "bench")
    trip.add_model(args.artifact)
    if args.against is not None:
        trip.add_model(args.against)
    return go(trip)


def check_on(args: argparse.Namespace) -> int:
    """Carry out ``edgeseg check`` on another machine; the history is appended to here, and drawn here."""
    from edgeseg.ci.history import append_row, find_commit, read_rows
    from edgeseg.ci.reports import SUMMARY
    from edgeseg.remote.data import add_checked_data

    if args.artifact is None:
        raise UserError("Give an artifact to check. A plot alone is drawn here, without `on`.")
    if args.history is not None and args.history.exists():
        read_rows(args.history)  # before any work, not after
    trip = start_trip(args, "check")
    artifact = trip.add_model(args.artifact)
    if artifact is None:
        raise UserError(f"{args.artifact} is no artifact. Export it first.")
    for path in (args.reference, args.baseline):
        if path is not None and path.is_file() and path.suffix == ".json" and path.name != "edgeseg.json":
            trip.parcel.add(path)
        elif path is not None:
            trip.add_model(path)
    if args.data is not None:
        add_checked_data(trip.parcel, args.data, artifact, args.ignore_index, args.mask_values)
    trip.bring(args.junit, "--junit")
    trip.bring(args.markdown, "--markdown")
    if args.save_baseline is not None:
        _take_baseline(trip, args.save_baseline)
    summary = os.environ.get(SUMMARY) if args.github else None
    with tempfile.TemporaryDirectory(prefix="edgeseg-on-") as folder:
        kept: dict[str, Path] = {}
        if summary:
            trip.env[SUMMARY] = "summary.md"
            kept["summary.md"] = Path(folder) / "summary.md"
        if args.history is not None:
            commit = find_commit() if args.commit is None else args.commit
            trip.left_out |= {"--history", "--commit", "--plot"}
            trip.added += ["--history", "row.csv", f"--commit={commit}"]
            kept["row.csv"] = Path(folder) / "row.csv"
        code = go(trip, kept)
        if summary and (text := Path(folder) / "summary.md").is_file():
            from edgeseg.ci.markdown import append_markdown

            append_markdown(Path(summary), text.read_text(encoding="utf-8").rstrip("\n") + "\n")
        if args.history is not None and (row := Path(folder) / "row.csv").is_file():
            for one in read_rows(row):
                append_row(args.history, one)
    return code


def _take_baseline(trip: Trip, path: Path) -> None:
    """A baseline holds several devices: what is in it travels along, and comes back with one more."""
    name = "saved-baseline.json"
    trip.outputs[name] = path
    trip.left_out.add("--save-baseline")
    trip.added += ["--save-baseline", name]
    if path.exists():
        trip.parcel.files[f"out/{name}"] = path


def verify_on(args: argparse.Namespace) -> int:
    """Carry out ``edgeseg verify`` on another machine; what it proves there is written into the artifacts here."""
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
