"""Artifact: a proven model on disk, with everything needed to trust it.

A directory ``<name>-<precision>-<format>/`` holds ``model.*``, what each image of its proof gave (``images.json``,
``masks.zip``), for INT8 a report of it (``report.html``, ``report.json``), and ``edgeseg.json``::

    {"format_version": 1, "name": ..., "precision": "fp32" | "fp16" | "int8",
     "format": "onnx" | "openvino" | ..., "outputs": ["labels", ...], "spec": {...},
     "parents": {"checkpoint": sha256, ...}, "calibration": {...}, "toolchain": {...},
     "measured": {...}, "files": {"model.xml": sha256, ...}, "digest": sha256}

``digest`` covers the manifest itself, so an edited figure is noticed as well as an edited model.
The digests tell damage and mix-ups; they are no signature against a person who can rewrite both.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.errors import ArtifactError, OutputError, SpecError, TamperedError
from edgeseg.files.atomic import atomic_directory, atomic_file, file_sha256
from edgeseg.files.input_file import read_text
from edgeseg.files.lock import held
from edgeseg.files.unfinished import is_unfinished
from edgeseg.formats import find_format
from edgeseg.given import KINDS, Kind, checked, describe_value
from edgeseg.spec import ModelSpec

FORMAT_VERSION = 1
MANIFEST = "edgeseg.json"
EXPORTABLE = (".pt", ".pth", ".onnx")
MAX_MANIFEST_BYTES = 16 << 20
REPORTS = ("report.html", "report.json", "images.json", "masks.zip")
"""Files of the proof: whatever they say, the model is the same."""
PRECISIONS = ("fp32", "fp16", "int8")
OUTPUTS = ("labels", "confidence", "logits")
BY_NAME = "edgeseg.zoo.find:find_model"
"""Gives the folder of what is called by a name; imported when there is one."""
LITTER = frozenset({MANIFEST, ".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Artifact:
    """A verified model directory.

    Attributes:
        path: the directory.
        name, precision, format: what the directory is called after.
        spec: the model's contract.
        outputs: names of the graph's outputs, of ``labels``, ``confidence``, ``logits``.
        files: SHA-256 of every file beside the manifest.
        parents: SHA-256 of what it was made from, by role.
        calibration: how the ranges were found; empty for fp32.
        toolchain: package versions that made it.
        measured: what verification measured, with the machine it was measured on.
    """

    path: Path
    name: str
    precision: str
    format: str
    spec: ModelSpec
    outputs: tuple[str, ...] = ("labels",)
    files: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    toolchain: Mapping[str, str] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model_path(self) -> Path:
        """The file an engine loads.

        Raises:
            ArtifactError, EnvironmentFault: no engine of this format is installed, or it cannot be used.
        """
        return self.path / find_format(self.format).model_file

    @property
    def size_bytes(self) -> int:
        """Bytes of all model files together, without the manifest and the report."""
        return sum((self.path / name).stat().st_size for name in self.files if name not in REPORTS)

    @classmethod
    def open(cls, path: Path | str) -> Artifact:
        """Open an artifact directory (or a file inside one) and verify every byte of it.

        The name of a network of the zoo opens that, which is fetched, converted and proven the first time.

        Raises:
            ArtifactError: not an artifact, an unreadable manifest, a newer format version, or a format that no
                installed package runs.
            EnvironmentFault: the package that runs the format cannot be used.
            TamperedError: a file is missing, added, linked or changed.
        """
        if not isinstance(path, str | Path) or not str(path).strip():
            raise ArtifactError(f"An artifact is the path of a folder; found {describe_value(path)}.")
        directory = _find_directory(find_model(Path(path)))
        values = _manifest(directory)
        files = _check_files(values, directory)
        try:
            artifact = cls(
                path=directory,
                spec=ModelSpec.from_dict(values["spec"]),
                outputs=tuple(values["outputs"]),
                files=files,
                **{key: values[key] for key in ("name", "precision", "format")},
                **{key: values.get(key, {}) for key in ("parents", "calibration", "toolchain", "measured")},
            )
            _check_fields(artifact)
        except (KeyError, TypeError, SpecError) as error:
            raise ArtifactError(f"{directory / MANIFEST} is incomplete: {error}. Export the model again.") from None
        return artifact


def _open_if_path(value: object) -> Artifact | None:
    return Artifact.open(value) if isinstance(value, Path) or (isinstance(value, str) and value.strip()) else None


KINDS["Artifact"] = Kind(
    lambda value: isinstance(value, Artifact), _open_if_path, "an artifact or the path of one", ArtifactError
)


def open_artifact(source: Artifact | Path | str) -> Artifact:
    """Give an artifact as it is, or open the one that a path or a name of the zoo stands for.

    Raises:
        ArtifactError: something else, or see :meth:`Artifact.open`.
    """
    return source if isinstance(source, Artifact) else Artifact.open(source)


@checked
def find_model(source: Path, model_format: str | None = None) -> Path:
    """Give the artifact of the network of the zoo that ``source`` names, made now if need be; other paths as they are.

    Args:
        source: a name, or a path.
        model_format: of that artifact; None: the one whose engine is installed.

    Raises:
        EnvironmentFault, ArtifactError, OutputError: that network cannot be had here.

    >>> find_model(Path("runs/train/best.pt")).name
    'best.pt'
    """
    if len(source.parts) != 1 or source.suffix:
        return source
    module, _, attribute = BY_NAME.partition(":")
    found: Path = getattr(importlib.import_module(module), attribute)(source, model_format)
    return found


@checked
def artifact_dir(parent: Path, name: str, precision: str, model_format: str) -> Path:
    """Name an artifact's folder: ``parent/<name>-<precision>-<format>``."""
    return parent / f"{name}-{precision}-{model_format}"


