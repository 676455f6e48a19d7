"""Proofs on other devices and in other precisions, written into the artifact that they are of."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

from edgeseg.artifact import MANIFEST, Artifact, update_manifest
from edgeseg.errors import OutputError
from edgeseg.files.atomic import check_writable, file_sha256
from edgeseg.formats import find_format
from edgeseg.proof.compare import Comparison, StageScore, finite
from edgeseg.proof.samples import Samples
from edgeseg.proof.toolchain import toolchain
from edgeseg.runtime.engines.placement import Placement
from edgeseg.runtime.engines.precision import MODEL_DIGITS, RUNS_IN, model_digest
from edgeseg.runtime.engines.precision_names import FLOATS

WHERE = ("device", "precision", "hardware")


def expect_writable(artifact: Artifact) -> None:
    """Find out before the work whether a proof can be written into an artifact.

    Raises:
        OutputError: it cannot.
    """
    try:
        check_writable(artifact.path)
    except OutputError as error:
        raise OutputError(
            f"The proof is written into the artifact, and {artifact.path} cannot be written: {error} Copy the artifact "
            "to a folder of yours and prove that one."
        ) from None


def describe_proof(
    artifact: Artifact, place: Placement, comparison: Comparison, stage: StageScore, samples: Samples
) -> dict[str, Any]:
    """Give what an artifact says of one proof.

    Args:
        artifact: what was proven.
        place: where, and in which precision.
        comparison: of the reference with it.
        stage: its own, of the comparison.
        samples: what was compared.
    """
    packages = ("edgeseg", *find_format(artifact.format).packages)
    pictures = "\n".join(samples.evidence()["pictures"])
    return {
        **asdict(place),
        "model": model_digest(artifact),
        "toolchain": {name: version for name, version in toolchain(artifact.format).items() if name in packages},
        "reference": comparison.reference.name,
        "iou_against": comparison.to_dict()["iou_against"],
        "images": comparison.images,
        "source": comparison.source,
        "split": comparison.split,
        "pictures_digest": hashlib.sha256(pictures.encode()).hexdigest()[:MODEL_DIGITS],
        "agreement": finite(stage.agreement),
        "worst_image_disagreement": finite(stage.worst),
        "mean_iou": finite(stage.confusion.mean_iou),
        "drop_points": finite(comparison.drop(stage)),
        "drop_of": comparison.drop_of,
        "boundary_drop_points": finite(comparison.boundary_drop(stage)),
    }


def add_proof(artifact: Artifact, proof: dict[str, Any]) -> Artifact:
    """Write a proof into ``measured.proven`` of an artifact, in the place of an older one of the same place.

    From then on the artifact runs in that precision on such a device, see
    :func:`~edgeseg.runtime.engines.precision.read_preferred`.

    The artifact's identity as a parent is the digest of its manifest; ``manifest_before`` keeps what that was.

    Raises:
        ArtifactError: it was replaced by another one meanwhile.
        OutputError: its folder cannot be written.
    """
    before = file_sha256(artifact.path / MANIFEST)

    def change(manifest: dict[str, Any]) -> None:
        measured = manifest.setdefault("measured", {})
        others = [one for one in measured.get("proven", ()) if any(one.get(key) != proof[key] for key in WHERE)]
        measured["proven"] = [*others, {**proof, "manifest_before": before}]
        if proof["precision"] in FLOATS:
            measured[RUNS_IN] = {**measured.get(RUNS_IN, {}), proof["device"]: proof["precision"]}

    return update_manifest(artifact, change)
