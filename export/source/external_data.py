"""Weights that an ONNX file keeps in a file beside it, as ``torch.onnx.export`` writes by default.

A model names that file itself, so the name is not believed: it must be a plain one, of a regular file in the same
folder that is no link, and every piece must lie inside it and be as long as its tensor. Everything else is refused.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import onnx
from onnx import helper

from edgeseg.errors import ArtifactError

MAX_BYTES = 2**31 - 1
KEEP_IT_WHOLE = "Save it as one file: onnx.save(onnx.load('model.onnx'), 'whole.onnx')."
_SIZED = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "BOOL", *(f"{u}INT{n}" for u in ("", "U") for n in (8, 16, 32, 64)))
_WHOLE_BYTES = frozenset(getattr(onnx.TensorProto, name) for name in _SIZED)
_OPEN = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


def take_in(model: onnx.ModelProto, path: Path) -> dict[str, str]:
    """Read the weights that ``model`` keeps in files beside ``path`` into it.

    Returns:
        The SHA-256 of each of those files, by name.

    Raises:
        ArtifactError: a name that leads elsewhere, a file that is missing, linked or too large, or a piece that is
            not inside it.
    """
    bodies = (function.node for function in model.functions)
    outside = [tensor for tensor in list_tensors(model.graph, *bodies) if tensor.data_location == tensor.EXTERNAL]
    _expect_room(outside, model, path)
    read: dict[str, bytes] = {}
    for tensor in outside:
        place = {entry.key: entry.value for entry in tensor.external_data}
        name = _plain_name(place.get("location", ""), tensor.name, path)
        if name not in read:
            read[name] = _bytes(path.parent / name, path)
        tensor.raw_data = _piece(read[name], place, tensor, path)
        tensor.ClearField("external_data")
        tensor.data_location = onnx.TensorProto.DEFAULT
    return {name: hashlib.sha256(data).hexdigest() for name, data in read.items()}


def _expect_room(outside: list[onnx.TensorProto], model: onnx.ModelProto, path: Path) -> None:
    """Raise before anything is read: one piece can be named by many tensors."""
    total = model.ByteSize() + sum(_size(tensor) or 0 for tensor in outside)
    if total > MAX_BYTES:
        raise ArtifactError(f"{path} has {total} bytes with the weights beside it; edgeseg takes models under 2 GiB.")


def list_tensors(graph: onnx.GraphProto, *bodies: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    """Yield every tensor with data in a graph, its subgraphs, and the nodes of ``bodies``."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for nodes in (graph.node, *bodies):
        for node in nodes:
            for attribute in node.attribute:
                yield attribute.t
                yield from attribute.tensors
                for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                    yield from (sparse.values, sparse.indices)
                for sub in (attribute.g, *attribute.graphs):
                    yield from list_tensors(sub)


def _plain_name(location: str, tensor: str, path: Path) -> str:
    is_plain = location == Path(location).name and location not in ("", ".", "..") and not set(location) & set("\\:\0")
    if not is_plain:
        raise ArtifactError(
            f"{path} keeps the weights {tensor!r} in {location!r}, which is not a plain name of a file beside it; "
            f"edgeseg opens no other file that a model names. {KEEP_IT_WHOLE}"
        )
    return location


def _bytes(file: Path, path: Path) -> bytes:
    told = f"{path} keeps its weights in {file.name}, "
    if file.is_symlink():
        raise ArtifactError(f"{told}which is a link. Put the file itself beside it (cp -L follows links).")
    try:
        handle = os.open(file, _OPEN)
    except FileNotFoundError:
        raise ArtifactError(f"{told}which is not there. Copy both files into one folder.") from None
    except OSError as error:
        raise ArtifactError(f"{told}which cannot be read: {error.strerror}. Copy both files again.") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ArtifactError(f"{told}which is not a plain file. {KEEP_IT_WHOLE}")
        if status.st_size > MAX_BYTES:
            raise ArtifactError(f"{told}which has {status.st_size} bytes; edgeseg takes models under 2 GiB.")
        with open(handle, "rb", closefd=False) as stream:
            return stream.read(MAX_BYTES)
    finally:
        os.close(handle)


def _piece(data: bytes, place: Mapping[str, str], tensor: onnx.TensorProto, path: Path) -> bytes:
    wanted = _size(tensor)
    try:
        offset, length = int(place.get("offset", 0)), int(place.get("length", wanted or 0))
    except ValueError:
        offset = length = -1
    if offset < 0 or length != wanted or offset + length > len(data):
        raise ArtifactError(
            f"{path}: the weights {tensor.name!r} {list(tensor.dims)} should be {place.get('length', 'some')} bytes "
            f"at {place.get('offset', 0)} of {place.get('location')}, which has {len(data)}; that is not where such a "
            "tensor can be. Copy both files again, from the same export."
        )
    return data[offset : offset + length]


def _size(tensor: onnx.TensorProto) -> int | None:
    """Bytes of a tensor, or None where ``torch`` and others write none: strings, and less than a byte a value."""
    if tensor.data_type not in _WHOLE_BYTES or any(side < 0 for side in tensor.dims):
        return None
    width = int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    return math.prod(int(side) for side in tensor.dims) * width
