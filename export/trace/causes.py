"""Why a layer adds noise: hypotheses tried in turn on what went in and what came out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from edgeseg.export.trace.form import NORMALISED, Form, Layer, Tensors
from edgeseg.export.trace.onnx_form import run_graph
from edgeseg.export.trace.snr import snr_db
from edgeseg.image import Float32, UInt8
from edgeseg.metrics.confusion import Float64

RESIZES = ("Resize", "Upsample", "Interpolate")
RESIZE_MODES = tuple(itertools.product(("linear", "nearest", "cubic"), ("half_pixel", "align_corners", "asymmetric")))
EXPLAINED_DB = 10.0
CLIPPED_DB = 20.0
OUTLIER_FACTOR = 8.0
STEPS = 256


@dataclass(frozen=True)
class Evidence:
    """One layer over all images, [N, C, H, W] each.

    Attributes:
        layer: the culprit.
        model: the form it is in.
        floor_db: what it fell under.
        pixels: (N, H, W, C) uint8 network input.
        given: the tensors that the layer takes, in this form.
        expected: its result in the reference.
        found: its result in this form.
        replayed: what the reference's layer makes of ``given``.
        as_written: its result with the engine's integer kernels and fusions off.
    """

    layer: Layer
    model: Form
    floor_db: float
    pixels: UInt8
    given: Tensors
    expected: Float32
    found: Float32
    replayed: Float32
    as_written: Float32

    @property
    def own_db(self) -> float:
        """Noise of the layer's own, replayed on the reference's inputs, in dB."""
        return snr_db(self.replayed, self.found)

    def explains(self, candidate: Float32) -> bool:
        """Tell whether ``candidate`` comes much nearer to what was found than the reference's layer."""
        return candidate.shape == self.found.shape and snr_db(candidate, self.found) >= self.own_db + EXPLAINED_DB


def likely_cause(evidence: Evidence) -> str:
    """Say the likely cause in one sentence, without a full stop."""
    found = (cause(evidence) for cause in CAUSES)
    return next((sentence for sentence in found if sentence), _unknown(evidence))


def _not_finite(e: Evidence) -> str | None:
    bad = ~np.isfinite(e.found)
    if not bad.any():
        return None
    channel = int(bad.sum((0, 2, 3)).argmax())
    return (
        f"{100 * bad.mean():.2g} % of its values are NaN or infinite, most in channel {channel}; "
        "nothing before it has any"
    )


def _normalisation(e: Evidence) -> str | None:
    """The input is a x + b of the reference's, channel by channel, perhaps in another order."""
    if e.layer.name != NORMALISED:
        return None
    expected, found = _by_channel(e.expected), _by_channel(e.found)
    order = [int(np.argmax([abs(_correlation(r, x)) for r in expected])) for x in found]
    fits = [np.polyfit(expected[source], x, 1) for source, x in zip(order, found, strict=True)]
    residual = max(
        float(np.abs(np.polyval(fit, expected[source]) - x).max())
        for fit, source, x in zip(fits, order, found, strict=True)
    )
    if residual > 1e-2 * float(np.abs(found).max()):
        return "its preprocessing is no scale and shift of the reference's: another resize, crop or colour space"
    swapped = "" if order == sorted(order) else _swap_sentence(order)
    scales, shifts = (np.array(v) for v in zip(*fits, strict=True))
    if np.allclose(scales, 1, atol=2e-3) and np.allclose(shifts, 0, atol=2e-3 * float(expected.std())):
        return swapped
    return f"{swapped}; besides, {_mean_std(e, scales, shifts)}" if swapped else _mean_std(e, scales, shifts)


def _swap_sentence(order: list[int]) -> str:
    moved = [channel for channel, source in enumerate(order) if channel != source]
    if order == [2, 1, 0]:
        return "channels 0 and 2 of the input are exchanged: one side feeds RGB, the other BGR"
    return f"channels {moved} of the input are in another order: {order}"


