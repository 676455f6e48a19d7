"""Powers of two for channels, so that the channels of a tensor share its range and weights theirs.

Cross-layer equalisation (Nagel et al. 2019, https://arxiv.org/abs/1906.04721) with two changes. Weights have a
scale a channel here, so what is to be evened out is the range of *activations*, as in SmoothQuant (Xiao et al. 2022,
https://arxiv.org/abs/2211.10438), against that of the weights that read them. And the factors are powers of two:
multiplying by one is exact, so the float network computes the same bits as before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeseg.calibration.equalisation.free_channels import FIXED, FreeChannels, Ints
from edgeseg.calibration.equalisation.steps import Float64, Kind, Step, Steps, Weights

SHARES = (0.0, 0.5, 0.75, 1.0)
"""How much of a channel's range is taken off it; the rest of the way is given by the weights that read it."""
LEVELS = range(-10, 11)
MOST = 24
"""Largest exponent: far from what float32 could not hold."""
MOST_RAISED = 16.0
LEAST_SCALE = 0.01
"""NNCF 3.4 gives no output of a layer a smaller scale than this share of the largest: its weights may become zero."""
LEAST_GAIN = 0.02
SWEEPS = 2
MOST_SHOWN = 32
"""Images that choose factors: these only have to be near, ranges are found afterwards, on all images."""
LEVELS_OF_ACTIVATIONS, LEVELS_OF_WEIGHTS = 255, 127


