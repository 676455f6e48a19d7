"""TensorRT on this machine's GPU: latency, parity, and what edgeseg adds to the bare engine.

    python benchmarks/tensorrt_engine.py ARTIFACT... [--checkpoint best.pt --images DIR --out docs/results-gpu.md]

Each ``tensorrt`` artifact is timed three ways, in turns: a whole run of the slot (pinned host memory, copy in, infer,
copy out, wait), the bare loop that `trtexec --useCudaGraph` times with its transfers (the same graph launched and
waited for, nothing else), and inference alone without transfers. The first over the second is the runtime's overhead;
the limit is 1.05 (exit 1 above it). With --checkpoint the same network runs in torch float16, eager and compiled, from
a pinned uint8 image to a uint8 label map on the host. Parity is the share of pixels whose label is that of the exact
INT8 or float computation on the CPU (ONNX Runtime without optimisations). Without a GPU: exit 3, nothing is written.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.errors import EdgesegError
from edgeseg.image import UInt8, fit, read_image
from edgeseg.runtime.engine import EngineOptions, Slot
from edgeseg.runtime.tensorrt_engine import TensorRtEngine
from edgeseg.runtime.tensorrt_slot import TensorRtSlot
from edgeseg.spec import ModelSpec

LIMIT = 1.05
WARM_UP, ROUNDS, RUNS = 50, 12, 100
IMAGES = 16


@dataclass(frozen=True)
class Timed:
    """Median milliseconds of one frame by way, and the artifact's parity (0..1)."""

    name: str
    ms: Mapping[str, float]
    parity: float | None = None

    @property
    def overhead(self) -> float:
        """The slot's run over the bare loop."""
        return self.ms["run"] / self.ms["bare loop"]


def main() -> int:
    args = _arguments()
    try:
        results, facts = _measured(args)
    except EdgesegError as error:
        print(f"benchmarks/tensorrt_engine.py: {error}", file=sys.stderr)
        return error.exit_code
    text = markdown(results, facts, " ".join(["python benchmarks/tensorrt_engine.py", *sys.argv[1:]]))
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    return 0 if all(one.overhead <= LIMIT for one in results if "bare loop" in one.ms) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", nargs="+", type=Path, metavar="ARTIFACT")
    parser.add_argument("--checkpoint", type=Path, help="for the torch baselines")
    parser.add_argument("--images", type=Path, help="folder of images for the parity (default: noise)")
    parser.add_argument("--device", default="cuda:0", help="cuda:0, or rtx:0")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _measured(args: argparse.Namespace) -> tuple[list[Timed], dict[str, str]]:
    results, facts = [], {"machine": f"{platform.machine()}, Python {platform.python_version()}"}
    for path in args.artifacts:
        artifact = Artifact.open(path)
        engine = TensorRtEngine(artifact, EngineOptions(args.device))
        facts |= engine.describe()
        results.append(timed_engine(artifact.path.name, engine, pictures(args.images, artifact.spec), exact(artifact)))
        engine.close()
    if args.checkpoint:
        results += timed_torch(args.checkpoint)
    return results, facts


def timed_engine(
    name: str, engine: TensorRtEngine, images: Sequence[UInt8], truth: Slot, rounds: int = ROUNDS, runs: int = RUNS
) -> Timed:
    """Time an engine three ways in turns and compare its masks with ``truth``."""
    slot = engine.open_slot()
    parity = agreement(slot, truth, images)
    ways = {"run": slot.run, "bare loop": bare_loop(slot), "inference alone": inference_alone(slot)}
    return Timed(name, in_turns(ways, rounds, runs), parity)


def in_turns(ways: Mapping[str, Callable[[], object]], rounds: int, runs: int) -> dict[str, float]:
    """Median milliseconds of each way; every round times all of them, so that clocks and load meet all."""
    for way in ways.values():
        for _ in range(WARM_UP):
            way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            for _ in range(runs):
                way()
            seconds[name].append((time.perf_counter() - start) / runs)
    return {name: 1000 * statistics.median(found) for name, found in seconds.items()}


