"""A trace for people and for machines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeseg.console.text_table import format_table
from edgeseg.errors import GateFailed
from edgeseg.export.trace.trace import LayerTrace, Trace
from edgeseg.proof.compare import finite

HEADER = ("depth", "layer", "op", "SNR dB", "own dB", "cosine", "worst channel")
MARK = "<- diverges here"
ENOUGH_DB = 20.0


def traces_text(traces: Sequence[Trace], picture: Path) -> str:
    """Lay out all tables, and say where the picture is."""
    return "\n\n".join([*map(trace_text, traces), f"drawn by depth: {picture}"])


def traces_dict(traces: Sequence[Trace], picture: Path) -> dict[str, Any]:
    """Return plain values for JSON."""
    return {"traces": [trace_dict(trace) for trace in traces], "picture": str(picture)}


def check_traces(traces: Sequence[Trace]) -> None:
    """Raise GateFailed when a layer of any model diverges."""
    if diverging := [trace for trace in traces if trace.finding]:
        raise GateFailed("; ".join(f"{trace.model}: {verdict(trace)}" for trace in diverging))


def trace_text(trace: Trace) -> str:
    """Lay out the table by depth, and say what was found."""
    guilty = trace.finding and trace.finding.layer
    rows = [(*_row(at, one), MARK if one.layer.name == guilty else "") for at, one in enumerate(trace.layers)]
    head = f"{trace.model} against {trace.reference}, {trace.images} images"
    return "\n".join([head, format_table([(*HEADER, ""), *rows], left=(1, 2, 6, 7)), *summary(trace)])


def summary(trace: Trace) -> list[str]:
    """Say the ending, what was left out, and the verdict: one sentence each."""
    lines = [
        f"untouched models: {100 * trace.agreement:.3f} % of the pixels have the same label, logits at "
        f"{decibels(trace.logits.snr_db)} dB",
    ]
    if trace.left_out:
        lines.append(f"left out: {len(trace.left_out)} layers that {trace.model} does not have under that name")
    return [*lines, verdict(trace)]


def verdict(trace: Trace) -> str:
    """Say in one or two sentences where the forms part."""
    if trace.finding is not None:
        layer = next((one for one in trace.layers if one.layer.name == trace.finding.layer), None)
        title = layer.layer.title if layer else trace.finding.layer
        return f"first to diverge: {title}: {trace.finding.cause}."
    weakest = trace.weakest
    return (
        f"no layer diverges: none adds noise over {trace.floor_db:.0f} dB under its signal; most is added by "
        f"{weakest.layer.title} ({decibels(weakest.own.snr_db)} dB).{_together(trace)}"
    )


def _together(trace: Trace) -> str:
    """Many small errors can be one large one, and then no layer is to blame."""
    if trace.logits.snr_db >= ENOUGH_DB:
        return ""
    return (
        f" Together they leave {decibels(trace.logits.snr_db)} dB at the logits: the layers with the lowest own "
        "figures are the first to keep in float."
    )


def trace_dict(trace: Trace) -> dict[str, Any]:
    """Return plain values for JSON; infinite and undefined figures are None, ``exact`` tells them apart."""
    return {
        "reference": trace.reference,
        "model": trace.model,
        "images": trace.images,
        "floor_db": trace.floor_db,
        "agreement": finite(trace.agreement),
        "logits_snr_db": finite(trace.logits.snr_db),
        "untouched_against_traced_db": finite(trace.undisturbed.snr_db),
        "left_out": list(trace.left_out),
        "finding": None if trace.finding is None else {"layer": trace.finding.layer, "cause": trace.finding.cause},
        "verdict": verdict(trace),
        "layers": [_layer_dict(at, one) for at, one in enumerate(trace.layers)],
    }


def _layer_dict(at: int, one: LayerTrace) -> dict[str, Any]:
    worst = one.total.worst_channel
    return {
        "depth": at,
        "name": one.layer.name,
        "op": one.layer.op,
        "weights": one.layer.weights,
        "snr_db": finite(one.total.snr_db),
        "own_snr_db": finite(one.own.snr_db),
        "exact": math.isinf(one.total.snr_db) and one.total.snr_db > 0,
        "cosine": finite(one.total.cosine),
        "worst_channel": worst,
        "worst_channel_snr_db": finite(float(one.total.by_channel_db[worst])),
        "not_finite": one.total.not_finite,
    }


def _row(at: int, one: LayerTrace) -> tuple[str, ...]:
    worst = one.total.worst_channel
    cosine = one.total.cosine
    return (
        str(at),
        one.layer.title,
        one.layer.op,
        decibels(one.total.snr_db),
        decibels(one.own.snr_db),
        "-" if math.isnan(cosine) else f"{cosine:.6f}",
        f"{worst}: {decibels(float(one.total.by_channel_db[worst]))} dB",
    )


def decibels(value: float) -> str:
    """Word a figure: ``exact`` where nothing differs, ``NaN`` where something is not finite."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "exact" if value > 0 else "no signal"
    return f"{value:.1f}"
