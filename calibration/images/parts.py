"""Which pictures calibrate, which choose, and which prove: none has two of these parts, whatever its file is called.

Ranges are found on the first, methods and float layers are chosen on the second, and the budget is a promise about
pictures that nobody has seen: so it is judged on the third, which nothing was chosen on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeseg.calibration.images.calibration_set import CalibrationSet, Item
from edgeseg.calibration.images.load_set import list_candidates
from edgeseg.dataset import Dataset, is_dataset
from edgeseg.errors import DataError
from edgeseg.files.image_files import list_images
from edgeseg.files.sequences import halve
from edgeseg.image import UInt8
from edgeseg.metrics.bootstrap import LEAST_BLOCKS
from edgeseg.pixel_digest import pixel_digest
from edgeseg.proof.samples import (
    FEW_UNSEEN,
    UNLABELLED_LIMIT,
    Sample,
    Samples,
    UnreadableImageError,
    choose_split,
    samples_from,
)
from edgeseg.spec import ModelSpec

SAME_IMAGES = (
    "There are too few images for some to choose and others to prove: those that chose also prove it, and what is said "
    "of unseen ones allows for every model that was tried."
)
NAMED = 3


@dataclass(frozen=True)
class Parts:
    """What chooses and what proves.

    Attributes:
        choosing: images that methods and float layers are chosen on.
        proving: images that judge what was chosen; the same ones where there are too few.
        note: what a reader must know about them, or empty.
    """

    choosing: Samples
    proving: Samples
    note: str = ""

    @property
    def are_apart(self) -> bool:
        """No image both chooses and proves."""
        return self.choosing is not self.proving


def list_proving(path: Path, spec: ModelSpec) -> list[Path]:
    """List the image files that a data folder or a plain folder has for the proof; masks are not looked at.

    Raises:
        DataError: there is no image.
    """
    if not is_dataset(path):
        return [one.files[0] for one in samples_from(path, spec).items]
    dataset = Dataset.open(path)
    return list_images(dataset.folders[choose_split(dataset)][0])


def reserve_proof(images: Path, proof: Path, spec: ModelSpec, count: int) -> frozenset[Path] | None:
    """Choose the images of ``proof`` that may not calibrate, see :func:`reserve`; None where all of ``images`` may.

    Raises:
        DataError: there is no image, or one for both.
    """
    candidates = list_candidates(images)
    return reserve(candidates, list_proving(proof, spec), count) if candidates else None


def reserve(calibrating: Sequence[Path], proving: Sequence[Path], count: int) -> frozenset[Path] | None:
    """Choose the images that prove, and so may not calibrate; None when the two have no file in common.

    All of ``proving`` where enough others can calibrate, else a half of it: see
    :func:`~edgeseg.files.sequences.halve`.

    Args:
        calibrating: files that may calibrate.
        proving: files that may prove.
        count: how many calibrate at most.

    Raises:
        DataError: there is one image for both.
    """
    own = {path.resolve() for path in calibrating}
    if not own.intersection(path.resolve() for path in proving):
        return None
    others = len(own.difference(path.resolve() for path in proving))
    if others >= min(count, len(proving)):
        return frozenset(path.resolve() for path in proving)
    if len(proving) < 2:
        raise DataError(
            f"{proving[0]} is the only image: it cannot calibrate and prove as well, since ranges that fit one image "
            "say nothing about others. Give more with `data`, or others with `eval_data`."
        )
    at = halve([path.name for path in proving])[1]
    return frozenset(proving[i].resolve() for i in at)


def keep_reserved(samples: Samples, reserved: Collection[Path] | None) -> Samples:
    """Keep the samples whose image is reserved for the proof; all where nothing is."""
    if reserved is None:
        return samples
    return replace(samples, items=tuple(one for one in samples.items if one.files[0].resolve() in reserved))


def leave_out_calibrated(samples: Samples, images: CalibrationSet) -> tuple[Samples, str]:
    """Leave out samples with the pixels of an image that calibrates, and say which.

    Raises:
        DataError: none is left.
    """
    seen = {path.resolve() for path in images.images}
    digests = set(digest_pixels(images.items))
    left = tuple(one for one in samples.items if not _is_among(one, seen, digests))
    if not left:
        raise DataError(
            f"Every one of the {len(samples)} images of {samples.source} also calibrates, so none is left to prove the "
            "result. Give others with `eval_data`, or fewer for calibration with a smaller `count`."
        )
    if len(left) == len(samples):
        return samples, ""
    names = [one.name for one in samples.items if one not in left]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    told = f"{len(names)} images of {samples.source} calibrate and prove nothing: {', '.join(names[:NAMED])}{more}."
    return replace(samples, items=left), told


def choose_parts(images: CalibrationSet, proof: Samples) -> Parts:
    """Choose the images that methods and float layers are chosen on.

    Images of the calibration's own source, with masks where the proof has them: those that do not calibrate where there
    are eight, else all of them. Where they have no masks, half of the proof's images, by sequence; and where these
    are too few to be parted, the proof's own, with a note.

    Args:
        images: what calibrates.
        proof: images that may prove the result; none of them calibrates.
    """
    if (pool := _find_pool(images, proof)) is not None:
        apart = _leave_out(pool, proof)
        calibrated = {path.resolve() for path in images.images}
        unseen = tuple(one for one in apart if not one.files or one.files[0].resolve() not in calibrated)
        chosen = unseen if len(unseen) >= FEW_UNSEEN else apart
        if len(chosen) >= min(FEW_UNSEEN, len(proof)):
            return Parts(replace(pool, items=chosen).spread(UNLABELLED_LIMIT), proof)
    if len(proof) < 2 * LEAST_BLOCKS:
        return Parts(proof, proof, SAME_IMAGES)
    first, second = (replace(proof, items=tuple(proof.items[i] for i in at)) for at in halve(_names(proof)))
    note = f"Half of the images of {proof.source} choose, the other half proves; nothing that calibrates has masks."
    return Parts(first, second, note)


def digest_pixels(items: Sequence[Item]) -> Iterator[str]:
    """Digest the pixels of each item that can still be read."""
    for item in items:
        with contextlib.suppress(DataError):
            yield pixel_digest(item.read())


def _find_pool(images: CalibrationSet, proof: Samples) -> Samples | None:
    """Images of the calibration's source with what the proof has; None where they have no masks and it does."""
    if not proof.labelled:
        return Samples(tuple(_as_sample(item) for item in images.items), images.source, images.split)
    if images.split is None or not is_dataset(Path(images.source)):
        return None
    try:
        found = (Path(images.source), images.spec, images.split, proof.ignore_index)
        return samples_from(*found, mask_values=proof.mask_values)
    except DataError:
        return None


def _as_sample(item: Item) -> Sample:
    def read() -> tuple[UInt8, UInt8 | None]:
        try:
            return item.read(), None
        except DataError as error:
            raise UnreadableImageError(str(error)) from None

    return Sample(item.name, read, (item.path,))


def _leave_out(pool: Samples, proof: Samples) -> tuple[Sample, ...]:
    """Samples of the pool that do not prove."""
    files = {one.files[0].resolve() for one in proof.items if one.files}
    digests = {digest for one in proof.items if (digest := _digest(one)) is not None}
    return tuple(one for one in pool.items if not _is_among(one, files, digests))


def _is_among(sample: Sample, files: Collection[Path], digests: Collection[str]) -> bool:
    return (bool(sample.files) and sample.files[0].resolve() in files) or _digest(sample) in digests


def _digest(sample: Sample) -> str | None:
    try:
        return pixel_digest(sample.read()[0])
    except DataError:
        return None


def _names(samples: Samples) -> list[str]:
    return [one.name for one in samples.items]