def bare_loop(slot: TensorRtSlot) -> Callable[[], object]:
    """Launch the recorded graph and wait, straight on the bindings; call by call where there is no graph."""
    runtime, graph, stream = slot.cuda.runtime, slot.graph, slot.stream
    if graph is None:
        return slot.run

    def loop() -> None:
        runtime.cudaGraphLaunch(graph, stream)
        runtime.cudaStreamSynchronize(stream)

    return loop


def inference_alone(slot: TensorRtSlot) -> Callable[[], object]:
    runtime, context, stream = slot.cuda.runtime, slot.context, slot.stream

    def loop() -> None:
        context.execute_async_v3(int(stream))
        runtime.cudaStreamSynchronize(stream)

    return loop


def agreement(slot: Slot, truth: Slot, images: Sequence[UInt8]) -> float:
    """Share of pixels with the same label."""
    equal = []
    for image in images:
        slot.input[...] = truth.input[...] = image
        equal.append(np.mean(slot.run().labels == truth.run().labels))
    return float(np.mean(equal))


def exact(artifact: Artifact) -> Slot:
    from edgeseg.calibration.exact_engine import ExactEngine

    return ExactEngine(artifact, EngineOptions()).open_slot()


def pictures(folder: Path | None, spec: ModelSpec) -> list[UInt8]:
    """Fitted network inputs."""
    if folder is None:
        shape = (spec.height, spec.width, spec.channels)
        return [np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8) for seed in range(IMAGES)]
    from edgeseg.dataset import list_images

    return [fit(read_image(path), spec) for path in list_images(folder)[:IMAGES]]


def timed_torch(checkpoint: Path) -> list[Timed]:
    """The same work in torch float16: pinned uint8 image in, uint8 labels out."""
    import torch

    from edgeseg.image import normalisation
    from edgeseg.training.checkpoint import load_model

    loaded = load_model(checkpoint)
    spec = loaded.spec
    model = loaded.model.cuda().half().to(memory_format=torch.channels_last)
    scale, shift = (torch.from_numpy(v).cuda().half().view(1, -1, 1, 1) for v in normalisation(spec))
    order = [2, 1, 0] if spec.color_order == "rgb" else list(range(spec.channels))
    image = torch.randint(0, 256, (1, spec.height, spec.width, spec.channels), dtype=torch.uint8).pin_memory()
    result = torch.empty((1, spec.height, spec.width), dtype=torch.uint8).pin_memory()

    def network(pixels: Any) -> Any:
        planes = pixels.permute(0, 3, 1, 2)[:, order].half() * scale + shift
        logits = model(planes)
        return (logits[:, 0] > 0 if spec.task == "binary" else logits.argmax(1)).to(torch.uint8)

    def frame(forward: Callable[[Any], Any]) -> Callable[[], object]:
        def run() -> None:
            with torch.inference_mode():
                result.copy_(forward(image.cuda(non_blocking=True)), non_blocking=True)
                torch.cuda.synchronize()

        return run

    compiled = torch.compile(network, mode="max-autotune")
    ways = {"torch float16 eager": frame(network), "torch.compile float16": frame(compiled)}
    return [Timed(name, {"run": ms}) for name, ms in in_turns(ways, ROUNDS, RUNS).items()]


def markdown(results: Sequence[Timed], facts: Mapping[str, str], command: str) -> str:
    """The page: where, with what, and a row a way."""
    lines = ["# Results on a GPU", "", "Written by:", "", "```bash", command, "```", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += ["", "Median milliseconds a frame, batch 1, from pinned memory to pinned memory.", ""]
    lines += ["| network | run | bare loop | run / bare | inference alone | same labels as on the CPU |"]
    lines += ["|---|---|---|---|---|---|", *(_row(one) for one in results), ""]
    return "\n".join(lines)


def _row(one: Timed) -> str:
    def shown(way: str) -> str:
        return f"{one.ms[way]:.3f}" if way in one.ms else ""

    overhead = f"{one.overhead:.3f}" if "bare loop" in one.ms else ""
    parity = "" if one.parity is None else f"{100 * one.parity:.2f} %"
    cells = [one.name, shown("run"), shown("bare loop"), overhead, shown("inference alone"), parity]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
