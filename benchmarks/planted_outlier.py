"""A copy of a checkpoint that INT8 cannot serve: one channel a hundred times larger, its consumer a hundred times less.

In float the network computes what it did: BatchNorm's scale and shift of one channel are multiplied by the
factor, and a ReLU later the weights that read this channel are divided by it. In INT8 that one channel takes
nearly all of the layer's 256 levels, and the divided weights round to zero.

::

    python benchmarks/planted_outlier.py best.pt planted.pt
    edgeseg export planted.pt --format openvino --int8 --data camvid --ignore-index 11
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

BLOCK = "encoder.stages.1.body"


def planted(state: dict[str, Any], block: str, channel: int | None, factor: float) -> tuple[dict[str, Any], int]:
    """The state with an outlier in ``block``, a Conv-BatchNorm-ReLU-Conv of the family ``unet``, and its channel."""
    changed = {name: value.clone() for name, value in state.items()}
    scale = changed[f"{block}.0.1.weight"]
    channel = int(scale.abs().argmax()) if channel is None else channel
    scale[channel] *= factor
    changed[f"{block}.0.1.bias"][channel] *= factor
    changed[f"{block}.1.0.weight"][:, channel] /= factor
    return changed, channel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--block", default=BLOCK, help=f"which block (default: {BLOCK})")
    parser.add_argument("--channel", type=int, help="which channel (default: the one of the largest scale)")
    parser.add_argument("--factor", type=float, default=100.0)
    args = parser.parse_args()
    saved = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
    saved["state"], channel = planted(saved["state"], args.block, args.channel, args.factor)
    torch.save(saved, args.out)
    print(f"{args.out}: channel {channel} of {args.block}.0 times {args.factor:g}, its consumer divided by it")


if __name__ == "__main__":
    main()