@checked
def artifact_folder(path: Path) -> Path:
    """Find the folder of the artifact that ``path`` names: itself, or that of a file inside."""
    return path.parent if path.is_file() and (path.parent / MANIFEST).is_file() else path


@checked
@contextlib.contextmanager
def writing_artifact(path: Path, manifest: dict[str, Any]) -> Iterator[Path]:
    """Give an empty directory to put ``model.*`` into; it becomes an artifact when the block ends well.

    Args:
        path: the final directory. It is replaced whole, or left alone when the block fails.
        manifest: the fields of ``edgeseg.json``, ``spec`` as a :class:`ModelSpec`. Read when the
            block has ended, so that it can be completed (``measured``) inside.

    Raises:
        OutputError: the directory cannot be written, or holds something that is not an artifact.
    """
    check_replaceable(path)
    with atomic_directory(path) as staged:
        yield staged
        write_manifest(staged, manifest)


@checked
def check_replaceable(path: Path) -> None:
    """Refuse to make an artifact where a folder holds what no artifact of ours left there.

    Raises:
        OutputError: there is a folder that is not an artifact, or one with files of somebody else, named.
    """
    if not path.is_dir() or not (found := _names(path)):
        return
    if not (path / MANIFEST).is_file():
        raise OutputError(f"{path} exists and is not an artifact; it is not replaced. Choose another output folder.")
    listed: object = None
    with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError):
        listed = json.loads((path / MANIFEST).read_text(encoding="utf-8")).get("files")
    if added := sorted(found - set(listed if isinstance(listed, dict) else ())):
        raise OutputError(
            f"{path / added[0]} is not part of the artifact there and would be deleted with it. Move it away, or "
            "choose another output folder."
        )


