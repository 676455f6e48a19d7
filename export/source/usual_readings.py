"""Was the network trained on pictures prepared as somebody says? The usual ways are tried on labelled ones.

Nobody can see in a file whether its pixels were RGB or BGR, 0..1 or 0..255. On pictures with masks it shows: read
wrongly, a network labels less of them rightly.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeseg.export.source.reference_engine import ReferenceEngine
from edgeseg.export.source.source_net import SourceNet
from edgeseg.image import UInt8
from edgeseg.proof.samples import Samples, UnreadableImageError
from edgeseg.runtime.engines.predictor import Predictor
from edgeseg.spec import ModelSpec

Bool = npt.NDArray[np.bool_]
FEWEST, MOST = 4, 12
"""Pictures that are tried; under four nothing can be said."""
LONGEST_S = 20.0
CLEAR_POINTS = 2.0
"""How many points of mean IoU another reading must gain. Between right readings of a network that does not care for
colours lies less."""
_T = {3: 10.21, 4: 7.17, 5: 5.89, 6: 5.21, 7: 4.79, 8: 4.50, 9: 4.30, 10: 4.14, 11: 4.02}
"""Student's t at 99.9 %, one-sided, by degrees of freedom: eight readings are tried, so that by chance alone one in
about 125 right files would be doubted, were it not for :data:`CLEAR_POINTS`."""
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_GREY_IMAGENET = ((0.449,), (0.226,))


@dataclass(frozen=True)
class Better:
    """Another reading that scores clearly more than the one that was given.

    Attributes:
        spec: with that reading.
        points, given_points: mean IoU over the pictures, 0..100.
        wins, pictures: on how many of how many it scores more.
    """

    spec: ModelSpec
    points: float
    given_points: float
    wins: int
    pictures: int

    def sentence(self, source: str) -> str:
        """Word it, with what to give."""
        return (
            f"With pixels read as {name_reading(self.spec)} this network reaches a mean IoU of {self.points:.1f} on "
            f"{self.pictures} pictures of {source}, as given {self.given_points:.1f} (more on {self.wins} of "
            f"{self.pictures}): it was probably trained so. Nothing was changed; if it was, give "
            f"{_name_settings(self.spec)}."
        )


def find_better_reading(source: SourceNet, samples: Samples) -> Better | None:
    """Find the usual reading that scores clearly more than the given one, if there is any.

    Args:
        source: a network whose preparation is somebody's word.
        samples: labelled pictures; a few are tried, within about 20 s.

    Returns:
        The best of those that gain :data:`CLEAR_POINTS` and do so over the pictures with a confidence of 99.9 %
        (Student's t of the paired differences); None where the given one may stand.
    """
    if not (source.is_foreign and samples.labelled):
        return None
    tried = [source.spec, *usual_readings(source.spec, source.takes_pixels)]
    pictures = _read_pictures(samples)
    start = time.monotonic()
    given = [_score(source, tried[0], *picture, samples.ignore_index) for picture in pictures[:FEWEST]]
    if len(given) < FEWEST:
        return None
    a_picture = (time.monotonic() - start) / FEWEST
    count = int(np.clip(LONGEST_S / (len(tried) * max(a_picture, 1e-6)), FEWEST, len(pictures)))
    chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, count).round().astype(int)]
    scores = [_scores(source, spec, chosen, samples.ignore_index) for spec in tried]
    found = [_judge(spec, score, scores[0]) for spec, score in zip(tried[1:], scores[1:], strict=True)]
    return max((one for one in found if one is not None), key=lambda one: one.points, default=None)


def score_readings(source: SourceNet, samples: Samples) -> list[tuple[ModelSpec, float]]:
    """Score the usual readings of a network's pixels on labelled pictures.

    Args:
        source: a network, with any reading.
        samples: labelled pictures; at most :data:`FEWEST` are used, so that somebody can wait for it.

    Returns:
        Specs with mean IoU over the pictures, 0..100, the best first; none where no picture has a mask.
    """
    pictures = _read_pictures(samples)[:FEWEST] if samples.labelled else []
    tried = [source.spec, *usual_readings(source.spec, source.takes_pixels)]
    scores = [
        (spec, float(np.mean(_scores(source, spec, pictures, samples.ignore_index)))) for spec in tried if pictures
    ]
    return sorted(scores, key=lambda scored: -scored[1])


def usual_readings(spec: ModelSpec, takes_pixels: bool = False) -> list[ModelSpec]:
    """List the usual readings of pixels that are not the one of ``spec``.

    >>> len(usual_readings(ModelSpec("binary", ("background", "road"), 64, 64)))
    7
    """
    orders = ("gray",) if spec.color_order == "gray" else ("rgb", "bgr")
    found = [_reading(spec, order, *scale) for order in orders for scale in _scales(order, spec, takes_pixels)]
    return [one for one in found if not _is_same(one, spec)]


def name_reading(spec: ModelSpec) -> str:
    """Word a reading: ``BGR, 0..255``."""
    scale = next(name for name, mean, std in _named_scales(spec.color_order) if _are_near(spec, mean, std))
    return f"{spec.color_order.upper()}, {scale}"


def _named_scales(order: str) -> list[tuple[str, tuple[float, ...], tuple[float, ...]]]:
    channels = 1 if order == "gray" else 3
    mean, std = _GREY_IMAGENET if order == "gray" else _IMAGENET
    turned = (mean[::-1], std[::-1]) if order == "bgr" else (mean, std)
    return [
        ("0..1", (0.0,) * channels, (1.0,) * channels),
        ("0..255", (0.0,) * channels, (1 / 255,) * channels),
        ("ImageNet's mean and deviation", *turned),
        ("-1..1", (0.5,) * channels, (0.5,) * channels),
        ("given", (), ()),
    ]


def _scales(order: str, spec: ModelSpec, takes_pixels: bool) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    if takes_pixels:
        return [(spec.mean, spec.std)]
    return [(mean, std) for _, mean, std in _named_scales(order) if mean]


def _reading(spec: ModelSpec, order: str, mean: tuple[float, ...], std: tuple[float, ...]) -> ModelSpec:
    return spec.replace(color_order=order, mean=mean, std=std)


def _is_same(one: ModelSpec, other: ModelSpec) -> bool:
    return one.color_order == other.color_order and _are_near(other, one.mean, one.std)


def _are_near(spec: ModelSpec, mean: tuple[float, ...], std: tuple[float, ...]) -> bool:
    if not mean:
        return True
    return bool(np.allclose(spec.mean, mean, atol=5e-3) and np.allclose(spec.std, std, rtol=0.03, atol=1e-6))


def _name_settings(spec: ModelSpec) -> str:
    order = f"`color_order={spec.color_order!r}`"
    if _are_near(spec, (0.0,) * spec.channels, (1 / 255,) * spec.channels):
        zeros, ones = (0,) * spec.channels, (1,) * spec.channels
        return f"{order}, `mean={zeros}`, `std={ones}` and `value_range=255` (in a ModelSpec, std 1/255)"
    mean, std = (tuple(int(v) if v == int(v) else round(v, 4) for v in values) for values in (spec.mean, spec.std))
    return f"{order}, `mean={mean}` and `std={std}`"


def _read_pictures(samples: Samples) -> list[tuple[UInt8, UInt8]]:
    found = []
    for sample in samples.spread(MOST):
        with contextlib.suppress(UnreadableImageError):
            image, mask = sample.read()
            if mask is not None:
                found.append((image, mask))
    return found


def _scores(
    source: SourceNet, spec: ModelSpec, pictures: Sequence[tuple[UInt8, UInt8]], ignored: int | None
) -> list[float]:
    return [_score(source, spec, image, mask, ignored) for image, mask in pictures]


def _score(source: SourceNet, spec: ModelSpec, image: UInt8, mask: UInt8, ignored: int | None) -> float:
    """Mean IoU of one picture over the labels that its mask shows, 0..100."""
    with Predictor(ReferenceEngine(source.forward, spec, source.predict)) as predict:
        labels = predict(image)
    judged = mask != ignored if ignored is not None else np.ones(mask.shape, bool)
    shown = np.unique(mask[judged])
    ious = [_iou(labels[judged] == label, mask[judged] == label) for label in shown]
    return 100 * float(np.mean(ious)) if ious else 0.0


def _iou(found: Bool, true: Bool) -> float:
    return float((found & true).sum() / max(1, (found | true).sum()))


def _judge(spec: ModelSpec, scores: Sequence[float], given: Sequence[float]) -> Better | None:
    gains = np.subtract(scores, given)
    mean, error = float(gains.mean()), float(gains.std(ddof=1)) / len(gains) ** 0.5
    if mean < CLEAR_POINTS or mean <= _T[min(len(gains) - 1, max(_T))] * error:
        return None
    return Better(spec, float(np.mean(scores)), float(np.mean(given)), int((gains > 0).sum()), len(gains))
