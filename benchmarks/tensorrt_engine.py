"""TensorRT on this machine's GPU: latency, parity, and what edgeseg adds to the bare engine.

    python benchmarks/tensorrt_engine.py ARTIFACT... [--checkpoint best.pt --images DIR --out docs/results-gpu.md]

Each ``tensorrt`` artifact is timed three ways, in turns: a whole run of the slot (pinned host memory, copy in, infer,
copy out, wait), the bare loop that `trtexec --useCudaGraph` times with its transfers (the same graph launched and
waited for, nothing else), and inference alone without transfers. The first over the second is the runtime's overhead;
where no CUDA graph could be recorded there is no such loop, and the row says so. With --checkpoint the same network
runs in torch float16, eager and compiled, from a pinned uint8 image to a uint8 label map on the host; the speed-up is
against the faster of the two. Parity is the share of pixels whose label is that of the exact INT8 or float computation
on the CPU (ONNX Runtime without optimisations). Exit 1 where a gate is missed: overhead at most 1.05, INT8 at least 1.5
times as fast as torch float16. Without a GPU: exit 3, nothing is written. Without ARTIFACT it only says which GPU and
TensorRT are here.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.errors import EdgesegError
from edgeseg.image import UInt8, fit, read_image
from edgeseg.runtime.engines.engine import EngineOptions, Slot
from edgeseg.runtime.trt.cuda import load_cuda
from edgeseg.runtime.trt.diagnosis import describe_tensorrt
from edgeseg.runtime.trt.slot import TensorRtSlot
from edgeseg.runtime.trt.trt_engine import TensorRtEngine, engine_target
from edgeseg.runtime.trt.versions import RTX, find_library
from edgeseg.spec import ModelSpec

LIMIT, SPEED_UP = 1.05, 1.5
WARM_UP, ROUNDS, RUNS = 50, 12, 100
IMAGES = 16


@dataclass(frozen=True)
class Timed:
    """Median milliseconds of one frame by way, the artifact's parity (0..1) and precision (none: torch)."""

    name: str
    ms: Mapping[str, float]
    parity: float | None = None
    precision: str = ""

    @property
    def overhead(self) -> float:
        """The slot's run over the bare loop."""
        return self.ms["run"] / self.ms["bare loop"]


def main() -> int:
    args = _arguments()
    try:
        facts = {**versions(), **device(args.device)}
        results, more = _measured(args)
    except EdgesegError as error:
        print(f"benchmarks/tensorrt_engine.py: {error}", file=sys.stderr)
        return error.exit_code
    text = markdown(results, facts | more, " ".join(["python benchmarks/tensorrt_engine.py", *sys.argv[1:]]))
    print(text)
    if args.out and results:
        args.out.write_text(text, encoding="utf-8")
    return 1 if missed(results) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", nargs="*", type=Path, metavar="ARTIFACT")
    parser.add_argument("--checkpoint", type=Path, help="for the torch baselines")
    parser.add_argument("--images", type=Path, help="folder of images for the parity (default: noise)")
    parser.add_argument("--device", default="cuda:0", help="cuda:0, or rtx:0")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def versions() -> dict[str, str]:
    """Of everything whose speed is on the page."""
    found = {"machine": f"{platform.machine()}, Python {platform.python_version()}"}
    for package in ("edgeseg", "cuda-bindings", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def device(name: str) -> dict[str, str]:
    """Raises an EdgesegError where there is no GPU or no TensorRT."""
    target = engine_target(name)
    library = find_library(RTX if target.is_rtx else None)
    return {"library": library.title, "GPU": describe_tensorrt(load_cuda().gpu(target.gpu))}


def _measured(args: argparse.Namespace) -> tuple[list[Timed], dict[str, str]]:
    results: list[Timed] = []
    for path in args.artifacts:
        artifact = Artifact.open(path)
        engine = TensorRtEngine(artifact, EngineOptions(args.device))
        results.append(timed_engine(artifact, engine, pictures(args.images, artifact.spec)))
        engine.close()
    if not args.checkpoint:
        return results, {}
    torch_results, note = timed_torch(args.checkpoint)
    return results + torch_results, {"torch baseline": note}


def timed_engine(
    artifact: Artifact, engine: TensorRtEngine, images: Sequence[UInt8], rounds: int = ROUNDS, runs: int = RUNS
) -> Timed:
    """Time an engine three ways in turns and compare its masks with the exact ones."""
    slot = engine.open_slot()
    parity = agreement(slot, exact(artifact), images)
    ways = {"run": slot.run, "inference alone": inference_alone(slot)}
    if slot.is_graph:
        ways["bare loop"] = bare_loop(slot)
    name = artifact.path.name if slot.is_graph else f"{artifact.path.name} (no CUDA graph)"
    return Timed(name, in_turns(ways, rounds, runs), parity, artifact.precision)


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
    """Launch the recorded graph and wait, straight on the bindings."""
    runtime, graph, stream = slot.cuda.runtime, slot.graph, slot.stream

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
    from edgeseg.runtime.engines.exact_engine import ExactEngine

    return ExactEngine(artifact, EngineOptions()).open_slot()


def pictures(folder: Path | None, spec: ModelSpec) -> list[UInt8]:
    """Fitted network inputs."""
    if folder is None:
        shape = (spec.height, spec.width, spec.channels)
        return [np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8) for seed in range(IMAGES)]
    from edgeseg.files.image_files import list_images

    return [fit(read_image(path), spec) for path in list_images(folder)[:IMAGES]]


