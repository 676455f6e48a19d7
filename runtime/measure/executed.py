"""What an engine executes for an artifact, kernel by kernel: how long, and why where it is not what INT8 should be."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.errors import UserError
from edgeseg.files.unfinished import scratch_directory
from edgeseg.runtime.engines.ort_session import open_profiled_session, translate_errors
from edgeseg.runtime.measure.bench import realistic_inputs
from edgeseg.runtime.measure.layer_times import RUNS, WARM_UP_RUNS, layer_times

FLOATS = ("f32", "f16", "bf16", "float", "float16", "bfloat16")
WIDE = ("i64", "u64", "f64", "int64", "double")
LEAST_MS = 0.02
"""What takes less needs no reason."""
REASONS = {
    "Interpolate": "OpenVINO resizes INT8 by nearest neighbour alone; a bilinear resize is computed in float.",
    "GroupConvolution": (
        "A depthwise convolution whose codes have a zero that is not 0, as behind a skip connection without ReLU, is "
        "computed in float by OpenVINO."
    ),
    "ReduceMax": "ArgMax and confidence compare float scores, so that equal ones give the first class.",
    "ReduceMin": "ArgMax compares float scores, so that equal ones give the first class.",
    "ReduceSum": "Confidence is a sum of float powers, 1 / sum(exp(score - largest)).",
    "ArgMax": "ONNX defines its result as 64-bit indices; they are cast to bytes at once.",
    "Reorder": "The layers on both sides want their channels in another order, or one of them floats.",
    "ReorderInput": "ONNX Runtime's float convolutions want channels in blocks, and what is before them has them last.",
    "ReorderOutput": "ONNX Runtime's float convolutions give channels in blocks, and what is behind them wants planes.",
    "Concat": "OpenVINO calls its copy of bytes a reference kernel where channels lie last.",
    "Slice": "OpenVINO has a reference kernel alone to cut; behind ArgMax it cuts bytes.",
    "Split": "OpenVINO has a reference kernel alone to part channels that lie last.",
    "Upsample": "ONNX Runtime's fast resize is one of floats in blocks of channels.",
    "Resize": "ONNX Runtime's bilinear resize of channels last reads floats.",
    "FusedConv": "What reads this layer's result is in float; without codes of it ONNX Runtime computes it in float.",
    "Conv": "A last layer is kept in float, and so is what `keep_float` names; its scores have no codes.",
    "DequantizeLinear": "What follows is computed in float.",
    "QuantizeLinear": "What precedes is computed in float.",
}
SURROUNDINGS = "edgeseg/"
OF_SURROUNDINGS = "Preprocessing and the way from scores to labels are in float, as the network was trained."
UNKNOWN = "unknown: no reason for this one is known."


@dataclass(frozen=True)
class Executed:
    """One layer or group of layers as the engine ran it.

    Attributes:
        name: of the first operation in it.
        kind: what the engine calls it.
        kernel: the implementation or precision, as the engine says it.
        ms: median over the runs.
        share: of all layers, 0..1.
        notes: of ``reference kernel``, ``64-bit``, ``float`` (in an INT8 artifact) and ``reorder``.
        why: a sentence where there are notes, else empty.
    """

    name: str
    kind: str
    kernel: str
    ms: float
    share: float
    notes: tuple[str, ...] = ()
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "notes": list(self.notes)}


def execute_layers(artifact: Artifact, runs: int = RUNS) -> list[Executed]:
    """Run an artifact on this processor and list what its engine executed, the slowest first.

    Counting costs time of its own, so the sum is more than the latency; the shares are what it is for.

    Raises:
        UserError: an engine that does not tell.
        MissingExtra: the engine is not installed.
        EngineError: it cannot run the model.
    """
    if artifact.format == "openvino":
        rows = [(one.name, one.kind, one.kernel, one.ms) for one in layer_times(artifact, runs)]
    elif artifact.format == "onnx":
        rows = _in_onnxruntime(artifact, runs)
    else:
        raise UserError(
            f"OpenVINO and ONNX Runtime tell what each layer takes; {artifact.path} is for {artifact.format}."
        )
    total = sum(row[3] for row in rows) or 1.0
    int8 = artifact.precision == "int8"
    return [_judge(*row, row[3] / total, int8) for row in sorted(rows, key=lambda row: -row[3])]


def _judge(name: str, kind: str, kernel: str, ms: float, share: float, int8: bool) -> Executed:
    notes = find_notes(kind, kernel, int8)
    if not notes or ms < LEAST_MS:
        return Executed(name, kind, kernel, ms, share, notes)
    why = REASONS.get(kind) or (OF_SURROUNDINGS if name.startswith(SURROUNDINGS) else UNKNOWN)
    return Executed(name, kind, kernel, ms, share, notes, why)


def find_notes(kind: str, kernel: str, int8: bool) -> tuple[str, ...]:
    """Find what costs time at a layer that arithmetic does not need.

    >>> find_notes("Slice", "ref_f32", True), find_notes("Convolution", "brgconv_avx512_amx_i8", True)
    (('reference kernel', 'float'), ())
    >>> find_notes("ArgMax", "float to int64", False), find_notes("Reorder", "jit_uni_f32", False)
    (('64-bit',), ('reorder',))
    """
    words = kernel.lower().replace("_", " ").split()
    found = {
        "reference kernel": "ref" in words or "reference" in words,
        "64-bit": any(word in WIDE for word in words),
        "float": int8 and any(word in FLOATS for word in words),
        "reorder": kind.startswith("Reorder"),
    }
    return tuple(note for note, is_so in found.items() if is_so)


def _in_onnxruntime(artifact: Artifact, runs: int) -> list[tuple[str, str, str, float]]:
    pictures = realistic_inputs(artifact.spec)
    with scratch_directory() as folder, translate_errors(f"ONNX Runtime cannot run {artifact.model_path}"):
        session = open_profiled_session(artifact.model_path, folder / "profile")
        for run in range(runs + WARM_UP_RUNS):
            session.run(None, {"image": pictures[run % len(pictures)][None]})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    times: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            told = event["args"]
            key = (event["name"].removesuffix("_kernel_time"), told["op_name"], _types(told))
            times[key].append(event["dur"] / 1e3)
    return [(*key, float(np.median(ms[WARM_UP_RUNS:] or ms))) for key, ms in times.items()]


def _types(told: dict[str, Any]) -> str:
    """What it reads and gives, the first of each: ``uint8 to uint8``."""
    read, given = ([*map(str, next(iter(told.get(key) or [{}])))] for key in ("input_type_shape", "output_type_shape"))
    return f"{(read or ['nothing'])[0]} to {(given or ['nothing'])[0]}"