def _mean_std(e: Evidence, scales: Float64, shifts: Float64) -> str:
    mean, std = _constants(e.found, e.pixels)
    theirs = _constants(e.expected, e.pixels)
    parts = [
        f"{what} is ({_numbers(ours)}), the reference has ({_numbers(other)})"
        for what, ours, other in (("mean", mean, theirs[0]), ("std", std, theirs[1]))
        if not np.allclose(ours, other, rtol=2e-3, atol=2e-3)
    ]
    return (
        f"mean/std of the input differ: it is the reference's times ({_numbers(scales)}) plus ({_numbers(shifts)}) by "
        f"channel; {'; '.join(parts)}"
    )


def _constants(normalised: Float32, pixels: UInt8) -> tuple[Float64, Float64]:
    """mean and std, for values of 0..1, that turn ``pixels`` into ``normalised``."""
    raw = _by_channel(pixels.transpose(0, 3, 1, 2).astype(np.float32)) / 255
    fits = []
    for values in _by_channel(normalised):
        source = max(raw, key=lambda plane: abs(_correlation(plane, values)))
        fits.append(np.polyfit(source, values, 1))
    scale, shift = np.array(fits).T
    return -shift / scale, 1 / scale


def _resize(e: Evidence) -> str | None:
    """Which way of interpolating gives what was found."""
    if e.layer.op not in RESIZES or len(e.given) != 1:
        return None
    given = next(iter(e.given.values()))
    results = {mode: _resize_as_opencv(given, e.found.shape, *mode) for mode in RESIZE_MODES}
    best = max(results, key=lambda mode: snr_db(results[mode], e.found))
    if not e.explains(results[best]):
        return None
    theirs = max(results, key=lambda mode: snr_db(results[mode], e.replayed))
    return (
        f"it interpolates {_mode_words(best)} where the reference does {_mode_words(theirs)}; the error at the border "
        f"is {_border_ratio(e):.1f} times the error in the middle"
    )


def _mode_words(mode: tuple[str, str]) -> str:
    flag = {"align_corners": "align_corners=True", "half_pixel": "align_corners=False"}.get(mode[1], mode[1])
    return f"{mode[0]} with {flag}"