def timed_torch(checkpoint: Path) -> tuple[list[Timed], str]:
    """The same work in torch float16: pinned uint8 image in, uint8 labels out; and a note about what is missing."""
    import torch

    from edgeseg.image import normalisation
    from edgeseg.training.checkpoint import load_model

    if not torch.cuda.is_available():
        return [], f"none: torch {torch.__version__} was built without CUDA or finds no GPU"
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

    ways = {"torch float16 eager": frame(network)}
    can_compile = importlib.util.find_spec("triton") is not None
    if can_compile:
        ways["torch.compile float16"] = frame(torch.compile(network, mode="max-autotune"))
    results = [Timed(name, {"run": ms}) for name, ms in in_turns(ways, ROUNDS, RUNS).items()]
    return results, "eager and compiled" if can_compile else "eager only: torch.compile needs triton"


def baseline(results: Sequence[Timed]) -> float | None:
    """Milliseconds of the fastest torch way."""
    return min((one.ms["run"] for one in results if not one.precision), default=None)


def missed(results: Sequence[Timed]) -> list[str]:
    """A sentence for every gate that was missed; what was not measured misses none."""
    torch_ms = baseline(results)
    slow = [
        f"{one.name}: a run takes {one.overhead:.3f} of the bare loop; at most {LIMIT} is allowed."
        for one in results
        if "bare loop" in one.ms and one.overhead > LIMIT
    ]
    return slow + [
        f"{one.name}: {torch_ms / one.ms['run']:.2f} times as fast as torch float16; at least {SPEED_UP} is asked."
        for one in results
        if torch_ms is not None and one.precision == "int8" and torch_ms / one.ms["run"] < SPEED_UP
    ]


def markdown(results: Sequence[Timed], facts: Mapping[str, str], command: str) -> str:
    """The page: where, with what, and a row a way."""
    lines = ["# Results on a GPU", "", "Written by:", "", "```bash", command, "```", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    if not results:
        return "\n".join(lines)
    lines += ["", "Median milliseconds a frame, batch 1, from pinned memory to pinned memory.", ""]
    lines += [
        "| network | run | over torch float16 | bare loop | run / bare | inference alone | same labels as on the CPU |"
    ]
    torch_ms = baseline(results)
    lines += ["|---|---|---|---|---|---|---|", *(_row(one, torch_ms) for one in results), ""]
    return "\n".join([*lines, *_gates(results), ""])


def _row(one: Timed, torch_ms: float | None) -> str:
    def shown(way: str) -> str:
        return f"{one.ms[way]:.3f}" if way in one.ms else ""

    speed_up = f"{torch_ms / one.ms['run']:.2f} x" if torch_ms is not None else ""
    overhead = f"{one.overhead:.3f}" if "bare loop" in one.ms else ""
    parity = "" if one.parity is None else f"{100 * one.parity:.2f} %"
    cells = [one.name, shown("run"), speed_up, shown("bare loop"), overhead, shown("inference alone"), parity]
    return f"| {' | '.join(cells)} |"


def _gates(results: Sequence[Timed]) -> list[str]:
    """Every gate that was missed or not measured, a line each."""
    open_gates = [f"Missed: {sentence}" for sentence in missed(results)]
    if not any("bare loop" in one.ms for one in results):
        open_gates.append("Not measured: the overhead over the bare loop; no CUDA graph was recorded.")
    if baseline(results) is None or not any(one.precision == "int8" for one in results):
        open_gates.append("Not measured: INT8 against torch float16; it takes an INT8 artifact and --checkpoint.")
    return [f"- {line}" for line in open_gates] or [f"Gates held: overhead {LIMIT}, INT8 {SPEED_UP} x torch float16."]


if __name__ == "__main__":
    sys.exit(main())
