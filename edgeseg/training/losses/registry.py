"""Losses by name; ``a+b`` is their sum."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from edgeseg.errors import UserError
from edgeseg.spec import ModelSpec
from edgeseg.training.losses.dice import dice_loss
from edgeseg.training.losses.losses import Loss, binary_cross_entropy, class_weights, cross_entropy, focal
from edgeseg.training.losses.lovasz import lovasz
from edgeseg.training.losses.multilabel import multilabel_cross_entropy, multilabel_dice, positive_weights

BOTH = ("binary", "multiclass")
DEFAULTS = {"binary": "bce", "multiclass": "ce", "multilabel": "bce"}


@dataclass(frozen=True)
class Term:
    """One loss of a sum.

    Attributes:
        tasks: which it fits.
        per_pixel: it takes boundary weights and class weights.
        build: makes it from (K,) class weights.
        several: makes it for a multilabel task, from (K,) weights of each class's shown pixels.
    """

    tasks: tuple[str, ...]
    per_pixel: bool
    build: Callable[[Tensor], Loss]
    several: Callable[[Tensor], Loss] | None = None


def _bce(weights: Tensor) -> Loss:
    ratio = weights[1] / weights[0]
    return lambda logits, target, boundary=None: binary_cross_entropy(logits, target, ratio.to(logits), boundary)


def _several_bce(weights: Tensor) -> Loss:
    return lambda logits, target, boundary=None: multilabel_cross_entropy(logits, target, weights.to(logits))


def _ce(weights: Tensor) -> Loss:
    return lambda logits, target, boundary=None: cross_entropy(logits, target, weights.to(logits), boundary)


def _focal(weights: Tensor) -> Loss:
    return lambda logits, target, boundary=None: focal(logits, target, weights.to(logits), boundary)


TERMS: Mapping[str, Term] = {
    "bce": Term(("binary", "multilabel"), True, _bce, _several_bce),
    "ce": Term(("multiclass",), True, _ce),
    "focal": Term(BOTH, True, _focal),
    "dice": Term((*BOTH, "multilabel"), False, lambda weights: dice_loss, lambda weights: multilabel_dice),
    "lovasz": Term(BOTH, False, lambda weights: lovasz),
}


def make_loss(spec: ModelSpec, pixels: Tensor, mode: str, name: str | None = None, boundary: bool = False) -> Loss:
    """Make the loss of a run.

    Args:
        spec: gives the task.
        pixels: (K,) pixel counts of the training masks, for the class weights of per-pixel terms; (K, 2), not shown
            and shown, for a multilabel task.
        mode: see :func:`~edgeseg.training.losses.losses.class_weights`.
        name: terms of :data:`TERMS` joined by ``+``; None is ``ce``, or ``bce`` for a binary or multilabel task.
        boundary: it will be called with boundary weights.

    Raises:
        UserError: an unknown name (the closest is offered), a loss of another task, or boundary
            weights on a loss without a per-pixel term.
    """
    terms = _terms(name or DEFAULTS[spec.task], spec.task)
    if spec.task == "multilabel":
        return _several(terms, positive_weights(pixels, mode), boundary)
    if boundary and not any(term.per_pixel for term in terms):
        raise UserError(
            f"`boundary_weights` weigh pixels, and `loss={name!r}` has no per-pixel term. "
            f"Add one: `loss='{DEFAULTS[spec.task]}+{name}'`."
        )
    weights = class_weights(pixels, mode)
    return _sum([term.build(weights) for term in terms])


def _several(terms: list[Term], weights: Tensor, boundary: bool) -> Loss:
    if boundary:
        raise UserError(
            "`boundary_weights` keep objects apart where a pixel has one class; a multilabel task has several. "
            "Leave it out."
        )
    return _sum([term.several(weights) for term in terms if term.several is not None])


def check_loss(name: str, task: str) -> None:
    """Refuse a name that :func:`make_loss` would not take, before any data is read."""
    _terms(name, task)


def _terms(name: str, task: str) -> list[Term]:
    parts = name.split("+")
    for part in parts:
        if part not in TERMS:
            raise UserError(_unknown(part, parts, task))
        if task not in TERMS[part].tasks:
            fit = "+".join(DEFAULTS[task] if other == part else other for other in parts)
            raise UserError(
                f"`loss={part!r}` is for {' and '.join(TERMS[part].tasks)} tasks, this one is {task}; use {fit}."
            )
    if len(set(parts)) < len(parts):
        raise UserError(f"`loss={name!r}` names a term twice.")
    return [TERMS[part] for part in parts]


def _unknown(part: str, parts: list[str], task: str) -> str:
    known = [term for term, what in TERMS.items() if task in what.tasks]
    close = difflib.get_close_matches(part, known, 1, 0.0)[0]
    wanted = "+".join(close if other == part else other for other in parts)
    return (
        f"There is no loss {part!r}; did you mean {wanted!r}? For this {task} task: "
        f"{', '.join(known)}, or sums such as {DEFAULTS[task]}+dice."
    )


def _sum(losses: list[Loss]) -> Loss:
    if len(losses) == 1:
        return losses[0]

    def total(logits: Tensor, target: Tensor, boundary: Tensor | None = None) -> Tensor:
        return sum((loss(logits, target, boundary) for loss in losses), logits.new_zeros(()))

    return total
