"""Reading an ONNX file from anywhere: bytes that are none get a sentence, not a traceback."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from edgeseg.errors import ArtifactError, SpecError
from edgeseg.export.graphs.deployed_graph import SPEC_KEY
from edgeseg.export.reading.node_order import sort_nodes
from edgeseg.export.source.external_data import MAX_BYTES, take_in
from edgeseg.files.input_file import read_bytes
from edgeseg.runtime.engines.engine import ENGINE_KEY
from edgeseg.spec import ModelSpec

MAX_REASON = 300
ROUNDS = frozenset({"Loop", "Scan", "SequenceMap"})
QUANTISED_OPS = frozenset(
    {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
    | {"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QGemm", "QLinearAdd", "QLinearConcat"}
)


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file as it was read.

    Attributes:
        model: parsed and checked, with all of its weights inside.
        sha256: of the file's bytes.
        beside: SHA-256 of each file beside it that holds weights, by name.
    """

    model: onnx.ModelProto
    sha256: str
    beside: dict[str, str]

    @property
    def digest(self) -> str:
        """Stands for graph and weights together: a retrained network may change the file beside it alone."""
        whole = [self.sha256, *(f"{name} {digest}" for name, digest in sorted(self.beside.items()))]
        return hashlib.sha256("\n".join(whole).encode()).hexdigest() if self.beside else self.sha256


def read_onnx(path: Path) -> onnx.ModelProto:
    """Parse and check an ONNX file, as :func:`open_onnx` does, where its digests are not wanted."""
    return open_onnx(path).model


def open_onnx(path: Path) -> OnnxFile:
    """Parse and check an ONNX file, with weights that it keeps in a plain file beside it.

    Raises:
        ArtifactError: missing, empty, a download that went wrong, truncated, weights anywhere else, or a graph
            that breaks ONNX's own rules.
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
        raise ArtifactError(f"{path} holds no ONNX graph ({len(data)} bytes). Copy it or export it again.")
    beside = take_in(model, path)
    sort_nodes(model.graph)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        reason = " ".join(str(error).replace("==> Context:", "in:").split()).rstrip(".")[:MAX_REASON]
        raise ArtifactError(f"{path} breaks the rules of ONNX: {reason}. Export it again.") from None
    except UnicodeError:
        raise ArtifactError(
            f"{path} breaks the rules of ONNX: a name in it is not UTF-8 text. Copy it or export it again."
        ) from None
    refuse_rounds(model, path)
    return OnnxFile(model, hashlib.sha256(data).hexdigest(), beside)


def refuse_rounds(model: onnx.ModelProto, path: Path) -> None:
    """Refuse loops of endless rounds: 2**62, which a file may say, hang whatever runs or simplifies the graph."""
    bodies = [model.graph.node, *(function.node for function in model.functions)]
    while bodies:
        for node in bodies.pop():
            if node.op_type in ROUNDS:
                raise ArtifactError(
                    f"{path} has the operation {node.op_type} ({node.name or next(iter(node.output), '?')!r}), "
                    "which may take any number of rounds and is not run. Export without loops: torch.onnx.export "
                    "unrolls them where the number of rounds is known."
                )
            bodies += [sub.node for attribute in node.attribute for sub in (attribute.g, *attribute.graphs)]


def embedded_spec(model: onnx.ModelProto) -> ModelSpec | None:
    """Read the spec in the file's metadata, or None.

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
            f"This ONNX file was quantised for {engine} and is not a source for other engines, which would compute "
            "wrong masks from it. Export the checkpoint, or the fp32 ONNX artifact that it was made from."
        )
    node = next((node for node in model.graph.node if node.op_type in QUANTISED_OPS), None)
    if node is not None:
        raise ArtifactError(
            f"This ONNX file is quantised already: {node.op_type} {node.name or node.output[0]!r}. Engines compute "
            "different masks from one quantised file, so export starts from float. Give the file from before "
            "quantisation, and let edgeseg quantise it with `int8=True`."
        )


def _bytes(path: Path) -> bytes:
    data = read_bytes(path, MAX_BYTES, ArtifactError)
    if not data.strip():
        raise ArtifactError(f"{path} is empty ({len(data)} bytes). Copy it again from its source.")
    if data.startswith(b"version https://git-lfs"):
        raise ArtifactError(f"{path} is a Git LFS pointer, not the model. Fetch it with: git lfs pull")
    if data.lstrip()[:1] == b"<":
        raise ArtifactError(f"{path} is a web page, not a model: the download went wrong. Fetch the raw file.")
    return data
