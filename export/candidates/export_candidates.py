"""One call: make, prove and measure what can run here, keep the best, and record what lost and by how much."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import cv2

from edgeseg.artifact import Artifact, artifact_dir, check_replaceable
from edgeseg.console.progress import Progress
from edgeseg.errors import UserError
from edgeseg.export.candidates.candidate import PREFERENCES, Candidate
from edgeseg.export.candidates.choose import Candidates, choose_candidate
from edgeseg.export.candidates.make import make_artifacts
from edgeseg.export.candidates.picture import draw_front
from edgeseg.export.candidates.prove import prove_ways, write_proofs
from edgeseg.export.forms import ExportOptions, Warn
from edgeseg.export.source.source_net import SourceNet
from edgeseg.files.atomic import atomic_directory, atomic_file
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.toolchain import toolchain
from edgeseg.runtime.measure.energy import find_meter
from edgeseg.runtime.measure.in_turns import Way, time_ways
from edgeseg.runtime.system.machine import load_average, this_cpu

RECORD, PICTURE = "candidates.json", "candidates.png"
SECONDS_EACH = 2.0


def candidates_folder(place: OutputOptions) -> Path:
    """Name the folder that holds the record and the picture, and the artifacts while they are candidates."""
    return place.out / f"{place.name}-candidates"


def export_candidates(
    source: SourceNet,
    options: ExportOptions,
    by: str,
    place: OutputOptions,
    keeps_all: bool = False,
    weights: Collection[str] = (),
    warn: Warn = str,
) -> Candidates:
    """Make fp32 and INT8 for every engine that runs here, prove every precision, measure all in turns, and keep one.

    Args:
        source: the network.
        options: ``options.int8`` says how INT8 is made, and its budget what may be lost.
        by: ``latency``, ``throughput``, ``energy`` or ``size``.
        place: where the kept artifact goes. Record and picture go to ``<name>-candidates`` there.
        keeps_all: every artifact stays in ``place.out``; else those that are not kept are removed.
        weights, warn: see :func:`~edgeseg.export.forms.export_forms`.

    Raises:
        UserError: ``by`` is something else, or ``options.int8`` is missing.
        GateFailed: the network itself proves nothing, or nothing holds the budget.
        DataError, OutputError: see :func:`~edgeseg.export.forms.export_forms`.
    """
    if by not in PREFERENCES:
        raise UserError(f"`prefer` must be one of {', '.join(PREFERENCES)}; found {by!r}.")
    if options.int8 is None:
        raise UserError("Candidates are in float and in INT8; give `int8`, how INT8 is made.")
    folder = candidates_folder(place)
    inside = place if keeps_all else replace(place, out=folder)
    made, samples = make_artifacts(source, options, inside, weights, warn)
    if not keeps_all:
        for one in made:
            if one.built is not None:
                check_replaceable(_target(one.built.artifact, place))
    tried, comparison = prove_ways(made, samples, options.int8.budget, place.progress)
    load = load_average()
    tried, energy = _measure(tried, place.progress)
    kept = choose_candidate(tried, by)
    artifact = write_proofs(kept, tried, comparison, samples)
    if not keeps_all:
        artifact = _move(artifact, place)
        tried = _remove_others(tried, kept, folder)
    tried, kept = _replace_kept(tried, kept, artifact)
    may_lose = options.int8.budget.points(comparison.labelled)
    facts = {
        "may_lose_points": may_lose,
        "images": comparison.images,
        "source": comparison.source,
        "split": comparison.split,
        "reference": comparison.reference.name,
        "load_before": load,
        "toolchain": dict(toolchain(artifact.format)),
    }
    files = tuple(str(folder / name) for name in (RECORD, PICTURE))
    found = Candidates(by, kept, tuple(tried), this_cpu().name, comparison.drop_of, energy, files, facts)
    _write(found, folder, may_lose)
    return found


def _measure(tried: Sequence[Candidate], progress: Progress) -> tuple[list[Candidate], str]:
    """The candidates with what they cost, and a sentence on what measures energy."""
    able = [one for one in tried if not one.out and one.way is not None]
    meter, sentence = find_meter()
    try:
        with progress("measure the candidates", 1) as tick:
            paces = time_ways([one.way for one in able if one.way is not None], SECONDS_EACH, meter=meter)
            tick()
    finally:
        if meter is not None:
            meter.close()
    found = dict(zip((one.name for one in able), paces, strict=True))
    return [replace(one, pace=found.get(one.name)) for one in tried], sentence


def _target(artifact: Artifact, place: OutputOptions) -> Path:
    return artifact_dir(place.out, artifact.name, artifact.precision, artifact.format)


def _move(artifact: Artifact, place: OutputOptions) -> Artifact:
    """Put the kept artifact where an export puts it, whole or not at all."""
    target = _target(artifact, place)
    check_replaceable(target)
    with atomic_directory(target) as staged:
        shutil.copytree(artifact.path, staged, dirs_exist_ok=True)
    return Artifact.open(target)


def _remove_others(tried: Sequence[Candidate], kept: Candidate, folder: Path) -> list[Candidate]:
    """Remove what was made in the candidates' folder: the kept one lies elsewhere by now."""
    for path in {one.artifact.path for one in tried if one.artifact is not None}:
        if path.parent == folder:
            shutil.rmtree(path)
    return [one if one.built is kept.built else replace(one, built=None) for one in tried]


def _replace_kept(tried: Sequence[Candidate], kept: Candidate, artifact: Artifact) -> tuple[list[Candidate], Candidate]:
    """The same, with the artifact where it is now and as it says itself now."""
    assert kept.built is not None
    built = replace(kept.built, artifact=artifact)

    def moved(one: Candidate) -> Candidate:
        way = None if one.way is None else Way(artifact, one.way.device, one.way.precision)
        return replace(one, built=built, way=way)

    changed = {id(one): moved(one) if one.built is kept.built else one for one in tried}
    return list(changed.values()), changed[id(kept)]


def _write(found: Candidates, folder: Path, max_drop: float) -> None:
    with atomic_file(folder / RECORD) as staged:
        staged.write_text(json.dumps(found.to_dict(), indent=2) + "\n", encoding="utf-8")
    with atomic_file(folder / PICTURE) as staged:
        staged.write_bytes(cv2.imencode(".png", draw_front(found, max_drop))[1].tobytes())