@checked
def write_manifest(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Write ``edgeseg.json`` for the files now in ``directory``."""
    spec = manifest["spec"]
    values = {**manifest, "format_version": FORMAT_VERSION, "spec": spec.to_dict()}
    values["files"] = {p.name: file_sha256(p) for p in sorted(directory.iterdir()) if p.name != MANIFEST}
    values["digest"] = _manifest_digest(values)
    text = json.dumps(values, indent=2, sort_keys=True) + "\n"
    (directory / MANIFEST).write_text(text, encoding="utf-8")


@checked
def update_manifest(artifact: Artifact, change: Callable[[dict[str, Any]], object]) -> Artifact:
    """Change what an artifact's manifest says, whole or not at all, one process after the other.

    Args:
        artifact: its model files stay as they are, and are not read again.
        change: is given the manifest's fields as they are now, and changes them.

    Raises:
        ArtifactError: it was replaced by another one meanwhile.
        OutputError: the folder cannot be written.
    """
    path = artifact.path / MANIFEST
    with held(artifact.path, wait=True):
        values = dict(_manifest(artifact.path))
        if values["files"] != dict(artifact.files):
            raise ArtifactError(f"{artifact.path} was replaced by another model meanwhile. Repeat with that one.")
        change(values)
        values["digest"] = _manifest_digest(values)
        with atomic_file(path) as staged:
            staged.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return Artifact.open(artifact.path)


def _names(directory: Path) -> set[str]:
    """Names in an artifact's folder, without what is no part of it, and the manifest while it is written."""
    return {entry.name for entry in directory.iterdir() if not is_unfinished(entry.name, MANIFEST)} - LITTER


def _manifest_digest(values: Mapping[str, Any]) -> str:
    body = {key: value for key, value in values.items() if key != "digest"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _find_directory(path: Path) -> Path:
    if path.is_dir():
        return path
    if not path.exists():
        raise ArtifactError(f"There is no artifact {path}.")
    if (path.parent / MANIFEST).is_file():
        return path.parent
    if path.suffix not in EXPORTABLE:
        raise ArtifactError(_describe_foreign(path))
    raise ArtifactError(
        f"{path} is a bare file, not an edgeseg artifact: it has no {MANIFEST} beside it. "
        f"Make one with: `edgeseg.export_model({str(path)!r})`"
    )


def _manifest(directory: Path) -> Mapping[str, Any]:
    path = directory / MANIFEST
    if not path.is_file() or path.is_symlink():
        raise ArtifactError(f"{directory} is not an artifact (it has no {MANIFEST}): {_describe_foreign(directory)}")
    text = read_text(path, ArtifactError, MAX_MANIFEST_BYTES)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read as JSON: {error}. Export the model again.") from None
    version = values.get("format_version") if isinstance(values, dict) else None
    if type(version) is not int or version < 1:
        raise ArtifactError(f"{path} has no format_version; that is not an edgeseg manifest.")
    if version > FORMAT_VERSION:
        raise ArtifactError(
            f"{directory} has artifact format {version}; this edgeseg reads up to {FORMAT_VERSION}. Upgrade edgeseg."
        )
    if values.get("digest") != _manifest_digest(values):
        raise TamperedError(f"{path} was changed after it was written (its digest differs). Export the model again.")
    return dict(values)


def _check_fields(artifact: Artifact) -> None:
    manifest = artifact.path / MANIFEST
    if artifact.model_path.name not in artifact.files:
        raise ArtifactError(f"{artifact.path} has no model file of a known format; found {sorted(artifact.files)}.")
    if artifact.precision not in PRECISIONS:
        raise ArtifactError(f"{manifest}: precision must be one of {PRECISIONS}; found {artifact.precision!r}.")
    fits = "labels" in artifact.outputs or artifact.outputs == ("logits",)
    if not fits or not set(artifact.outputs) <= set(OUTPUTS):
        raise ArtifactError(
            f"{manifest}: outputs must be labels and any of {OUTPUTS}, or logits alone; found {artifact.outputs}."
        )
    for name in ("parents", "calibration", "toolchain", "measured"):
        if not isinstance(getattr(artifact, name), dict):
            raise ArtifactError(f"{manifest}: {name} must be an object; found {getattr(artifact, name)!r}.")


def _check_files(values: Mapping[str, Any], directory: Path) -> dict[str, str]:
    files = values.get("files")
    if not isinstance(files, dict) or not files:
        raise ArtifactError(f"{directory / MANIFEST} lists no files. Export the model again.")
    if added := sorted(_names(directory) - set(files)):
        raise TamperedError(f"{directory / added[0]} was added after the artifact was written. Remove it.")
    for name, digest in files.items():
        if name != Path(name).name or name in ("", ".", ".."):
            raise TamperedError(f"{directory / MANIFEST} lists {name!r}, which is not a plain file name.")
        path = directory / name
        if path.is_symlink() or not path.is_file():
            raise TamperedError(f"{path} is missing or not a plain file. Copy the artifact again.")
        if (found := file_sha256(path)) != digest:
            raise TamperedError(
                f"{path} was changed: SHA-256 is {found[:12]}..., the manifest says {str(digest)[:12]}.... "
                "Copy or export the artifact again."
            )
    return files


def _describe_foreign(path: Path) -> str:
    from edgeseg.files.foreign_kind import describe_foreign  # reads archives, which an artifact is not

    return describe_foreign(path)
