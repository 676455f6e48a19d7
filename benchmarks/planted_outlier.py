"""A copy of a checkpoint that INT8 cannot serve: one channel a hundred times larger, its consumer a hundred times less.

In float the network computes what it did: BatchNorm's scale and shift of one channel are multiplied by the
factor, and the weights that read this channel are divided by it (a ReLU in between lets the factor through, a ReLU6
would not). In INT8 that one channel takes nearly all of the layer's 256 levels, and the divided weights round to zero.

::

    python benchmarks/planted_outlier.py examples/camvid/lite-unet.pt planted.pt
    python benchmarks/planted_outlier.py unet.pt planted.pt --norm encoder.stages.1.body.0.1 \\
        --reader encoder.stages.1.body.1.0
    edgeseg export planted.pt --format openvino --int8 --data camvid --ignore-index 11
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

NORM, READER = "decoder.2.2.1", "decoder.2.3.0"


def planted(
    state: dict[str, Any], norm: str, reader: str, channel: int | None, factor: float
) -> tuple[dict[str, Any], int]:
    """The state with an outlier between a BatchNorm and the convolution that reads it, and its channel."""
    changed = {name: value.clone() for name, value in state.items()}
    scale = changed[f"{norm}.weight"]
    channel = int(scale.abs().argmax()) if channel is None else channel
    scale[channel] *= factor
    changed[f"{norm}.bias"][channel] *= factor
    changed[f"{reader}.weight"][:, channel] /= factor
    return changed, channel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--norm", default=NORM, help=f"which BatchNorm (default: {NORM}, of a lite-unet)")
    parser.add_argument("--reader", default=READER, help=f"the convolution that reads it (default: {READER})")
    parser.add_argument("--channel", type=int, help="which channel (default: the one of the largest scale)")
    parser.add_argument("--factor", type=float, default=100.0)
    args = parser.parse_args()
    saved = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
    saved["state"], channel = planted(saved["state"], args.norm, args.reader, args.channel, args.factor)
    torch.save(saved, args.out)
    print(f"{args.out}: channel {channel} of {args.norm} times {args.factor:g}, {args.reader} divided by it")


if __name__ == "__main__":
    main()
