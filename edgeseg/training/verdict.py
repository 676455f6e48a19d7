"""Whether a training has learned anything, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgeseg.metrics.confusion import Confusion
from edgeseg.metrics.multilabel import MultilabelConfusion
from edgeseg.training.losses.losses import VOID, Loss
from edgeseg.training.losses.losses import class_weights as weights_of
from edgeseg.training.losses.multilabel import positive_weights
from edgeseg.training.losses.registry import DEFAULTS

EVERYWHERE = 0.999
"""Share of the pixels from which on one label counts as given everywhere."""
NOTHING_IOU = 0.02
TRIVIAL_SHARE = 0.98
"""A loss over this share of a constant answer's has not fallen below it."""
MANY_STEPS = 500


@dataclass(frozen=True)
class Verdict:
    """What a network that was trained gives.

    Attributes:
        learned: it gives more than one answer for everything.
        why: the observations that speak against it, as sentences' parts; empty when it learned.
        never_found: classes that occur in the truth and that it hardly ever finds.
    """

    learned: bool
    why: tuple[str, ...]
    never_found: tuple[str, ...]


def judge(confusion: Confusion, classes: Sequence[str], loss: float, trivial_loss: float | None) -> Verdict:
    """Judge a network by its scores and by the loss it ended with.

    Args:
        confusion: on the val split.
        classes: names in label order.
        loss: mean of the last epoch.
        trivial_loss: that of the best constant answer (:func:`constant_loss`), or None where the two do not compare.
    """
    occurring = np.flatnonzero(confusion.truth)
    lost = [int(label) for label in occurring if not confusion.iou[label] > NOTHING_IOU]
    several = isinstance(confusion, MultilabelConfusion)
    # Where every pixel has one class, somebody who knows nothing gets the commonest class right.
    right_by_chance = 0 if several else 1
    why = []
    if len(occurring) > right_by_chance:
        if everywhere := _answer_everywhere(confusion, classes, several):
            why.append(f"it answers {everywhere} everywhere")
        elif len(lost) >= len(occurring) - right_by_chance:
            names = ", ".join(classes[label] for label in lost[:4])
            why.append(f"the IoU of {names}{' and others' if len(lost) > 4 else ''} is about 0")
    if trivial_loss is not None and not loss < TRIVIAL_SHARE * trivial_loss:
        why.append(f"its loss ({loss:.3f}) is not below that of one answer for everything ({trivial_loss:.3f})")
    return Verdict(not why, tuple(why), tuple(classes[label] for label in lost))


def _answer_everywhere(confusion: Confusion, classes: Sequence[str], several: bool) -> str:
    """The one answer that is given for everything, or nothing."""
    given = confusion.predicted
    if not several:
        commonest = int(given.argmax())
        return repr(classes[commonest]) if given[commonest] >= EVERYWHERE * max(1, int(given.sum())) else ""
    pixels = max(1, int(confusion.counts.sum()) // len(classes))
    constant = [share for share in given / pixels if not 1 - EVERYWHERE < share < EVERYWHERE]
    if len(constant) < len(classes):
        return ""
    shown = [name for name, count in zip(classes, given, strict=True) if count >= EVERYWHERE * pixels]
    return repr("+".join(shown)) if shown else "no class"


@torch.no_grad()
def constant_loss(loss: Loss, pixels: Tensor, mode: str, targets: Sequence[Tensor], binary: bool) -> float | None:
    """Compute the loss of the best answer that looks at no picture: each class as likely as it is common.

    Args:
        loss: without boundary weights.
        pixels: (K,) pixel counts of the training masks; (K, 2), not shown and shown, for a multilabel task.
        mode: of the class weights (:func:`~edgeseg.training.losses.losses.class_weights`).
        targets: (H, W) int64 masks to take it on.
        binary: one logit.
    """
    if pixels.ndim == 2:
        shown = pixels.double().clamp(min=1)
        logits = (shown[:, 1] / shown[:, 0] * positive_weights(pixels, mode)).log()
    else:
        share = pixels.double().clamp(min=1) * weights_of(pixels, mode).double()
        logits = (share[1:] / share[0]).log() if binary else (share / share.sum()).log()
    known = [target for target in targets if bool((target != VOID).any())]
    if not known:
        return None
    losses = [
        loss(logits.float()[None, :, None, None].expand(1, -1, *target.shape), target[None]).item() for target in known
    ]
    return float(np.mean(losses))


def suggest(verdict: Verdict, steps: int, lr: float, pretrained: bool, loss: str | None, task: str) -> str:
    """Say what to try next, most promising first; settings in backquotes."""
    tries = []
    if steps < MANY_STEPS:
        tries.append(f"a longer training (this one had {steps} steps): `steps={max(1000, 4 * steps)}`")
    if lr > 4e-3:
        tries.append(f"a lower learning rate (now {lr:g}): `lr=0.002`")
    if not pretrained:
        tries.append("a pretrained network: `model='lite-unet', pretrained=True` (extra pretrained)")
    if not loss or "dice" not in loss:
        tries.append(f"a loss that rare classes count in: `loss='{DEFAULTS[task]}+dice'`")
    tries.append("a larger `imgsz` where the objects are only a few pixels wide")
    tries.append("a look at val_batch.png: do truth and picture belong together?")
    return "; ".join(tries)
