"""What a file or folder from elsewhere is, and the way from there to a model that edgeseg takes.

Nothing is loaded or executed: names, first bytes, and the opcodes of a pickle tell enough for a sentence.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from edgeseg.errors import ArtifactError
from edgeseg.files.input_file import open_regular, read_text
from edgeseg.files.pickle_names import MAX_PICKLE, OWN_MODULES, name_pickle

TO_ONNX = "torch.onnx.export(net.eval(), torch.zeros(1, 3, H, W), 'model.onnx')"
_SPEC = "spec=ModelSpec(classes=(NAME, NAME), mean=(R, G, B), std=(R, G, B))"
EXPORT = f"`edgeseg.export_model('model.onnx', {_SPEC})`"
_EXPORT_IT = f"Export it, which gives an artifact: `edgeseg.export_model('{{path}}', {_SPEC})`"
FROM_TORCH = (
    "They are put into the network that a call of its code builds: "
    f"`edgeseg.export_model('package.module:build()', weights='{{path}}', {_SPEC})`"
)
_FROM_TENSORFLOW = "Convert it with tf2onnx (python -m tf2onnx.convert {flags} --output model.onnx); then: " + EXPORT
FROM_PICKLE = (
    "Where its code is, and if you trust the file, save its weights alone: net = torch.load('{path}', "
    "weights_only=False); torch.save(net.state_dict(), 'weights.pth'); then, with what builds the network: "
    f"`edgeseg.export_model('package.module:build()', weights='weights.pth', {_SPEC})`"
)
Told = tuple[str, str]
"""What it is, and the way on."""
_MAX_HEADER, _MAX_TEXT = 100 << 20, 1 << 20
_HEAD = 64
_LEGACY_TORCH = bytes.fromhex("8002 8a0a 6cfc 9c46 f920 6aa8 5019")
_MAGIC = {
    b"\x89HDF\r\n\x1a\n": ("a Keras model (HDF5)", _FROM_TENSORFLOW.replace("{flags}", "--keras {name}")),
    b"\x89PNG": ("a PNG picture", "Give the model; pictures go to `data` or to `source` of edgeseg run."),
    b"\xff\xd8\xff": ("a JPEG picture", "Give the model; pictures go to `data` or to `source` of edgeseg run."),
    b"version https://git-lfs": ("a Git LFS pointer and not the model", "Fetch the model with: git lfs pull"),
    b"\x1f\x8b": ("a gzip archive", "Unpack it (tar xf {name}) and give the model inside."),
}
_SUFFIXES = {
    ".engine": (
        "a TensorRT engine",
        "It cannot be converted back: give the ONNX file or checkpoint it was built from.",
    ),
    ".mlmodel": ("a Core ML model", "It cannot be converted back: give the network it was converted from, as ONNX."),
    ".pb": (
        "a TensorFlow graph",
        _FROM_TENSORFLOW.replace("{flags}", "--graphdef {name} --inputs IN:0 --outputs OUT:0"),
    ),
    ".pdmodel": ("a Paddle model", f"Convert it with paddle2onnx; then: {EXPORT}"),
    ".caffemodel": ("Caffe weights", "Build the network in PyTorch, load them there, and export that to ONNX."),
    ".param": ("an ncnn network", "It cannot be converted back: give the ONNX file it was converted from."),
    ".bin": ("the weights of some model", "They are not a network on their own: give the ONNX file or the checkpoint."),
    ".data": ("the weights of an ONNX file", "Give the .onnx file beside it; it finds this one itself."),
    ".onnx_data": ("the weights of an ONNX file", "Give the .onnx file beside it; it finds this one itself."),
}
_SUFFIXES |= {".plan": _SUFFIXES[".engine"], ".trt": _SUFFIXES[".engine"], ".mlpackage": _SUFFIXES[".mlmodel"]}


def describe_foreign(path: Path) -> str:
    """Say what ``path`` holds and what to do with it, in two sentences.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     describe_foreign(Path(folder)).replace(folder, "DIR").split(".")[0]
    'DIR is an empty folder'
    """
    found, way = _folder(path) if path.is_dir() else _file(path)
    return f"{path} is {found}. {way.replace('{name}', path.name).replace('{path}', str(path))}"


def _folder(path: Path) -> Told:
    names = sorted(entry.name for entry in itertools.islice(path.iterdir(), 1000))
    if not names:
        return "an empty folder", "Give a checkpoint (.pt), an ONNX file or an artifact."
    if path.suffix in _SUFFIXES:
        return _SUFFIXES[path.suffix]
    config = _json(path / "config.json")
    weights = [name for name in names if name.endswith((".safetensors", ".bin"))]
    if "saved_model.pb" in names:
        return "a TensorFlow SavedModel", _FROM_TENSORFLOW.replace("{flags}", "--saved-model {name}")
    if "encoder_name" in config or "segmentation_models_pytorch" in str(config.get("_model_class", "")):
        return (
            f"a folder of segmentation_models_pytorch ({config.get('_model_class', config.get('encoder_name'))})",
            f"Load it with net = segmentation_models_pytorch.from_pretrained('{path}') and run {TO_ONNX}; "
            f"then: {EXPORT}",
        )
    if "architectures" in config or "model_type" in config:
        what = ", ".join(map(str, config.get("architectures") or [])) or str(config.get("model_type"))
        return (
            f"a Hugging Face folder ({what[:80]})",
            f"Load it with net = transformers.AutoModelForSemanticSegmentation.from_pretrained('{path}') "
            f"and run {TO_ONNX}; then: `edgeseg.export_model('model.onnx', {_SPEC}, upsample='bilinear')`",
        )
    return _plain_folder(path, names, weights)


def _plain_folder(path: Path, names: list[str], weights: list[str]) -> Told:
    artifacts = [name for name in names if (path / name / "edgeseg.json").is_file()]
    models = [name for name in names if name.endswith((".onnx", ".pt"))]
    if artifacts or models:
        inside = [*artifacts, *models]
        what = "artifacts" if artifacts else "models"
        return f"a folder with {what} in it ({_some(inside)})", f"Give one of them: {path / inside[0]}"
    if any(name.endswith(".xml") and name[:-4] + ".bin" in names for name in names):
        return "a folder with an OpenVINO IR and no manifest", "Give its .xml file; the .bin file is found beside it."
    if weights:
        way = FROM_TORCH.replace("{path}", str(path / weights[0]))
        return f"a folder with weights in it ({_some(weights)}), and nothing says of which network", way
    return f"a folder without a model in it ({_some(names)})", "Give a checkpoint (.pt), an ONNX file or an artifact."


def _file(path: Path) -> Told:
    try:
        with open_regular(path, ArtifactError) as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        return f"a file that cannot be read ({error.strerror})", "Check its permissions, or copy it again."
    told = (look(path, head) for look in (_by_first_bytes, _by_container, _by_name))
    nothing = (f"no model that edgeseg knows ({path.suffix or 'no ending'})", f"Give a checkpoint (.pt), or {EXPORT}")
    return next((one for one in told if one is not None), nothing)


def _by_first_bytes(path: Path, head: bytes) -> Told | None:
    if not head.strip():
        return "empty", "Copy it again from its source."
    if head.lstrip()[:1] == b"<":
        return _markup(path)
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model", _EXPORT_IT
    return next((told for magic, told in _MAGIC.items() if head.startswith(magic)), None)


def _by_container(path: Path, head: bytes) -> Told | None:
    if zipfile.is_zipfile(path):
        return _zip(path)
    if head.startswith(_LEGACY_TORCH):
        return "a PyTorch file of the form before 1.6", FROM_TORCH
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < _MAX_HEADER:
        return "a file of safetensors: weights without the network they belong to", FROM_TORCH
    return None


def _by_name(path: Path, head: bytes) -> Told | None:
    if path.suffix in _SUFFIXES:
        return _SUFFIXES[path.suffix]
    if head[:1] == b"\x80":
        return "a Python pickle, which is not opened because opening one runs code", FROM_PICKLE
    if tarfile.is_tarfile(path):
        return "a tar archive", "Unpack it (tar xf {name}) and give the model inside."
    return None


def _markup(path: Path) -> Told:
    if path.suffix == ".xml":
        return "an OpenVINO IR without a manifest", _EXPORT_IT
    return "a web page and not a model: the download went wrong", "Fetch the raw file."


def is_torchscript(path: Path) -> bool:
    """Tell whether a file is one that ``torch.jit.save`` wrote."""
    return any(name.partition("/")[2].startswith("code/") for name in _zip_names(path))


def is_torch_export(path: Path) -> bool:
    """Tell whether a file is one that ``torch.export.save`` wrote."""
    names = _zip_names(path)
    inside = {name.partition("/")[2] for name in names}
    return "serialized_exported_program.json" in names or any(
        name == "archive_format" or (name.startswith("models/") and name.endswith(".json")) for name in inside
    )


def _zip_names(path: Path) -> list[str]:
    with contextlib.suppress(zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        if path.is_file() and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return [entry.filename for entry in archive.infolist()[:100_000]]
    return []


def _zip(path: Path) -> Told:
    with contextlib.suppress(zipfile.BadZipFile, OSError, ValueError), zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()[:100_000]}
        inside = {name.partition("/")[2] for name in entries}
        if "model.weights.h5" in entries:
            return "a Keras model", _FROM_TENSORFLOW.replace("{flags}", "--keras {name}")
        if any(name.startswith("code/") for name in inside):
            return "a TorchScript file", _EXPORT_IT
        if path.suffix == ".pt2" or "archive_format" in inside or any(n.startswith("models/") for n in inside):
            return "a program of torch.export (.pt2)", _EXPORT_IT
        pickled = next((entry for name, entry in entries.items() if name.partition("/")[2] == "data.pkl"), None)
        if pickled is not None:
            with archive.open(pickled) as stream:
                return _torch_pickle(stream.read(MAX_PICKLE))
        return f"a zip archive ({_some(sorted(entries))})", "Unpack it and give the model inside."
    return "a damaged zip or PyTorch file", "Copy it again."


def _torch_pickle(data: bytes) -> Told:
    """Of a file that ``torch.save`` wrote, by the opcodes of its pickle."""
    classes, texts = name_pickle(data)
    if "edgeseg-checkpoint" in texts:
        return "a damaged edgeseg checkpoint", "Copy it again from its source."
    foreign = [name for name in classes if name.partition(".")[0] not in OWN_MODULES]
    whole = any(name.startswith("torch.nn.modules") for name in classes)
    if foreign or whole:
        named = f" ({_some(foreign)})" if foreign else ""
        return (
            f"a PyTorch file with pickled classes{named}: opening it would run code, so it was not opened",
            FROM_PICKLE.replace("package.module:build()", _guess_call(foreign)),
        )
    weights = next((text for text in texts if text.endswith(".weight")), None)
    maker = "PyTorch Lightning" if "pytorch-lightning_version" in texts else "PyTorch"
    like = f" (such as {weights[:60]!r})" if weights else ""
    return f"a {maker} checkpoint of another project: weights by name{like} without the network", FROM_TORCH


def _guess_call(names: list[str]) -> str:
    """What builds a network whose pickle names these classes, its own first."""
    module, _, name = names[0].rpartition(".") if names else ("", "", "")
    return f"{module}:{name}()" if module and not module.startswith(("torch", "__")) else "package.module:build()"


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.is_symlink():
            return {}
        values = json.loads(read_text(path, ArtifactError, _MAX_TEXT))
    except (ArtifactError, OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _some(names: Iterable[str]) -> str:
    first: Iterator[str] = iter(names)
    shown = [name[:60] for name in itertools.islice(first, 3)]
    return ", ".join(shown) + (", ..." if next(first, None) is not None else "")
