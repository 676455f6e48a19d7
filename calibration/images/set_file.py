"""A calibration set as a file that can be used again: ``set.json``.

::

    {"format": "edgeseg-calibration-set", "version": 1, "digest": sha256,
     "source": "calib", "split": null, "seed": 0, "policy": "360x480x3 stretch",
     "model": {"name": "best", "weights": {"checkpoint": sha256, ...}},
     "images": [{"file": "calib/0001.jpg", "sha256": ..., "size": [720, 960]},
                {"video": "drive.mp4", "frame": 312, "sha256": ..., "size": [540, 960]}, ...],
     "passed_over": {"unreadable": [...], ...}, "coverage": {...}}

Paths are relative to the file where they share a folder, so that it can move together with its
images. ``size`` is (height, width); ``sha256`` is of the whole file, for a frame of its video. A set is for one
network: when an image, the input size, the resize policy or the weights are no longer what they
were, it is stale and is refused, with all that differs in one message.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.artifact import MANIFEST, Artifact, find_model
from edgeseg.calibration.images.calibration_set import CalibrationSet, Item
from edgeseg.calibration.images.image_choice import ImageFile, PassedOver
from edgeseg.calibration.images.video_frames import VideoFrame, frames_at
from edgeseg.errors import ArtifactError, DataError
from edgeseg.files.atomic import atomic_file, file_sha256
from edgeseg.files.input_file import read_text
from edgeseg.files.ir_digest import ir_sha256
from edgeseg.given import checked
from edgeseg.spec import ModelSpec

FORMAT = "edgeseg-calibration-set"
VERSION = 1
MAX_BYTES = 64 << 20
WEIGHT_SUFFIXES = (".onnx", ".bin")
_ROLES = {".onnx": "onnx", ".tflite": "tflite"}
NAMED = 3


@dataclass(frozen=True)
class _Entry:
    """One line of ``images``: a file, or a frame of a video."""

    path: Path
    frame: int | None
    digest: str
    size: tuple[int, int]

    @property
    def name(self) -> str:
        return str(self.path) if self.frame is None else f"{self.path} frame {self.frame}"


@checked
def weight_digests(model: Path) -> dict[str, str]:
    """Compute the SHA-256 digests that stand for a model's weights, by role.

    A checkpoint or a bare ONNX file has one. An artifact has those of the files it was made from
    and of its own files with weights in them, so that a checkpoint and the artifacts made from it
    are known as the same network: two models are, when they have a digest in common.

    Raises:
        ArtifactError: there is no such model.
        TamperedError: an artifact was changed.
    """
    model = find_model(model)
    if model.is_dir() or (model.parent / MANIFEST).is_file():
        artifact = Artifact.open(model)
        own = {name: digest for name, digest in artifact.files.items() if name.endswith(WEIGHT_SUFFIXES)}
        return {**artifact.parents, **own}
    if not model.is_file():
        raise ArtifactError(f"There is no model {model}.")
    if model.suffix == ".xml":
        return {"ir": ir_sha256(model)}
    return {_ROLES.get(model.suffix, "checkpoint"): file_sha256(model)}


@checked
def write_set(
    path: Path,
    images: CalibrationSet,
    name: str,
    weights: Mapping[str, str],
    coverage: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write ``set.json`` whole or not at all, and return what is in it.

    Args:
        path: the file.
        images: the set.
        name: of the model.
        weights: of the model, see :func:`weight_digests`.
        coverage: figures to keep with it.

    Raises:
        OutputError: the file cannot be written.
    """
    values = {
        "format": FORMAT,
        "version": VERSION,
        "digest": images.digest,
        "source": _relative(Path(images.source), path),
        "split": images.split,
        "seed": images.seed,
        "policy": images.policy,
        "model": {"name": name, "weights": dict(weights)},
        "images": [_line(item, path) for item in images.items],
        "passed_over": images.passed_over.to_dict(),
        "coverage": dict(coverage or {}),
    }
    with atomic_file(path) as staged:
        staged.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return values


