"""INT8 models of one network, each made and measured once, in the engine that will run it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.artifact import MANIFEST, Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.quantizers.quantizer import InFloat, Quantizer
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.calibration.search.journal import Journal, short_key
from edgeseg.calibration.search.sensitivity import layer_risk, probes
from edgeseg.errors import ArtifactError
from edgeseg.files.atomic import file_sha256
from edgeseg.proof.compare import Comparison, compare
from edgeseg.proof.image_record import describe_score, score_from
from edgeseg.proof.publishing import OutputOptions, artifact_stage, open_staged
from edgeseg.proof.samples import Samples, UnreadableImageError
from edgeseg.proof.stage import Stage, remember_answers
from edgeseg.proof.toolchain import toolchain

RISK = "risk"
JOURNAL_VERSION = 5
"""Of what is kept of a measurement; a journal of another version is begun anew."""


@dataclass(frozen=True)
class Job:
    """What is to be quantised, on what evidence, for which engine."""

    quantizer: Quantizer
    parent: Artifact
    images: CalibrationSet
    samples: Samples
    recipe: Recipe
    place: OutputOptions

    def manifest(self) -> dict[str, Any]:
        """Return the fields of ``edgeseg.json`` that are known before anything is measured."""
        return {
            "name": self.place.name,
            "precision": "int8",
            "format": self.quantizer.format,
            "spec": self.parent.spec,
            "outputs": list(self.parent.outputs),
            "parents": {**self.parent.parents, f"fp32-{self.parent.format}": file_sha256(self.parent.path / MANIFEST)},
            "calibration": self.images.describe(),
            "toolchain": {**self.parent.toolchain, **toolchain(self.quantizer.format)},
        }

    def inputs(self) -> dict[str, Any]:
        """Return whatever decides what is measured; limits do not, so another budget finds the same measurements."""
        return {
            "version": JOURNAL_VERSION,
            "weights": dict(self.parent.files),
            "calibration": self.images.digest,
            "evaluation": samples_digest(self.samples),
            "recipe": self.recipe.describe(),
            "format": self.quantizer.format,
            "toolchain": toolchain(self.quantizer.format),
        }


@dataclass(frozen=True)
class Trial:
    """One model that was made and measured.

    Attributes:
        kept: layers that were put back to float, beside those of the recipe.
        comparison: the float model and this one.
        facts: what the quantizer said of it.
        bytes: of its files.
        reused: measured by an earlier run.
    """

    kept: tuple[str, ...]
    comparison: Comparison
    facts: Mapping[str, Any]
    bytes: int
    reused: bool = False


class Trials:
    """Makes and measures models of a job; what the journal knows is not done again.

    They are measured on the images that prove, or after :meth:`choose_on` on those that choose.

    Args:
        job: what is to be quantised.
        journal: keeps what was measured.
        looks: how many models were held against the images that prove by the choice of the method, the first included.
    """

    def __init__(self, job: Job, journal: Journal, looks: int = 1) -> None:
        self.job, self._journal, self.looks = job, journal, looks
        self._manifest = job.manifest()
        self._stack = contextlib.ExitStack()
        self._reference: Stage | None = None
        self._in_float: InFloat | None = None
        self._part, self._samples = "", job.samples

    def __enter__(self) -> Trials:
        return self

    def __exit__(self, *failure: object) -> None:
        self._stack.close()

    def choose_on(self, samples: Samples) -> None:
        """Measure from now on on these images."""
        proof = samples is self.job.samples
        self._part, self._samples = "" if proof else f"-on-{samples_digest(samples)}", samples

    def plain(self) -> Trial:
        """Try the job's recipe as it is."""
        return self._trial((), "int8")

    def with_float(self, kept: tuple[str, ...], title: str) -> Trial:
        """Try the same with ``kept`` in float as well."""
        return self._trial(kept, title)

    def artifact(self, trial: Trial) -> Artifact:
        """Return the files of a trial; made once more when they were dropped meanwhile."""
        return self._make(trial.kept)[0]

    def drop(self, trial: Trial) -> None:
        """Drop a trial's files, which are not wanted any more."""
        self._journal.drop(_name(trial.kept))

    def risk(self) -> dict[str, float]:
        """Share of the pixels that each quantised layer alone puts at risk, see :func:`layer_risk`."""
        if (known := self._journal.get(RISK)) is not None:
            return {str(name): float(value) for name, value in known.items()}
        layers = self._undoing().layers
        with self.job.place.progress("rank layers", len(layers)) as tick:
            several = self.job.parent.spec.task == "multilabel"
            risk = layer_risk(self._undoing(), probes(self.job.images), tick, several)
        self._journal.put(RISK, risk)
        return risk

    def _quantise(self, out: Path) -> Mapping[str, Any]:
        job = self.job
        with job.place.progress("calibrate", len(job.images)) as tick:
            return job.quantizer.quantize(job.parent, job.images, job.recipe, out, tick)

    def _write(self, kept: tuple[str, ...], out: Path) -> Mapping[str, Any]:
        self._undoing().write(kept, out)
        return self._make(())[1]

    def _undoing(self) -> InFloat:
        if self._in_float is None:
            job = self.job
            self._in_float = job.quantizer.in_float(job.parent, self._make(())[0], job.images, job.recipe)
        return self._in_float

    def _trial(self, kept: tuple[str, ...], title: str) -> Trial:
        name = f"measured-{_name(kept)}{self._part}"
        if (known := self._journal.get(name)) is not None:
            return _from_values(kept, known, self.job.parent.spec.task)
        artifact, facts = self._make(kept)
        comparison = self._compare(artifact, title)
        comparison.proof_note = str(facts.get("note", comparison.proof_note))
        trial = Trial(kept, comparison, facts, artifact.size_bytes)
        self._journal.put(name, _values(trial))
        return trial

    def _make(self, kept: tuple[str, ...]) -> tuple[Artifact, Mapping[str, Any]]:
        """The files of a model, and what its quantizer said of it."""
        name = _name(kept)
        folder, facts = self._journal.folder(name), self._journal.get(name)
        if folder is None or facts is None:
            with self._journal.making(name) as staged:
                facts = dict(self._write(kept, staged) if kept else self._quantise(staged))
                open_staged(staged, self._manifest)
            folder = self._journal.path / name
            self._journal.put(name, facts)
        return Artifact.open(folder), facts

    def _compare(self, artifact: Artifact, title: str) -> Comparison:
        job, samples = self.job, self._samples
        with contextlib.ExitStack() as stack, job.place.progress(f"verify {title}", len(samples)) as tick:
            int8 = artifact_stage(artifact, stack, engine=job.quantizer.open_proof(artifact))
            comparison = compare([self.float_stage(), int8], samples, job.parent.spec, tick)
        comparison.proof_note = job.quantizer.proof_note
        return comparison

    def float_stage(self) -> Stage:
        """Make a stage of the float model; an image that it has seen is answered from memory."""
        if self._reference is None:
            self._reference = remember_answers(artifact_stage(self.job.parent, self._stack))
        return self._reference


