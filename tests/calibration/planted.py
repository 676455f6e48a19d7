"""A fitted network with an outlier: in float it computes what it did, in INT8 it cannot.

One channel between two convolutions is made a hundred times larger, and the weights that read it a
hundred times smaller. ReLU lets a positive factor through, so the function stays; but equalisation takes
it off again. A clip so high that it never clips keeps it from that.
"""

from __future__ import annotations

import numpy as np
import torch
from fitted import SPEC, scene
from torch import nn

from edgeseg.image import normalise

FACTOR = 100.0
RIDGE = 1.0
NEVER = 1e6


class ChainNet(nn.Module):
    """Three convolutions of random features, one after the other, under a readout that is fitted."""

    def __init__(self, width: int = 20, clips: bool = True) -> None:
        super().__init__()
        between = nn.Hardtanh(0.0, NEVER) if clips else nn.ReLU()
        self.first = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(width, width, 1), between)
        self.third = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU())
        self.head = nn.Conv2d(width, 3, 1)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.third(self.second(self.first(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def chain_net(seed: int = 4, width: int = 20, clips: bool = True) -> ChainNet:
    """Ridge regression from features to labels over a few scenes; dead features take no part."""
    torch.manual_seed(seed)
    net = ChainNet(width, clips).eval()
    scenes = [scene(number) for number in range(100, 108)]
    with torch.inference_mode():
        features = net.features(_inputs(scenes)).permute(0, 2, 3, 1).flatten(0, 2).double().numpy()
    labels = np.stack([mask for _, mask in scenes]).ravel()
    scale = features.std(0) + 1e-3
    known = np.column_stack([features / scale, np.ones(len(features))])
    found = np.linalg.solve(known.T @ known + RIDGE * np.eye(known.shape[1]), known.T @ (8.0 * np.eye(3)[labels] - 4))
    with torch.no_grad():
        net.head.weight.copy_(torch.from_numpy((found[:-1] / scale[:, None]).T[..., None, None]))
        net.head.bias.copy_(torch.from_numpy(found[-1]))
    return net


def with_outlier(net: ChainNet) -> ChainNet:
    """``net``, changed in place: the strongest channel of ``second`` times 100, its reader over 100."""
    with torch.no_grad():
        seen = net.second(net.first(_inputs([scene(100)])))
        channel = int(seen.amax((0, 2, 3)).argmax())
        net.second[0].weight[channel] *= FACTOR
        net.second[0].bias[channel] *= FACTOR
        net.third[0].weight[:, channel] /= FACTOR
    return net


def _inputs(scenes: list[tuple[np.ndarray, np.ndarray]]) -> torch.Tensor:
    return torch.from_numpy(np.stack([normalise(image, SPEC) for image, _ in scenes]))
