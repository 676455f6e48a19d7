"""What labels and confidence cost beside the same network with bare logits, in turns.

    edgeseg export best.pt --format openvino --outputs labels,confidence --int8 --data DATA --out runs/graph
    edgeseg export best.pt --format onnx --outputs labels,confidence --int8 --data DATA --out runs/graph
    python benchmarks/graph.py runs/graph/* [--rounds 60] [--threads 2]

Each artifact becomes three graphs of the same weights: logits of the picture alone (what `--outputs logits` gives),
labels alone, labels with confidence. Every round runs each once, all inputs and outputs in memory that was bound
before. The first ratio is of the shortest rounds, which other programs disturb least; the second is of the CPU time of
all rounds together. A TensorRT file is run as ONNX Runtime runs it, where there is no GPU.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino

from edgeseg.artifact import Artifact
from edgeseg.console.text_table import format_table
from edgeseg.export.graphs.simplify import without_dead_nodes
from edgeseg.graphs.cut_labels import LOGITS, expose_logits
from edgeseg.graphs.ir_file import logits_output
from edgeseg.runtime.engines.ort_session import open_session
from edgeseg.runtime.measure.bench import realistic_inputs
from edgeseg.runtime.system.machine import this_cpu

VARIANTS = {"logits": (LOGITS,), "labels": ("labels",), "labels and confidence": ("labels", "confidence")}
Run = Callable[[], object]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", type=Path, nargs="+", help="artifacts with labels and confidence")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    print(this_cpu())
    rows = [["artifact", "graph", "best ms", "ratio", "CPU ms", "ratio"]]
    for path in args.artifacts:
        rows += _rows(Artifact.open(path), args.rounds, args.threads)
    print(format_table(rows))
    return 0


def _rows(artifact: Artifact, rounds: int, threads: int) -> list[list[str]]:
    picture = realistic_inputs(artifact.spec)[0][None]
    runs = {name: _open(artifact, outputs, picture, threads) for name, outputs in VARIANTS.items()}
    walls, cores = _time_in_turns(runs, rounds)
    base_wall, base_core = min(walls["logits"]), sum(cores["logits"])
    return [
        [
            artifact.path.name,
            name,
            f"{1e3 * min(walls[name]):.2f}",
            f"{min(walls[name]) / base_wall:.3f}",
            f"{1e3 * sum(cores[name]) / rounds:.2f}",
            f"{sum(cores[name]) / base_core:.3f}",
        ]
        for name in runs
    ]


def _time_in_turns(runs: dict[str, Run], rounds: int) -> tuple[dict[str, list[float]], ...]:
    walls: dict[str, list[float]] = {name: [] for name in runs}
    cores: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(), run()
    for _ in range(rounds):
        for name, run in runs.items():
            wall, core = time.perf_counter(), time.process_time()
            run()
            walls[name].append(time.perf_counter() - wall)
            cores[name].append(time.process_time() - core)
    return walls, cores


def _open(artifact: Artifact, outputs: tuple[str, ...], picture: Any, threads: int) -> Run:
    open_one = _in_openvino if artifact.format == "openvino" else _in_onnxruntime
    return open_one(artifact, outputs, picture, threads)


def _in_openvino(artifact: Artifact, outputs: tuple[str, ...], picture: Any, threads: int) -> Run:
    core = openvino.Core()
    model = core.read_model(artifact.model_path)
    ports = [
        logits_output(model) if name == LOGITS else model.output(name).get_node().input_value(0) for name in outputs
    ]
    cut = openvino.Model(ports, model.get_parameters())
    config = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    request = core.compile_model(cut, "CPU", config).create_infer_request()
    request.set_input_tensor(openvino.Tensor(picture, shared_memory=True))
    return request.infer


def _in_onnxruntime(artifact: Artifact, outputs: tuple[str, ...], picture: Any, threads: int) -> Run:
    model = expose_logits(onnx.load(str(artifact.model_path)))
    kept = [output for output in model.graph.output if output.name in outputs]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    session = open_session(without_dead_nodes(model).SerializeToString(), threads=threads, spins=False)
    binding = session.io_binding()
    binding.bind_ortvalue_input("image", onnxruntime.OrtValue.ortvalue_from_numpy(picture))
    spec = artifact.spec
    shapes = {LOGITS: (1, spec.logit_channels, spec.height, spec.width)}
    if spec.task == "multilabel":
        shapes["confidence"] = shapes[LOGITS]
    for name in outputs:
        kind = np.float32 if name == LOGITS else np.uint8
        array = np.empty(shapes.get(name, (1, spec.height, spec.width)), kind)
        binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
    return lambda: session.run_with_iobinding(binding)


if __name__ == "__main__":
    raise SystemExit(main())
