"""Every way to run what was made, held against the float reference in one pass over the images."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from edgeseg.artifact import Artifact
from edgeseg.console.progress import Progress
from edgeseg.errors import ArtifactError, EdgesegError, EngineError, EnvironmentFault, UserError
from edgeseg.export.candidates.candidate import Candidate, drops, name_way
from edgeseg.export.candidates.make import Made
from edgeseg.formats import find_format
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, compare
from edgeseg.proof.judges.gates import budget_sentence
from edgeseg.proof.judges.judge import misses
from edgeseg.proof.judges.reference import check_reference
from edgeseg.proof.proven import add_proof, describe_proof
from edgeseg.proof.publishing import artifact_stage
from edgeseg.proof.samples import Samples
from edgeseg.proof.stage import Stage
from edgeseg.runtime.engines.engine import EngineOptions
from edgeseg.runtime.engines.placement import placement_of
from edgeseg.runtime.engines.precision import list_precisions
from edgeseg.runtime.measure.in_turns import Way

REFUSALS = (ArtifactError, EngineError, EnvironmentFault, UserError)


def prove_ways(
    made: Sequence[Made], samples: Samples, budget: Budget, progress: Progress
) -> tuple[list[Candidate], Comparison]:
    """Open every artifact on every device and in every precision that is here, and compare the masks.

    Args:
        made: the reference first, in float.
        samples: images, with masks or without.
        budget: what a way may lose; those that lose more are out.
        progress: ticks once an image.

    Raises:
        GateFailed: the reference is no better than one label everywhere.
        DataError: none of the images can be read.
        ArtifactError, EnvironmentFault: the reference does not run.
    """
    with contextlib.ExitStack() as stack:
        candidates: list[Candidate] = []
        stages: dict[str, Stage] = {}
        for one in made:
            for candidate in _list_ways(one):
                opened, stage = _open(candidate, stack)
                if any(known.place == opened.place and known.built is opened.built for known in candidates if stage):
                    continue  # the engine computes as it does for another candidate, whatever it was asked for
                candidates.append(opened)
                if stage is not None:
                    stages[opened.name] = stage
        _expect_reference(candidates[0])
        with progress("prove the candidates", len(samples)) as tick:
            assert candidates[0].artifact is not None
            comparison = compare([*stages.values()], samples, candidates[0].artifact.spec, tick)
    check_reference(comparison)
    return [_judge(one, comparison, budget) for one in candidates], comparison


def _expect_reference(candidate: Candidate) -> None:
    if candidate.out:
        raise EnvironmentFault(f"What the others are held against does not run here: {candidate.out}")


def _list_ways(one: Made) -> list[Candidate]:
    if one.built is None:
        return [Candidate(one.name, out=one.refused)]
    artifact = one.built.artifact
    ways = [
        Way(artifact, device, precision)
        for device in list_devices(artifact)
        for precision in list_precisions(artifact.format, device)
    ]
    size = artifact.size_bytes
    return [Candidate(name_way(artifact, way.device, way.precision), one.built, way, size_bytes=size) for way in ways]


def list_devices(artifact: Artifact) -> Sequence[str]:
    """List the devices that an artifact's engine has here; the CPU where it has no list."""
    record = find_format(artifact.format)
    try:
        found: Sequence[str] = record.load("devices")() if record.devices else ()
    except EdgesegError:
        found = ()
    return found or ("CPU",)


def _open(candidate: Candidate, stack: contextlib.ExitStack) -> tuple[Candidate, Stage | None]:
    """The candidate with where its engine says that it computes; out, and no stage, where it does not open."""
    if candidate.way is None:
        return candidate, None
    way = candidate.way
    try:
        engine = way.open()
        engine.open_slot().run()
    except REFUSALS as error:
        return replace(candidate, out=str(error).splitlines()[0]), None
    place = placement_of(engine, EngineOptions(way.device, precision=way.precision))
    return replace(candidate, place=place), artifact_stage(way.artifact, stack, candidate.name, engine)


def _judge(one: Candidate, comparison: Comparison, budget: Budget) -> Candidate:
    score = next((stage for stage in comparison.stages if stage.name == one.name), None)
    if score is None or one.out:
        return one
    found = [] if score is comparison.reference else misses(comparison, score, budget)
    drop, boundary = drops(comparison, score)
    out = budget_sentence(comparison, score, found) if found else ""
    return replace(one, score=score, drop=drop, boundary_drop=boundary, out=out)


def write_proofs(kept: Candidate, tried: Sequence[Candidate], comparison: Comparison, samples: Samples) -> Artifact:
    """Write into the kept artifact every way of it that held the budget, the kept one last: it runs so from then on.

    Raises:
        OutputError: it cannot be written.
    """
    assert kept.artifact is not None
    artifact = Artifact.open(kept.artifact.path)
    ways = [one for one in tried if one.built is kept.built and not one.out and one is not kept]
    for one in [*ways, kept]:
        if one.place is not None and one.score is not None:
            artifact = add_proof(artifact, describe_proof(artifact, one.place, comparison, one.score, samples))
    return artifact
