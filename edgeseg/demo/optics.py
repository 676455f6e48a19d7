"""Light through one cell under a phase-contrast microscope, and where its outline runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeseg.demo.culture import Shape

Float32 = npt.NDArray[np.float32]


@dataclass
class Canvas:
    """What is known of each pixel: the nearest cells' depth and the light so far."""

    best: Float32
    second: Float32
    light: Float32
    stain: Float32
    scale: float


@dataclass(frozen=True)
class Patch:
    """A cell's neighbourhood: where it lies and each pixel in the cell's own coordinates."""

    at: tuple[slice, slice]
    u: Float32
    v: Float32
    radial: Float32
    depth: Float32


def outline(canvas: Canvas, cell: Shape) -> Patch | None:
    """Enter a cell into the depth maps; None when it lies outside the picture."""
    at = _window(canvas, cell)
    if at is None:
        return None
    patch = _in_cell_coordinates(canvas, cell, at)
    best, second = canvas.best[at], canvas.second[at]
    np.maximum(second, np.minimum(best, patch.depth), out=second)
    np.maximum(best, patch.depth, out=best)
    return patch


def _window(canvas: Canvas, cell: Shape) -> tuple[slice, slice] | None:
    height, width = canvas.best.shape
    reach = 1.25 * cell.long + 9
    top, left = ((c - reach) * canvas.scale for c in (cell.y, cell.x))
    bottom, right = ((c + reach) * canvas.scale for c in (cell.y, cell.x))
    rows = slice(max(0, int(top)), min(height, max(0, int(bottom))))
    columns = slice(max(0, int(left)), min(width, max(0, int(right))))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def _in_cell_coordinates(canvas: Canvas, cell: Shape, at: tuple[slice, slice]) -> Patch:
    """A bent ellipse with a three-lobed deformation: polynomials only, so exact everywhere."""
    y = (np.arange(at[0].start, at[0].stop, dtype=np.float32)[:, None] / canvas.scale - cell.y).astype(np.float32)
    x = (np.arange(at[1].start, at[1].stop, dtype=np.float32)[None] / canvas.scale - cell.x).astype(np.float32)
    u = x * np.float32(cell.cos / cell.long) + y * np.float32(cell.sin / cell.long)
    v = y * np.float32(cell.cos / cell.short) - x * np.float32(cell.sin / cell.short)
    u2 = u * u
    v = v + np.float32(cell.bend) * (u2 - np.float32(0.4))
    v2 = v * v
    lobes = np.float32(cell.lobe) * u * (u2 - 3 * v2) + np.float32(cell.skew) * v * (3 * u2 - v2)
    radial = np.sqrt(np.maximum(u2 + v2 + lobes, np.float32(1e-4)))
    slope = np.sqrt(u2 * np.float32(cell.long**-2) + v2 * np.float32(cell.short**-2) + np.float32(1e-6))
    return Patch(at, u, v, radial, (1 - radial) * np.sqrt(u2 + v2 + np.float32(1e-4)) / slope)


def own_depth(canvas: Canvas) -> Float32:
    """Measure the pixels from each place to its own cell's membrane; negative outside all cells."""
    return np.minimum(canvas.best, (canvas.best - canvas.second) / 2)


def halo(canvas: Canvas) -> None:
    """Draw the bright fringe of phase contrast around every cell."""
    near = np.clip(1 + canvas.best / 8, 0, 1) * (canvas.best <= 0)
    canvas.light += 46 * near * near


def paint(canvas: Canvas, patch: Patch, cell: Shape, traits: npt.NDArray[np.float64], grain: Float32) -> None:
    """Draw cytoplasm, granules and nucleus of one cell, where it is the uppermost."""
    mine = (patch.depth > 0) & (patch.depth >= canvas.best[patch.at])
    dome = np.maximum(0, 1 - patch.radial * patch.radial)
    wander = round(6 * cell.age)
    grains = _sample(grain, patch, 46, wander + int(traits[7] * 255))
    light = np.float32(-26 + 44 * traits[8]) + np.float32(14) * dome + (10 + 26 * (1 - dome)) * grains
    nucleus = _nucleus(patch, traits)
    core = np.clip(nucleus * 5, 0, 1)
    envelope = np.clip(1 - np.abs(nucleus - np.float32(0.08)) * 12, 0, 1)
    speckle = _sample(grain, patch, 22, int(traits[9] * 255))
    light = light * (1 - 0.6 * core) + core * (10 + 14 * speckle) - 24 * envelope
    canvas.light[patch.at] += light * mine
    glow = core * np.float32(0.25 + 0.75 * traits[0]) * (np.float32(0.75) + 0.5 * speckle) + np.float32(0.10) * dome
    canvas.stain[patch.at] += glow * mine


def _nucleus(patch: Patch, traits: npt.NDArray[np.float64]) -> Float32:
    """Positive inside the nucleus, an ellipse off the cell's centre."""
    u = (patch.u - np.float32(0.3 * (traits[4] - 0.5))) / np.float32(0.36 + 0.12 * traits[5])
    v = (patch.v - np.float32(0.3 * (traits[6] - 0.5))) / np.float32(0.40 + 0.12 * traits[7])
    return np.asarray(1 - (u * u + v * v), np.float32)


def _sample(grain: Float32, patch: Patch, zoom: float, offset: int) -> Float32:
    """The grain that travels with the cell."""
    rows = (patch.v * zoom + (offset + 1024)).astype(np.int32) & 255
    columns = (patch.u * zoom + (3 * offset + 1024)).astype(np.int32) & 255
    return np.asarray(grain[rows, columns], np.float32)


def membrane(canvas: Canvas, own: Float32) -> None:
    """Draw a dark cortex with a bright line inside it, following outlines and seams."""
    inside = own > 0
    dark = np.clip(1 - np.abs(own - np.float32(1.2)) / 1.9, 0, 1)
    bright = np.clip(1 - np.abs(own - np.float32(4.2)) / 1.6, 0, 1)
    canvas.light += (13 * bright - 52 * dark) * inside
