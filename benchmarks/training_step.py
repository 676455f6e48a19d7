"""What a step of `edgeseg train` costs beside the bare forward, backward and optimiser step.

    python benchmarks/training_step.py [--steps 60 --imgsz 256 --crop 192 --batch 8 --model unet --width 1]

Both train the same network on the same batches, in turns, so that the machine's load meets both.
The bare step is torch alone: network, cross-entropy, backward, AdamW, in the same precision.
The loop's step adds loading and augmenting the batch, class weights, void pixels, gradient
clipping, the schedule and the moving average of the weights. The limit is 1.15 (exit 1 above it).
Loading runs in the training process unless --workers says otherwise, as in `edgeseg train`.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from edgeseg.dataset import Dataset
from edgeseg.demo import cells
from edgeseg.spec import ModelSpec
from edgeseg.training.loop import Trainer
from edgeseg.training.settings import TrainSettings

LIMIT = 1.15


def main() -> int:
    args = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        cells.write_dataset(Path(scratch, "data"), args.images, 1, args.imgsz, 1)
        trainer = _trainer(Path(scratch), args)
        rounds = _measured(trainer, args.steps)
    names = ("loading", "loop step", "bare step")
    medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
    for name, median in zip(names, medians, strict=True):
        print(f"{name:<10} {1000 * median:8.1f} ms (median of {len(rounds)})")
    whole = statistics.median((load + loop) / bare for load, loop, bare in rounds)
    alone = statistics.median(loop / bare for _, loop, bare in rounds)
    print(f"loop step / bare step               {alone:.3f}")
    print(f"(loading + loop step) / bare step   {whole:.3f}   limit {LIMIT}")
    return 0 if whole <= LIMIT else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("steps", 60), ("imgsz", 256), ("crop", 192), ("batch", 8), ("images", 64), ("workers", 0)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--model", default="unet", help="default unet; --width is for that one")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--amp", default="auto", choices=("auto", "no", "bf16"))
    return parser.parse_args()


def _trainer(scratch: Path, args: argparse.Namespace) -> Trainer:
    data = Dataset.open(scratch / "data")
    settings = TrainSettings(
        out=scratch / "run",
        model=args.model,
        options={"width": args.width} if args.model == "unet" else {},
        epochs=1000,
        batch=args.batch,
        crop=(args.crop, args.crop),
        amp=args.amp,
        device="cpu",
        workers=args.workers,
    )
    return Trainer(data, ModelSpec("multiclass", data.classes, args.imgsz, args.imgsz), settings)


def _measured(trainer: Trainer, steps: int) -> list[tuple[float, float, float]]:
    """Seconds of (loading, loop step, bare step) for each of ``steps`` batches, after five that do not count."""
    bare = _bare_step(trainer)
    batches = _batches(trainer)
    rounds = []
    for number in range(steps + 5):
        load, batch = _timed(lambda: next(batches))
        turns: list[tuple[str, Callable[[], Any]]] = [
            ("loop", lambda batch=batch: trainer.learner.step_or_advise(batch)),  # type: ignore[misc]
            ("bare", lambda batch=batch: bare(*batch)),  # type: ignore[misc]
        ]
        took = {name: _timed(step)[0] for name, step in (turns if number % 2 else reversed(turns))}
        rounds.append((load, took["loop"], took["bare"]))
    return rounds[5:]


def _bare_step(trainer: Trainer) -> Callable[[torch.Tensor, torch.Tensor], float]:
    model = copy.deepcopy(trainer.learner.bare).train()
    model.forward = type(model).forward.__get__(model)  # without accelerate's wrapper: autocast is plain torch here
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    half = trainer.accelerator.mixed_precision == "bf16"

    def step(images: torch.Tensor, target: torch.Tensor) -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(images.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), target, ignore_index=255)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    return step


def _batches(trainer: Trainer) -> Iterator[Any]:
    trainer.learner.model.train()
    for epoch in itertools.count():
        trainer.learner.sampler.epoch = epoch
        yield from trainer.learner.loader


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    raise SystemExit(main())
