"""Reading an ONNX file from anywhere: bytes that are none get a sentence, not a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from edgeseg.errors import ArtifactError, SpecError
from edgeseg.export.deployed_graph import SPEC_KEY
from edgeseg.runtime.engine import ENGINE_KEY
from edgeseg.spec import ModelSpec

MAX_BYTES = 2**31 - 1
MAX_REASON = 300
QUANTISED_OPS = frozenset(
    {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
    | {"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QGemm", "QLinearAdd", "QLinearConcat"}
)


def read_onnx(path: Path) -> onnx.ModelProto:
    """Parse and check an ONNX file. Nothing outside the file is opened.

    Raises:
        ArtifactError: missing, empty, a download that went wrong, truncated, weights outside
            the file, or a graph that breaks ONNX's own rules.
    """
    data = _bytes(path)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise ArtifactError(
            f"{path} is not a whole ONNX file: its {len(data)} bytes end early or are something else. Copy it again."
        ) from None
    if not model.graph.node or not model.opset_import:
        raise ArtifactError(f"{path} holds no ONNX graph ({len(data)} bytes). Copy it again or export it anew.")
    _refuse_external_data(model, path)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        reason = " ".join(str(error).replace("==> Context:", "in:").split()).rstrip(".")[:MAX_REASON]
        raise ArtifactError(f"{path} breaks the rules of ONNX: {reason}. Export it anew.") from None
    return model


def embedded_spec(model: onnx.ModelProto) -> ModelSpec | None:
    """The spec in the file's metadata, or None.

    Raises:
        SpecError: there is one and it makes no sense.
    """
    text = next((entry.value for entry in model.metadata_props if entry.key == SPEC_KEY), None)
    if text is None:
        return None
    try:
        return ModelSpec.from_json(text)
    except SpecError as error:
        raise SpecError(f"The {SPEC_KEY} inside this ONNX file is unusable: {error}") from None


def expect_float(model: onnx.ModelProto) -> None:
    """Raise ArtifactError for a quantised graph: engines compute different masks from one, so it is no source."""
    engine = next((entry.value for entry in model.metadata_props if entry.key == ENGINE_KEY), None)
    if engine is not None:
        raise ArtifactError(
            f"This ONNX file was quantised for {engine} and is no source for other engines, which would compute wrong "
            "masks from it. Export the checkpoint, or the fp32 ONNX artifact that it was made from."
        )
    node = next((node for node in model.graph.node if node.op_type in QUANTISED_OPS), None)
    if node is not None:
        raise ArtifactError(
            f"This ONNX file is quantised already: {node.op_type} {node.name or node.output[0]!r}. Engines compute "
            "different masks from one quantised file, so export starts from float. Give the file from before "
            "quantisation, and let edgeseg quantise it with --int8."
        )


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ArtifactError(f"{path} has {size} bytes; ONNX files are under 2 GiB.")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ArtifactError(f"There is no file {path}.") from None
    except OSError as error:
        raise ArtifactError(f"Cannot read {path}: {error.strerror}.") from None
    if not data.strip():
        raise ArtifactError(f"{path} is empty ({len(data)} bytes). Copy it again from its source.")
    if data.startswith(b"version https://git-lfs"):
        raise ArtifactError(f"{path} is a Git LFS pointer, not the model. Fetch it with: git lfs pull")
    if data.lstrip()[:1] == b"<":
        raise ArtifactError(f"{path} is a web page, not a model: the download went wrong. Fetch the raw file.")
    return data


def _refuse_external_data(model: onnx.ModelProto, path: Path) -> None:
    outside = next((t for t in _tensors(model.graph) if t.data_location == onnx.TensorProto.EXTERNAL), None)
    if outside is not None:
        place = next((entry.value for entry in outside.external_data if entry.key == "location"), "?")
        raise ArtifactError(
            f"{path} keeps the weights {outside.name!r} in another file ({place}); edgeseg opens no files that a "
            "model names. Save it as one file: onnx.save(onnx.load('model.onnx'), 'whole.onnx')."
        )


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every tensor with data in a graph and its subgraphs."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for sub in (attribute.g, *attribute.graphs):
                yield from _tensors(sub)
