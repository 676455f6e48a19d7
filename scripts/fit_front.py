"""A start for `fast-unet` from a trained `lite-unet`: what both have is copied, and the dense front learns to
answer what the stages that it stands for answered, by regression on the pictures of DIR; no label is looked at.

    python scripts/fit_front.py lite-unet.pt DIR start.pt --steps 300
    edgeseg train --data DIR --weights start.pt --teacher lite-unet.pt

The features at stride 4 are compared, channel by channel relative to their variance; the error printed is the share
of it that is not explained. The decoder stays fresh.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from edgeseg.dataset import Dataset
from edgeseg.models.dense_unet import FastUNet
from edgeseg.models.lite_unet import LiteUNet
from edgeseg.models.registry import build_model
from edgeseg.training.checkpoint import load_model, save_checkpoint
from edgeseg.training.data.folder import EpochSampler, FolderDataset

NETWORK = "fast-unet"
PRINT_EVERY = 25


def main() -> int:
    args = _arguments()
    torch.manual_seed(args.seed)
    loaded = load_model(args.checkpoint)
    old, spec = loaded.model.eval().requires_grad_(False), loaded.spec
    if not isinstance(old, LiteUNet):
        print(f"{args.checkpoint} is no lite-unet but a {loaded.architecture['name']}.", file=sys.stderr)
        return 2
    new = build_model(NETWORK, spec)
    assert isinstance(new, FastUNet)
    copy_shared(old, new)
    crops = FolderDataset(Dataset.open(args.data, spec.ignore_index), "train", spec, tuple(args.crop), seed=args.seed)
    fit(old, new, crops, args.steps, args.batch)
    options = {"upsampling": "nearest"}
    save_checkpoint(args.out, {"name": NETWORK, "options": options}, spec, new.state_dict(), {})
    return 0


def copy_shared(old: LiteUNet, new: FastUNet) -> None:
    """Copy the stages behind stride 4, and the context."""
    new.encoder.stages.load_state_dict(old.encoder.stages[2:].state_dict())  # type: ignore[union-attr]
    new.context.load_state_dict(old.context.state_dict())


def fit(old: LiteUNet, new: FastUNet, crops: FolderDataset, steps: int, batch: int, lr: float = 8e-3) -> None:
    """Train stem and front until they answer as the old stem and stages do."""
    own = [*new.encoder.stem.parameters(), *new.encoder.front.parameters()]  # type: ignore[union-attr]
    optimiser = torch.optim.AdamW(own, lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.1)
    new.train()
    step, sampler = 0, EpochSampler(len(crops), crops.seed)
    while step < steps:
        for crop, *_ in DataLoader(crops, batch, sampler=sampler, drop_last=len(crops) >= batch):
            images = crop.contiguous(memory_format=torch.channels_last)
            with torch.no_grad():
                wanted = old_features(old, images)
            if step == 0:
                begin_alike(new, wanted)
            error = unexplained(new.encoder.front(new.encoder.stem(images)), wanted)  # type: ignore[operator]
            optimiser.zero_grad()
            error.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            step += 1
            if step % PRINT_EVERY == 0 or step == steps:
                print(f"step {step}: {100 * float(error.detach()):.1f} % not explained", flush=True)
            if step == steps:
                break
        sampler.epoch += 1


def begin_alike(new: FastUNet, wanted: Tensor) -> None:
    """Set the last normalisation to the mean and deviation of what is wanted, which small steps take long to reach."""
    last = new.encoder.front[-1][1]  # type: ignore[index]
    last.weight.data.copy_(wanted.std((0, 2, 3)) / 2)
    last.bias.data.copy_(wanted.mean((0, 2, 3)))


def old_features(old: LiteUNet, images: Tensor) -> Tensor:
    """Compute what the new front stands for: (N, 24, h / 4, w / 4)."""
    first, second = old.encoder.stages[:2]  # type: ignore[misc]
    return second(first(old.encoder.stem(images)))  # type: ignore[no-any-return, operator]


def unexplained(found: Tensor, wanted: Tensor) -> Tensor:
    """Compute the mean over channels of squared error / variance, of (N, C, H, W)."""
    spread = wanted.var((0, 2, 3)).clamp(min=1e-6)
    return ((found - wanted).square().mean((0, 2, 3)) / spread).mean()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="a trained lite-unet")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop", type=int, nargs=2, default=(256, 352))
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