def _border_ratio(e: Evidence) -> float:
    error = np.abs(e.found - e.replayed).mean((0, 1))
    height, width = error.shape
    inner = error[height // 4 : -(height // 4) or None, width // 4 : -(width // 4) or None]
    outer = (error.sum() - inner.sum()) / max(error.size - inner.size, 1)
    return float(outer / max(float(inner.mean()), 1e-30))


def _resize_as_opencv(values: Float32, shape: tuple[int, ...], mode: str, coordinates: str) -> Float32:
    nearest = {"nearest_mode": "floor"} if mode == "nearest" else {}
    node = helper.make_node(
        "Resize", ["x", "", "", "sizes"], ["y"], mode=mode, coordinate_transformation_mode=coordinates, **nearest
    )
    graph = helper.make_graph(
        [node],
        "resize",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, values.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [helper.make_tensor("sizes", TensorProto.INT64, [4], shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return run_graph(model, {"x": values})["y"]


def _engine(e: Evidence) -> str | None:
    """The graph is right, the engine's kernels are not."""
    if not e.model.quantised or not snr_db(e.replayed, e.as_written) >= max(e.floor_db, e.own_db + EXPLAINED_DB):
        return None
    return (
        "with its integer kernels switched off this engine computes the layer rightly "
        f"({snr_db(e.replayed, e.as_written):.1f} dB): the file is fed to the wrong engine, or the kernels are wrong "
        "for this way of writing INT8; export the model for this engine"
    )


def _clipped_share(e: Evidence) -> str | None:
    """A quantiser in front is too narrow for what comes."""
    for name, values in e.given.items():
        for limits in e.model.ranges(name):
            clipped = np.clip(values, limits.low, limits.high)
            if snr_db(values, clipped) < CLIPPED_DB:
                share = 100 * float(np.mean((values < limits.low) | (values > limits.high)))
                return (
                    f"the quantiser of its input {name} saturates: {share:.1f} % of the values are outside "
                    f"{float(limits.low.min()):.3g} to {float(limits.high.max()):.3g} "
                    f"(they reach {float(values.min()):.3g} to {float(values.max()):.3g}) and are clipped"
                )
    return None


def _outlier(e: Evidence) -> str | None:
    """One channel of an input takes the range that all channels share."""
    if not e.model.quantised:
        return None
    for name, values in e.given.items():
        reach = np.abs(values).max((0, 2, 3))
        typical, worst = float(np.median(reach[reach > 0])), int(reach.argmax())
        if len(reach) > 2 and reach[worst] > OUTLIER_FACTOR * typical:
            steps = STEPS * typical / float(reach[worst])
            return (
                f"channel {worst} of its input {name} is an outlier: it reaches {reach[worst]:.3g}, "
                f"{reach[worst] / typical:.0f} times the median channel, and takes the whole range; {steps:.1f} of "
                f"{STEPS} steps are left for the median channel. Keep this layer in float, or equalise the channels"
            )
    return None


def _affine(e: Evidence) -> str | None:
    """Every channel is right up to a factor and a constant: bias or batch normalisation."""
    replayed, found = _by_channel(e.replayed), _by_channel(e.found)
    fits = np.array(
        [
            np.polyfit(r, x, 1) if np.ptp(r) else (1.0, float((x - r).mean()))
            for r, x in zip(replayed, found, strict=True)
        ]
    )
    fitted = fits[:, :1] * replayed + fits[:, 1:]
    if not snr_db(fitted[None].astype(np.float32), found[None]) >= max(e.floor_db, e.own_db + 2 * EXPLAINED_DB):
        return None
    changed = np.abs(fits[:, 0] - 1) > 1e-3
    if changed.any():
        worst = int(np.abs(fits[:, 0] - 1).argmax())
        factor = f"{fits[worst, 0]:.4g}"
        return f"{_list(changed)} come out scaled, channel {worst} by {factor}: its weights or its batch norm differ"
    worst = int(np.abs(fits[:, 1]).argmax())
    moved = np.abs(fits[:, 1]) > 1e-2 * abs(fits[worst, 1])
    return f"{_list(moved)} come out shifted, channel {worst} by {fits[worst, 1]:.4g}: its bias differs"


def _few_channels(e: Evidence) -> str | None:
    """The error sits in some output channels."""
    noise = ((e.found - e.replayed) ** 2).sum((0, 2, 3), dtype=np.float64)
    shares = noise / noise.sum()
    worst = int(shares.argmax())
    if len(shares) < 2 or shares[worst] < 0.5:
        return None
    return f"{100 * shares[worst]:.0f} % of its error is in output channel {worst}: the weights of that channel differ"


def _unknown(e: Evidence) -> str:
    if e.model.quantised:
        return "its inputs are right and 8 bits are too few for it, or its weights differ; keep this layer in float"
    return "its inputs are right and its result is not: its weights or its attributes differ from the reference's"


CAUSES: tuple[Callable[[Evidence], str | None], ...] = (
    _not_finite,
    _normalisation,
    _resize,
    _engine,
    _clipped_share,
    _outlier,
    _affine,
    _few_channels,
)


def _list(which: Any) -> str:
    at = np.flatnonzero(which)
    return f"{len(at)} of its {len(which)} channels" if len(at) > 3 else f"channel {', '.join(map(str, at))}"


def _by_channel(values: Float32) -> Float32:
    return values.swapaxes(0, 1).reshape(values.shape[1], -1)


def _correlation(a: Float32, b: Float32) -> float:
    a, b = a - a.mean(), b - b.mean()
    length = float(np.sqrt(np.dot(a, a) * np.dot(b, b)))
    return float(np.dot(a, b)) / length if length else 0.0


def _numbers(values: Float64) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