def samples_digest(samples: Samples) -> str:
    """Digest the pixels and masks of all images, in their order, to sixteen hex digits."""
    digests = []
    for sample in samples:
        try:
            image, mask = sample.read()
        except UnreadableImageError as error:
            digests.append(str(error))
            continue
        digests.append(_pixels(image) + ("" if mask is None else _pixels(mask)))
    return short_key([digests, samples.labelled, samples.ignore_index])


def _pixels(array: Any) -> str:
    return hashlib.sha256(repr(array.shape).encode() + np.ascontiguousarray(array).data).hexdigest()


def _name(kept: tuple[str, ...]) -> str:
    return f"model-{short_key(sorted(kept))}"


def _values(trial: Trial) -> dict[str, Any]:
    found = trial.comparison
    plain = ("classes", "labelled", "source", "split", "images", "skipped", "proof_note")
    return {
        "kept": list(trial.kept),
        "facts": dict(trial.facts),
        "bytes": trial.bytes,
        **{name: getattr(found, name) for name in plain},
        "labels_seen": sorted(found.labels_seen),
        "stages": [describe_score(stage) for stage in found.stages],
    }


def _from_values(kept: tuple[str, ...], values: Mapping[str, Any], task: str) -> Trial:
    try:
        comparison = Comparison(
            [score_from(stage, task) for stage in values["stages"]],
            tuple(values["classes"]),
            values["labelled"],
            values["source"],
            values["split"],
            values["images"],
            list(values["skipped"]),
            set(values["labels_seen"]),
            values["proof_note"],
        )
        return Trial(kept, comparison, values["facts"], values["bytes"], reused=True)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"The search's journal is damaged ({error}). Remove the folder .*.search and repeat."
        ) from None
