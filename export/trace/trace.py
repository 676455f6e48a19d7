"""Where two forms of one model begin to differ, layer by layer.

Both forms run on the same images, and the tensors that both have by name are compared in the order
of computation. Two figures a layer, in decibels of signal to noise, ``10 log10(sum r^2 / sum (r - x)^2)``
over all images:

* *SNR*: the reference's tensor r against the other form's x. It falls with depth in every healthy
  INT8 model, because errors are handed on.
* *own*: r is what the reference's layer gives for the *other form's* inputs. Nothing is handed on:
  it is the error that this layer adds itself.

The culprit is the first layer whose own figure is under the floor: 60 dB in float, 15 dB in INT8. Healthy
models are well above (the least own figure of any layer, OpenVINO against ONNX Runtime):

    =============================  ========  =======
    network                        fp32, dB  INT8, dB
    =============================  ========  =======
    CamVid U-Net, 0.98 M weights      123.8     30.8
    SINet (portraits)                 124.7     22.0
    =============================  ========  =======

Reading a layer can keep an engine from fusing it. So the logits of the untouched model are compared with
those of the model whose layers are read, too: a difference there is a fault of a fused kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeseg.errors import ArtifactError
from edgeseg.export.trace.causes import Evidence, likely_cause
from edgeseg.export.trace.form import LOGITS, Ending, Form, Layer, Tensors
from edgeseg.export.trace.snr import Noise, snr_db
from edgeseg.image import UInt8

FLOAT_FLOOR_DB = 60.0
INT8_FLOOR_DB = 15.0

Tick = Callable[[], object]


@dataclass(frozen=True)
class LayerTrace:
    """What one layer does to the signal.

    Attributes:
        layer: which.
        total: the reference's own values against the other form's.
        own: the same for the reference's layer on the other form's inputs.
    """

    layer: Layer
    total: Noise
    own: Noise


@dataclass(frozen=True)
class Finding:
    """The layer where the signal is lost, and why.

    Attributes:
        layer: name of the tensor.
        cause: a sentence.
    """

    layer: str
    cause: str


@dataclass(frozen=True)
class Trace:
    """One form against the reference.

    Attributes:
        reference, model: their names.
        images: how many were run.
        floor_db: own SNR under which a layer counts as wrong.
        layers: in the order of computation.
        left_out: layers of the reference that the other form does not have by name and shape.
        agreement: part of the pixels with the reference's label, both forms untouched, 0..1.
        logits: the untouched form's logits against the reference's.
        undisturbed: the untouched form's logits against those of the form whose layers are read.
        finding: None when no layer diverges.
    """

    reference: str
    model: str
    images: int
    floor_db: float
    layers: tuple[LayerTrace, ...]
    left_out: tuple[str, ...]
    agreement: float
    logits: Noise
    undisturbed: Noise
    finding: Finding | None = None

    @property
    def weakest(self) -> LayerTrace:
        """The layer that adds most noise."""
        return min(self.layers, key=lambda one: np.nan_to_num(one.own.snr_db, nan=-np.inf))


@dataclass
class _Tally:
    """Sums over the images."""

    total: dict[str, Noise] = field(default_factory=dict)
    own: dict[str, Noise] = field(default_factory=dict)
    logits: Noise = field(default_factory=Noise)
    undisturbed: Noise = field(default_factory=Noise)
    equal: int = 0
    pixels: int = 0


class _Pair:
    """Two forms opened at their common layers."""

    def __init__(self, reference: Form, model: Form, probe: UInt8) -> None:
        self.reference, self.model = reference, model
        named = [layer.name for layer in reference.layers if layer.name in model.readable]
        self._taps = reference.taps(named), model.taps(named)
        expected, found = (taps(probe) for taps in self._taps)
        # OpenVINO drops Expand where its consumers broadcast, and keeps the name.
        same = {name for name in named if expected[name].shape == found[name].shape}
        self.layers = {layer.name: layer for layer in reference.layers if layer.name in same}
        if not same:
            raise ArtifactError(
                f"{model.name} has no layer of the name and shape of one in {reference.name}: they are not one model."
            )
        self._replay = reference.replay(list(self.layers))

    def read(self, pixels: UInt8) -> tuple[Tensors, Tensors, Tensors]:
        """Tensors of the reference, of the other form, and of the reference's layers on the latter's."""
        expected, found = (taps(pixels) for taps in self._taps)
        return expected, found, self._replay(pixels, found)

    def sources(self, layer: Layer) -> tuple[str, ...]:
        """The nearest common layers upstream."""
        by_name = {one.name: one for one in self.reference.layers}
        found: list[str] = []
        for name in layer.sources:
            found.extend([name] if name in self.layers else self.sources(by_name[name]))
        return tuple(dict.fromkeys(found))


def trace(reference: Form, model: Form, images: Sequence[UInt8], tick: Tick = lambda: None) -> Trace:
    """Compare two forms layer by layer.

    Args:
        reference: a form in float.
        model: any form of the same model.
        images: (H, W, C) uint8 at network size, from :func:`edgeseg.image.fit`.
        tick: called for every image.

    Raises:
        ArtifactError: they have no layer in common, or one of different shapes.
        EngineError: an engine refuses to run a form with its layers read.
    """
    pair = _Pair(reference, model, images[0])
    tally = _Tally()
    untouched = reference.whole(), model.whole()
    for pixels in images:
        _count(tally, pair.read(pixels), [run(pixels) for run in untouched])
        tick()
    floor = INT8_FLOOR_DB if model.quantised else FLOAT_FLOOR_DB
    layers = tuple(LayerTrace(layer, tally.total[name], tally.own[name]) for name, layer in pair.layers.items())
    return Trace(
        reference.name,
        model.name,
        len(images),
        floor,
        layers,
        tuple(layer.name for layer in reference.layers if layer.name not in pair.layers),
        tally.equal / max(tally.pixels, 1),
        tally.logits,
        tally.undisturbed,
        _finding(pair, images, layers, floor, tally.undisturbed),
    )


def _count(tally: _Tally, tensors: tuple[Tensors, Tensors, Tensors], endings: list[Ending]) -> None:
    expected, found, replayed = tensors
    for name in replayed:
        tally.total.setdefault(name, Noise()).add(expected[name], found[name])
        tally.own.setdefault(name, Noise()).add(replayed[name], found[name])
    before, after = endings
    tally.logits.add(before.logits, after.logits)
    if LOGITS in found:
        tally.undisturbed.add(found[LOGITS], after.logits)
    tally.equal += int(np.count_nonzero(before.labels == after.labels))
    tally.pixels += before.labels.size


def _finding(
    pair: _Pair, images: Sequence[UInt8], layers: Sequence[LayerTrace], floor: float, undisturbed: Noise
) -> Finding | None:
    guilty = next((one for one in layers if not one.own.snr_db >= floor), None)
    if guilty is not None:
        return Finding(guilty.layer.name, likely_cause(_evidence(pair, guilty.layer, images, floor)))
    if undisturbed.snr_db >= floor:
        return None
    return _find_fused(pair, images[0], floor, undisturbed)


def _evidence(pair: _Pair, layer: Layer, images: Sequence[UInt8], floor: float) -> Evidence:
    sources = pair.sources(layer)
    exact = pair.model.exact([layer.name])
    expected, found, replayed = zip(*(pair.read(pixels) for pixels in images), strict=True)
    return Evidence(
        layer=layer,
        model=pair.model,
        floor_db=floor,
        pixels=np.stack(images),
        given={name: _join(found, name) for name in sources},
        expected=_join(expected, layer.name),
        found=_join(found, layer.name),
        replayed=_join(replayed, layer.name),
        as_written=np.concatenate([exact(pixels)[layer.name] for pixels in images]),
    )


def _join(several: Sequence[Tensors], name: str) -> Any:
    return np.concatenate([tensors[name] for tensors in several])


def _find_fused(pair: _Pair, pixels: UInt8, floor: float, undisturbed: Noise) -> Finding:
    """The layers are right when they are read, and the answer is wrong when they are not."""
    names = list(pair.layers)
    everything = pair.model.taps(names)(pixels)
    first, last = 0, len(names) - 1
    while first < last:
        middle = (first + last) // 2
        alone = pair.model.taps([names[middle]])(pixels)[names[middle]]
        if snr_db(everything[names[middle]], alone) >= floor:
            first = middle + 1
        else:
            last = middle
    return Finding(
        names[first],
        f"every layer is right when it is read, but the untouched model ends at {undisturbed.snr_db:.1f} dB against "
        f"that: a fused kernel of this engine computes something else than the graph says, first seen at "
        f"{names[first]}; try another version or another engine, and report it",
    )
