"""What a verb takes along to another machine, and what it brings back."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.terminal import complain, say_lines

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.remote.parcel import Parcel

EXTRAS = {"onnx": ("onnxruntime", "onnxruntime"), "openvino": ("openvino", "openvino"), "tensorrt": ("", "tensorrt")}
"""Format to the module that its engine is imported as, where that is always the same one, and the extra with it."""


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
        """Note a module that is needed there."""
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
        """Word the command line there."""
        found, given = [self.verb], iter(self.args.words)
        for word in given:
            flag, _, value = word.partition("=")
            if flag in self.left_out:
                if not value:
                    next(given, None)
            elif value and flag.startswith("--"):
                found.append(f"{flag}={self.parcel.places.get(Path(value), value)}")
            else:
                found.append(self.parcel.places.get(Path(word), word))
        return [*found, *self.added]


def go(trip: Trip, keep: Mapping[str, Path] | None = None) -> int:
    """Run a verb over there, and put what it left where it belongs.

    Args:
        trip: what travels.
        keep: files there that are put elsewhere here, beside those that ``trip`` brings back.
    """
    from edgeseg.files.atomic import atomic_file
    from edgeseg.remote.address import parse_address
    from edgeseg.remote.errand import Errand, carry_out

    address = parse_address(trip.args.on)
    trip.parcel.names.update({name: str(path) for name, path in trip.outputs.items()})
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