def choose_shown(images: Sequence[Path], most: int = MOST_SHOWN) -> Sequence[Path]:
    """Pick images at equal distances, at most so many."""
    return images[:: max(1, -(-len(images) // most))]


@dataclass(frozen=True)
class Seen:
    """What one tensor looked like on the calibration images, (channels,) each.

    Attributes:
        largest: absolute value.
        energy: mean of the squares.
    """

    largest: Float64
    energy: Float64


def choose_exponents(net: Steps, seen: Mapping[str, Seen]) -> dict[str, Ints]:
    """Choose by what power of two each channel is multiplied.

    Channels that one layer writes are scaled together: by how far each reaches and by the weights that read it, in
    several proportions, of which the one is taken that leaves least noise, by a model of rounding. A group that would
    gain next to nothing is left alone.

    Args:
        net: the network.
        seen: of every tensor that a layer with weights reads or makes.

    Returns:
        Exponents (channels,) by tensor, of the tensors that change; none where something is not finite, which is for
        others to report.
    """
    if not all(np.isfinite([one.largest, one.energy]).all() for one in seen.values()):
        return {}
    free = FreeChannels(net)
    exponents: Ints = np.zeros(free.count, np.int64)
    layers = [step for step in net.steps if step.kind is Kind.WEIGHS]
    noise = _Noise([*layers, *_sums(net)], free, seen)
    for _ in range(SWEEPS):
        for group in _groups(layers, free):
            exponents = _settle(group, exponents, noise)
    found = {name: exponents[free.of(name)] for name in net.channels}
    return {name: values for name, values in found.items() if values.any()}


def tensors_to_see(net: Steps) -> list[str]:
    """List the tensors that :func:`choose_exponents` wants to know of."""
    steps = [*(step for step in net.steps if step.kind is Kind.WEIGHS), *_sums(net)]
    return sorted({name for step in steps for name in (*step.reads, *step.makes)})


def _sums(net: Steps) -> Iterator[Step]:
    """What sums of activations read is rounded in some engines too: each is a layer that weighs it with one."""
    for step in net.steps:
        if step.kind is Kind.PASSES and len(step.reads) > 1:
            sizes = {net.channels[name] for name in (*step.reads, *step.makes)}
            for name in step.reads if len(sizes) == 1 else ():
                one = Weights(np.ones((*sizes, 1, 1)), *sizes)
                yield Step(Kind.WEIGHS, (name,), step.makes, one)


def _groups(layers: list[Step], free: FreeChannels) -> Iterator[Ints]:
    """Sets that are written side by side; layers that write the same sets (a sum) are one group."""
    seen: set[int] = set()
    for layer in layers:
        group = np.unique(free.of(layer.makes[0]))
        group = group[group != FIXED]
        if len(group) and not seen.intersection(group.tolist()):
            seen.update(group.tolist())
            yield group


def _settle(group: Ints, exponents: Ints, noise: _Noise) -> Ints:
    """The exponents with those of ``group`` where they leave least noise."""
    touched = noise.touching(group)
    if not touched:
        return exponents
    before = noise.of(touched, exponents)
    best, least = exponents, before * (1 - LEAST_GAIN)
    for candidate in _candidates(group, exponents, noise):
        if (found := noise.of(touched, candidate)) < least * (1 - 1e-9):
            best, least = candidate, found
    return best


def _candidates(group: Ints, exponents: Ints, noise: _Noise) -> Iterator[Ints]:
    reach, read = noise.reach[group], noise.read[group]
    spoken = reach[reach > 0]
    # A channel that is (nearly) silent on all images is raised as one of little range is, not to that of the others.
    reach = np.maximum(reach, np.median(spoken) / MOST_RAISED if spoken.size else 1.0)
    read = np.maximum(read, np.median(read) / MOST_RAISED)
    for share in SHARES:
        shape = np.log2(read) * np.where(noise.depthwise[group], 0, 1 - share)
        shape = shape - np.log2(reach) * np.where(noise.depthwise[group], float(share > 0), share)
        shape -= np.max(shape + np.log2(reach)) - np.log2(reach.max())
        for level in sorted(LEVELS, key=abs):
            candidate = exponents.copy()
            candidate[group] = np.clip(np.rint(shape) + level, -MOST, MOST)
            yield candidate


class _Noise:
    """How much rounding adds to what layers give, as a share of the signal.

    Attributes:
        reach: largest value of each set, over the tensors that layers read.
        read: largest weight that reads each set, as a share of its output's largest.
        depthwise: whether only depthwise layers read it; their weights mind no factor.
    """

    def __init__(self, layers: list[Step], free: FreeChannels, seen: Mapping[str, Seen]) -> None:
        self._layers = [_Layer(step, free, seen) for step in layers]
        self.reach = np.zeros(free.count)
        self.read = np.zeros(free.count)
        for layer in self._layers:
            np.maximum.at(self.reach, layer.sets, layer.largest)
            if not layer.is_depthwise:
                np.maximum.at(self.read, layer.sets, layer.shares)
        self.depthwise = self.read <= 0
        self.read[self.depthwise] = 1

    def touching(self, group: Ints) -> list[int]:
        """Layers that read or make a set of ``group``; none where nobody reads one."""
        read = [np.isin(layer.sets, group).any() for layer in self._layers]
        made = [np.isin(layer.made, group).any() for layer in self._layers]
        return list(np.flatnonzero(np.logical_or(read, made))) if any(read) else []

    def of(self, layers: list[int], exponents: Ints) -> float:
        """Sum over ``layers``."""
        return float(sum(self._layers[at].noise(exponents) for at in layers))


class _Layer:
    def __init__(self, step: Step, free: FreeChannels, seen: Mapping[str, Seen]) -> None:
        assert step.weights is not None
        inputs = step.weights.inputs()
        size = np.abs(step.weights.values)
        self.sets, self.made = free.of(step.reads[0]), free.of(step.makes[0])
        self.largest = seen[step.reads[0]].largest
        self.is_depthwise = step.weights.is_depthwise
        self._inputs, self._taps = inputs, size.shape[2]
        self._energy_in = seen[step.reads[0]].energy
        signal = seen[step.makes[0]].energy
        # Each output counts by its own signal, but one that says next to nothing does not count for all of its noise.
        self._signal = np.maximum(signal + np.median(signal) / 10, 1e-30)
        self._square, self._top = (size**2).sum(2), size.max(2)
        self.shares = np.zeros(len(self.sets))
        rows = np.maximum(self._top.max(1, keepdims=True), 1e-30)
        np.maximum.at(self.shares, inputs, self._top / rows)

    def noise(self, exponents: Ints) -> float:
        factors, made = 2.0 ** exponents[self.sets], 2.0 ** exponents[self.made]
        step = float((self.largest * factors).max()) / LEVELS_OF_ACTIVATIONS
        given = factors[self._inputs]
        activations = step**2 * (self._square / given**2).sum(1)
        rows = (self._top / given).max(1) * made
        weight_steps = np.maximum(rows, LEAST_SCALE * rows.max()) / made / LEVELS_OF_WEIGHTS
        energy = (self._energy_in * factors**2)[self._inputs].sum(1) * self._taps
        return float(((activations + weight_steps**2 * energy) / self._signal).mean()) / 12
