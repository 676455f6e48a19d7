"""A calibration set is chosen, compared with what the network will meet, and written to be used again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.api.needs import need
from edgeseg.artifact import MANIFEST, Artifact, artifact_folder
from edgeseg.console.extras import require
from edgeseg.console.progress import Progress, no_progress
from edgeseg.dataset import is_dataset
from edgeseg.errors import SpecError, UserError
from edgeseg.files.atomic import atomic_file, check_writable
from edgeseg.files.output_paths import check_apart, picture_folders

if TYPE_CHECKING:
    from edgeseg.calibration.images.calibration_set import CalibrationSet
    from edgeseg.calibration.images.coverage import Coverage
    from edgeseg.masks.mask_values import GivenValues
    from edgeseg.spec import ModelSpec

CHECKPOINT_SUFFIXES = (".pt", ".pth")


@dataclass(frozen=True)
class ChosenSet:
    """A calibration set on disk.

    Attributes:
        images: what was chosen.
        coverage: how much of the reference images they cover.
        values: what the file holds.
        picture: the picture of the coverage beside it.
    """

    images: CalibrationSet
    coverage: Coverage
    values: dict[str, Any]
    picture: Path


def choose_set(
    set_file: Path,
    model: Path,
    images: Path,
    *,
    data: Path | None = None,
    eval_data: Path | None = None,
    count: int = 100,
    seed: int = 0,
    ignore_index: int | None = None,
    mask_values: GivenValues | None = None,
    progress: Progress = no_progress,
    warn: Callable[[str], object] = str,
) -> ChosenSet:
    """Choose calibration images for a model, and write them with a picture of what they cover.

    Args:
        set_file: a ``set.json``; the picture has its name and ends in ``.png``.
        model: a checkpoint, an artifact, or an ONNX file that brings its spec.
        images: where they are chosen from, see :func:`~edgeseg.calibration.images.load_set.load_set`.
        data: what the model will be verified on, where ``eval_data`` says nothing else.
        eval_data: images that the set is compared with; None: those of ``data`` where they are others.
        count: how many.
        seed: chooses which.
        ignore_index: mask value that is not counted; None: the model's.
        mask_values: what mask values mean, ``255=road``; None: as the data says it.
        progress: ticks once an image.
        warn: called with each sentence about them.

    Raises:
        UserError: ``set_file`` does not end in ``.json``.
        DataError: images cannot be used.
        SpecError: the model brings no spec.
        OutputError: ``set_file`` cannot be written, or lies over an input.
    """
    _check_set_file(set_file)
    picture = set_file.with_suffix(".png")
    folders = [folder for one in (data, eval_data) for folder in picture_folders(one)]
    check_apart([set_file, picture], [artifact_folder(model), *folders])
    need("export", "matplotlib")
    from edgeseg.calibration.images.coverage import measure_coverage
    from edgeseg.calibration.images.load_set import load_set
    from edgeseg.calibration.images.set_file import weight_digests, write_set
    from edgeseg.proof.samples import samples_from

    spec, name = read_contract(model)
    digests = weight_digests(model)
    with progress("choose images", 0) as tick:
        chosen = load_set(images, spec, count, seed, tick, weights=digests.values() if images.suffix == ".json" else ())
    for sentence in chosen.warnings:
        warn(sentence)
    where = eval_data or (data if data is not None and (is_dataset(data) or images != data) else None)
    reference = None if where is None else samples_from(where, spec, None, ignore_index, mask_values=mask_values)
    with progress("look at images", len(chosen) + (len(reference) if reference else 0)) as tick:
        coverage = measure_coverage(chosen, reference, ignore_index, tick, mask_values)
    _write_picture(picture, coverage)
    return ChosenSet(chosen, coverage, write_set(set_file, chosen, name, digests, coverage.to_dict()), picture)


def read_contract(path: Path) -> tuple[ModelSpec, str]:
    """Read the spec and the name of a checkpoint, an artifact or an ONNX file that brings its spec.

    Raises:
        SpecError: it brings none.
        CheckpointError, ArtifactError: it is none of these.
    """
    if path.suffix in CHECKPOINT_SUFFIXES and not path.is_dir():
        require("torch", "export")
        from edgeseg.training.checkpoint import load_model

        loaded = load_model(path)
        return loaded.spec, loaded.name
    if path.suffix == ".onnx" and path.is_file() and not (path.parent / MANIFEST).is_file():
        from edgeseg.export.source.onnx_file import embedded_spec, read_onnx

        if (spec := embedded_spec(read_onnx(path))) is None:
            raise SpecError(f"{path} brings no spec. Export it first with what gives one, then use the artifact.")
        return spec, path.stem
    artifact = Artifact.open(path)
    return artifact.spec, artifact.name


def _check_set_file(path: Path) -> None:
    if path.suffix != ".json":
        raise UserError(
            f"`set_file` names the set file, which ends in .json; found {path}. For an artifact's folder use `out`."
        )
    check_writable(path.parent)


def _write_picture(path: Path, coverage: Coverage) -> None:
    import cv2

    from edgeseg.calibration.images.coverage_picture import coverage_picture

    with atomic_file(path) as staged:
        staged.write_bytes(cv2.imencode(".png", coverage_picture(coverage))[1].tobytes())
