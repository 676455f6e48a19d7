"""What building blocks cost in INT8 with OpenVINO: the difference between a chain of six and one of two, each.

    python benchmarks/blocks.py --seconds 30 --threads 1

Blocks have random weights; NNCF quantises each chain on three random inputs. All chains are run in turns, and the best
run of each counts. Stride and channels name the place in a network for pictures of 360x480.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import nncf
import numpy as np
import openvino
import torch
from torch import nn

HEIGHT, WIDTH = 360, 480
SHORT, LONG = 2, 6
PLACES = ((2, 16), (4, 32), (8, 64), (16, 128))
"""Stride and channels."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="of timing for all together")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=list(BLOCKS), help="some of the blocks")
    args = parser.parse_args()
    torch.manual_seed(0)
    requests = {
        (name, stride, count): _compile(build, stride, channels, count, args.threads)
        for stride, channels in PLACES
        for name, build in BLOCKS.items()
        if not args.only or name in args.only
        for count in (SHORT, LONG)
    }
    best = _race(requests, args.seconds)
    for stride, channels in PLACES:
        for name in BLOCKS:
            if (name, stride, LONG) in best:
                cost = (best[name, stride, LONG] - best[name, stride, SHORT]) / (LONG - SHORT)
                print(f"stride {stride:2}, {channels:3} channels  {name:24} {1e3 * cost:6.3f} ms")
    return 0


def _layer(inputs: int, outputs: int, kernel: int, act: type[nn.Module] | None, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), *([act()] if act else []))


def _separable(channels: int) -> nn.Module:
    return nn.Sequential(_layer(channels, channels, 3, None, channels), _layer(channels, channels, 1, nn.ReLU))


def _inverted(channels: int) -> nn.Module:
    hidden = 6 * channels
    depthwise = _layer(hidden, hidden, 3, nn.ReLU6, hidden)
    return nn.Sequential(_layer(channels, hidden, 1, nn.ReLU6), depthwise, _layer(hidden, channels, 1, None))


def _down_and(up: Callable[[int], nn.Module]) -> Callable[[int], nn.Module]:
    return lambda channels: nn.Sequential(nn.Conv2d(channels, channels, 3, 2, 1), up(channels))


BLOCKS: Mapping[str, Callable[[int], nn.Module]] = {
    "dense 3x3, ReLU": lambda channels: _layer(channels, channels, 3, nn.ReLU),
    "dense 3x3, ReLU6": lambda channels: _layer(channels, channels, 3, nn.ReLU6),
    "dense 3x3, Hardswish": lambda channels: _layer(channels, channels, 3, nn.Hardswish),
    "depthwise 3x3": lambda channels: _layer(channels, channels, 3, nn.ReLU, channels),
    "separable 3x3": _separable,
    "inverted residual, 6": _inverted,
    "halve, nearest": _down_and(lambda channels: nn.Upsample(scale_factor=2, mode="nearest")),
    "halve, bilinear": _down_and(lambda channels: nn.Upsample(scale_factor=2, mode="bilinear")),
    "halve, transposed": _down_and(lambda channels: nn.ConvTranspose2d(channels, channels, 2, 2, groups=channels)),
}


def _compile(build: Callable[[int], nn.Module], stride: int, channels: int, count: int, threads: int) -> Any:
    shape = (1, channels, HEIGHT // stride // 2 * 2, WIDTH // stride // 2 * 2)
    chain = nn.Sequential(*(build(channels) for _ in range(count))).eval()
    model = openvino.convert_model(chain, example_input=torch.zeros(shape), input=list(shape))
    inputs = [np.random.default_rng(seed).normal(size=shape).astype(np.float32) for seed in range(3)]
    model = nncf.quantize(model, nncf.Dataset(inputs), subset_size=len(inputs))
    hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", hints).create_infer_request()
    request.set_input_tensor(openvino.Tensor(inputs[0]))
    return request


def _race(requests: Mapping[Any, Any], seconds: float) -> dict[Any, float]:
    """Best time of each in seconds; one run of each in turn, the first of which does not count."""
    for request in requests.values():
        request.infer()
    best = dict.fromkeys(requests, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, request in requests.items():
            start = time.perf_counter()
            request.infer()
            best[key] = min(best[key], time.perf_counter() - start)
    return best


if __name__ == "__main__":
    sys.exit(main())
