"""Which INT8 encoding ONNX Runtime computes exactly, and which one fastest, on this machine's instruction set.

    edgeseg export best.pt --format onnx --name net --out artifacts
    python benchmarks/ort_encodings.py artifacts/net-fp32-onnx --data camvid --ignore-index 11

Every candidate is made from the same ranges and run as it would be deployed (ONNX Runtime's default optimisations) and
with all of them off, where integers are computed as ONNX defines them.

    exact     part of all pixels where both give one label: under 1 the fused kernels compute something else
    fp32      part of all pixels that have the label of the float model
    mIoU      against the masks of --data, where it has any
    latency   median over rounds of candidate / fp32 within a round; all sessions take turns, one image each

Absolute times mean nothing on a busy machine; the ratios are of runs that followed each other directly. Kernels
saturate on AVX2 and AVX-512 without VNNI: `exact` has to be read there before an encoding is called safe
everywhere.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.onnx_ranges import find_ranges
from edgeseg.calibration.quantizers.qdq_from_onnx import QdqStyle, qdq_from_onnx, tensors_to_watch
from edgeseg.graphs.onnx_graph import load_graph
from edgeseg.image import fit, unfit
from edgeseg.metrics.confusion import Confusion
from edgeseg.proof.samples import Samples, samples_from
from edgeseg.runtime.system.machine import this_cpu
from edgeseg.spec import ModelSpec

LAYERS = ("Conv", "Gemm", "MatMul")
CARRIERS = ("Add", "AveragePool", "Concat", "GlobalAveragePool", "MaxPool", "Resize")
U8S8 = QdqStyle("QUInt8", "QInt8", LAYERS, CARRIERS)
CANDIDATES = {
    "u8s8": U8S8,
    "u8s8 7-bit": replace(U8S8, reduce_range=True),
    "u8s8 7-bit per tensor": replace(U8S8, reduce_range=True, per_channel=False),
    "u8u8 per tensor": replace(U8S8, weight="QUInt8", per_channel=False),
    "u8u8": replace(U8S8, weight="QUInt8"),
    "s8s8": replace(U8S8, activation="QInt8"),
    "s8s8 symmetric": replace(U8S8, activation="QInt8", symmetric=True),
    "u8s8 7-bit, head too": replace(U8S8, reduce_range=True, float_head=False),
    "u8s8 7-bit, layers only": replace(U8S8, reduce_range=True, carriers=()),
    "u8s8 7-bit, no Resize": replace(U8S8, reduce_range=True, carriers=("Add", "Concat", "MaxPool")),
    "u8s8 7-bit, no Add": replace(U8S8, reduce_range=True, carriers=("Concat", "MaxPool", "Resize")),
}


def main() -> None:
    args = _arguments()
    artifact = Artifact.open(args.artifact)
    samples = samples_from(args.data, artifact.spec, None, args.ignore_index).spread(args.images)
    found = _encoded(artifact, args)
    print(f"{this_cpu()}\nonnxruntime {onnxruntime.__version__}, {len(samples)} images, {args.rounds} rounds\n")
    ratios = _ratios(found, artifact.spec, args)
    print(f"{'candidate':<26}{'exact':>10}{'fp32':>10}{'mIoU':>9}{'latency':>9}{'MB':>7}")
    reference = Masks(onnxruntime.InferenceSession(found["fp32"]), samples, artifact.spec)
    for name, data in found.items():
        deployed, exact = (Masks(_session(data, off, args.threads), samples, artifact.spec) for off in (False, True))
        print(
            f"{name:<26}{deployed.agreement(exact):>10.5f}{deployed.agreement(reference):>10.5f}"
            f"{deployed.mean_iou:>9.4f}{ratios[name]:>9.2f}{len(data) / 1e6:>7.2f}",
            flush=True,
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path, help="fp32 ONNX artifact")
    parser.add_argument("--data", type=Path, required=True, help="data folder: train calibrates, val compares")
    parser.add_argument("--ignore-index", type=int)
    parser.add_argument("-n", type=int, default=100, help="calibration images")
    parser.add_argument("--images", type=int, default=32, help="images to compare masks on")
    parser.add_argument("--rounds", type=int, default=100, help="turns of every session")
    parser.add_argument("--threads", type=int, default=0, help="of each session; 0: as many as there are cores")
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    return parser.parse_args()


def _encoded(artifact: Artifact, args: argparse.Namespace) -> dict[str, bytes]:
    """The float file and one file a candidate, all from the same ranges."""
    model = load_graph(artifact.model_path)
    images = load_set(args.data, artifact.spec, args.n)
    styles = {name: CANDIDATES[name] for name in args.only}
    watched = set().union(*(tensors_to_watch(model, style) for style in styles.values()))
    ranges = find_ranges(model, watched, images)
    made = {name: qdq_from_onnx(model, ranges, style).SerializeToString() for name, style in styles.items()}
    return {"fp32": artifact.model_path.read_bytes(), **made}


def _session(data: bytes, off: bool, threads: int) -> Any:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 4
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if off:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])


class Masks:
    """Masks of one session for every sample, and what they are worth."""

    def __init__(self, session: Any, samples: Samples, spec: ModelSpec) -> None:
        self.labels = []
        confusion = Confusion(spec.num_classes, samples.ignore_index if samples.labelled else 255)
        for sample in samples:
            image, truth = sample.read()
            self.labels.append(session.run(["labels"], {"image": fit(image, spec)[np.newaxis]})[0][0])
            if truth is not None:
                confusion.update(unfit(self.labels[-1], spec, truth.shape), truth)
        self.mean_iou = confusion.mean_iou

    def agreement(self, other: Masks) -> float:
        return float(np.mean([np.mean(a == b) for a, b in zip(self.labels, other.labels, strict=True)]))


def _ratios(found: dict[str, bytes], spec: ModelSpec, args: argparse.Namespace) -> dict[str, float]:
    sessions = {name: _session(data, False, args.threads) for name, data in found.items()}
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, spec.height, spec.width, spec.channels), dtype=np.uint8)
    for session in sessions.values():
        session.run(["labels"], {"image": image})
    rounds = [{name: _seconds(session, image) for name, session in sessions.items()} for _ in range(args.rounds)]
    return {name: statistics.median(turn[name] / turn["fp32"] for turn in rounds) for name in found}


def _seconds(session: Any, image: Any) -> float:
    start = time.perf_counter()
    session.run(["labels"], {"image": image})
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