@checked
def read_set(
    path: Path, spec: ModelSpec, weights: Collection[str] = (), on_image: Callable[[], object] = lambda: None
) -> CalibrationSet:
    """Read the images of a ``set.json`` and check every one of them.

    Args:
        path: the file.
        spec: the network they are for.
        weights: digests that stand for its weights; none: not checked.
        on_image: called once an image or a decoded frame, for progress.

    Raises:
        DataError: no set, or a stale one: the message names everything that differs.
    """
    values = _values(path)
    try:
        entries = [_entry(line, path) for line in values["images"]]
        differs = _differences(entries, values, spec, weights, on_image)
        if differs:
            raise DataError(_stale(path, values, differs))
        images = CalibrationSet(
            _items(entries, spec, on_image),
            spec,
            str(path.parent / values["source"]),
            values["split"],
            values["seed"],
            PassedOver.from_dict(values["passed_over"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is an incomplete calibration set ({error!r}). Write it again.") from None
    if images.digest != values["digest"]:
        raise DataError(_stale(path, values, ["its list of images was edited (the digest differs)"]))
    return images


def _values(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise DataError(
            f"There is no calibration set {path}. Write one with: "
            f"`write_set(images=load_set(DIR, ...), path={str(path)!r})`"
        )
    text = read_text(path, DataError, MAX_BYTES)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}. Write the set again.") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DataError(
            f"{path} is not a calibration set. Write one with: "
            f"`write_set(images=load_set(DIR, ...), path={str(path)!r})`"
        )
    if type(values.get("version")) is not int or values["version"] > VERSION:
        raise DataError(f"{path} has version {values.get('version')}; this edgeseg reads up to {VERSION}. Upgrade it.")
    return values


def _entry(line: Mapping[str, Any], path: Path) -> _Entry:
    height, width = line["size"]
    frame = int(line["frame"]) if "video" in line else None
    name = line["file"] if frame is None else line["video"]
    return _Entry(path.parent / str(name), frame, str(line["sha256"]), (int(height), int(width)))


def _differences(
    entries: list[_Entry],
    values: Mapping[str, Any],
    spec: ModelSpec,
    weights: Collection[str],
    on_image: Callable[[], object],
) -> list[str]:
    """A clause for each way in which the set no longer fits."""
    differs = []
    empty = CalibrationSet((), spec, "", None, 0)
    if empty.policy != values["policy"]:
        differs.append(f"it was made for the network input {values['policy']}, and the model takes {empty.policy}")
    model = values["model"]
    if weights and not set(weights) & set(model["weights"].values()):
        known = ", ".join(digest[:12] for digest in model["weights"].values())
        given = ", ".join(digest[:12] for digest in weights)
        differs.append(f"it was made for other weights ({model['name']}: {known}; the model has {given})")
    if changed := _find_changed(entries, on_image):
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        differs.append(f"{len(changed)} of {len(entries)} images differ: {', '.join(changed[:NAMED])}{more}")
    return differs


def _find_changed(entries: list[_Entry], on_image: Callable[[], object]) -> list[str]:
    """Files that are missing or have other bytes, each once."""
    found: dict[Path, str | None] = {}
    changed = []
    for entry in entries:
        if entry.path in found:
            continue
        on_image()
        found[entry.path] = file_sha256(entry.path) if entry.path.is_file() else None
        if found[entry.path] != entry.digest:
            changed.append(f"{entry.path} {'is missing' if found[entry.path] is None else 'was changed'}")
    return changed


def _items(entries: list[_Entry], spec: ModelSpec, on_image: Callable[[], object]) -> tuple[Item, ...]:
    """The entries as items, in their order; each video is decoded once."""
    numbers: dict[Path, list[int]] = {}
    for entry in entries:
        if entry.frame is not None:
            numbers.setdefault(entry.path, []).append(entry.frame)
    frames = {
        (video, frame.number): frame for video in numbers for frame in frames_at(video, numbers[video], spec, on_image)
    }
    return tuple(
        ImageFile(entry.path, entry.digest, entry.size) if entry.frame is None else frames[entry.path, entry.frame]
        for entry in entries
    )


def _stale(path: Path, values: Mapping[str, Any], differs: list[str]) -> str:
    source, count, seed = str(path.parent / values["source"]), len(values["images"]), values["seed"]
    again = f"load_set({source!r}, ..., count={count}, seed={seed!r})"
    return f"{path} is stale: {'; '.join(differs)}. Make it again with: `write_set(images={again}, path={str(path)!r})`"


def _line(item: Item, path: Path) -> dict[str, Any]:
    if isinstance(item, VideoFrame):
        where: dict[str, Any] = {"video": _relative(item.video, path), "frame": item.number}
        return {**where, "sha256": item.video_digest, "size": list(item.size)}
    return {"file": _relative(item.path, path), "sha256": item.digest, "size": list(item.size)}


def _relative(path: Path, set_file: Path) -> str:
    """``path`` as seen from the set file's folder; absolute where they share nothing but the root."""
    path, folder = path.absolute(), set_file.parent.absolute()
    if path.parts[:2] != folder.parts[:2]:
        return path.as_posix()
    return Path(os.path.relpath(path, folder)).as_posix()
