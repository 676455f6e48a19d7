"""What ``edgeseg export`` and ``edgeseg calibrate`` print."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgeseg.console.terminal import complain, say_lines
from edgeseg.console.wording import reword, reword_values
from edgeseg.errors import Interrupted

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.export.candidates.choose import Candidates
    from edgeseg.proof.publishing import ExportResult
    from edgeseg.runtime.trt.device_engine import BuiltEngine

TIMED_S = 3.0
"""Seconds for which fp32 and INT8 are timed for the report."""


def print_results(made: list[ExportResult], as_json: bool, engine: BuiltEngine | None = None) -> None:
    """Print what was made and how it compares."""
    from edgeseg.export.report import describe_result, format_result

    if as_json:
        values = [describe_result(one) for one in made]
        if engine is not None:
            values[-1]["engine"] = _describe_engine(engine)
        say_lines(json.dumps(reword_values(values), indent=2))
        return
    say_lines(reword("\n\n".join(format_result(one) for one in made)))
    if engine is not None:
        print_engine(engine, made[-1].artifact, as_json)


def print_engine(engine: BuiltEngine, artifact: Artifact, as_json: bool) -> None:
    """Print where the engine of an artifact is."""
    say_lines(json.dumps(_describe_engine(engine), indent=2) if as_json else _engine_text(engine, artifact))


def print_candidates(found: Candidates, as_json: bool) -> None:
    """Print every artifact that was kept, all that it was compared with, and how it is run."""
    from edgeseg.console.command import edgeseg_command
    from edgeseg.export.report import describe_result

    made = list({id(one.built): one.built for one in found.tried if one.built is not None}.values())
    if as_json:
        values = {"artifacts": [describe_result(one) for one in made], "preferred": found.to_dict()}
        say_lines(json.dumps(reword_values(values), indent=2))
        return
    print_results(made, as_json)
    say_lines(reword(f"\n{found.text()}"))
    assert found.kept.artifact is not None
    flags = [word for name, value in found.settings.items() for word in (f"--{name}", str(value))]
    command = edgeseg_command("run", str(found.kept.artifact.path), *flags, "--source", "SOURCE")
    others = {one.way.artifact.path.name for one in found.tried if one.way is not None and one.built is None}
    removed = f"removed: {', '.join(sorted(others))} (--keep-all keeps them)" if others else ""
    lines = [found.energy, removed, f"record: {', '.join(found.files)}", f"run it: {command}"]
    say_lines("\n".join(filter(None, lines)))


def warn(sentence: str) -> None:
    """Print what a person should know about the images."""
    complain(f"warning: {sentence}")


@contextlib.contextmanager
def say_what_stays() -> Iterator[None]:
    """Say, when the work is stopped, that it can go on."""
    try:
        yield
    except Interrupted as stopped:
        complain(f"{stopped.kept} holds what was measured; the same command goes on from there.")
        raise


def _describe_engine(engine: BuiltEngine) -> dict[str, Any]:
    return {"path": str(engine.path), "bytes": len(engine.plan), "is_new": engine.is_new, **engine.key.to_dict()}


def _engine_text(engine: BuiltEngine, artifact: Artifact) -> str:
    from edgeseg.runtime.trt.build_settings import is_half, read_settings

    what = "built" if engine.is_new else "was there already"
    where = "every GPU that it serves" if engine.key.gpu == "any" else f"{engine.key.gpu} (SM {engine.key.sm})"
    notes = [f"note: {cost}" for cost in read_settings(artifact).costs]
    if artifact.precision == "int8" and not is_half(artifact):
        notes.append(
            "note: what is not INT8 computes in float32 (the builder of 8.6 may take float16); from TensorRT 10 on "
            "--half makes that float16, too"
        )
    head = (
        f"{engine.path}  ({len(engine.plan) / 1e6:.2f} MB) {what}: {engine.key.library} {engine.key.version}, {where}"
    )
    return "\n".join([head, *notes])
