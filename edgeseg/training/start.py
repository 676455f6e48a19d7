"""Where a run starts: fresh weights, published ones, a checkpoint; and whether a resumed run is the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from edgeseg.errors import CheckpointError
from edgeseg.models.registry import build_model, full_options, load_pretrained
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import LoadedModel, load_model, read_checkpoint
from edgeseg.training.fake_quant import FakeQuantised
from edgeseg.training.settings import TrainSettings


def first_network(settings: TrainSettings, spec: ModelSpec) -> nn.Module:
    """Build the network before the first step.

    Raises:
        CheckpointError: ``settings.start_from`` is no checkpoint, or holds another network or other classes.
        UserError: no such network, or no published weights for it.
    """
    if settings.start_from:
        return _same_network(load_model(settings.start_from), settings, spec).train()
    model = build_model(settings.model, spec, settings.options)
    if settings.pretrained:
        load_pretrained(settings.model, model, spec)
    return model


def _same_network(loaded: LoadedModel, settings: TrainSettings, spec: ModelSpec) -> nn.Module:
    path = settings.start_from
    check_same_classes(loaded.spec.classes, spec.classes, f"{path} was trained on", "Start")
    found = {"model": loaded.architecture["name"], "options": _full(loaded.architecture)}
    wanted = {"model": settings.model, "options": full_options(settings.model, settings.options)}
    for name in ("task", "color_order", "mean", "std", "resize"):
        found[name], wanted[name] = getattr(loaded.spec, name), getattr(spec, name)
    for name, value in found.items():
        if value != wanted[name]:
            raise CheckpointError(
                f"{path} has {name} {value!r}, this run asks for {wanted[name]!r}. "
                "Start with the settings it was trained with, or without it."
            )
    return loaded.model


def _full(architecture: Any) -> dict[str, Any]:
    return full_options(architecture["name"], architecture["options"])


def deploy(model: nn.Module) -> nn.Module:
    """Take off what ``qat`` puts around a network: what is left is what a checkpoint holds."""
    return model.net if isinstance(model, FakeQuantised) else model


def read_resume(path: Path, spec: ModelSpec, settings: TrainSettings) -> dict[str, Any]:
    """Read what a run goes on from out of its ``last.pt``.

    Raises:
        CheckpointError: it is no checkpoint, holds no such state, or belongs to another run.
    """
    values = read_checkpoint(path)
    state: dict[str, Any] | None = values.get("resume")
    if state is None:
        raise CheckpointError(f"{path} holds no optimiser state; resume from a last.pt.")
    classes = ModelSpec.from_json(values["spec"]).classes
    check_same_classes(classes, spec.classes, f"{path} was trained on", "Resume")
    check_same_run(state["identity"], settings.identity(), path)
    return state


def check_same_run(found: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    """Refuse to resume with settings that the run was not started with.

    Raises:
        CheckpointError: a setting differs.
    """
    found, wanted = _complete(found), _complete(wanted)
    for key in sorted(set(found) | set(wanted)):
        if found.get(key) != wanted.get(key):
            raise CheckpointError(
                f"{path} was trained with {key} {found.get(key)!r}, this run asks for {wanted.get(key)!r}. "
                "Resume with the same settings, or start a new run."
            )


def check_same_classes(found: tuple[str, ...], wanted: tuple[str, ...], what: str, verb: str) -> None:
    """Refuse data of other classes than a checkpoint's.

    Args:
        found: the checkpoint's.
        wanted: the data's.
        what: start of the sentence, ``last.pt was trained on``.
        verb: of the advice, ``Resume``.

    Raises:
        CheckpointError: they differ.
    """
    if found != wanted:
        raise CheckpointError(
            f"{what} {len(found)} classes ({', '.join(found)}), the data has {len(wanted)} "
            f"({', '.join(wanted)}). {verb} with the data it was trained on, or start a new run."
        )


def _complete(identity: dict[str, Any]) -> dict[str, Any]:
    """With the defaults of settings and network options that the writer did not know or did not name."""
    values = {**TrainSettings(out=Path()).identity(), **identity}
    return {**values, "options": full_options(values["model"], values["options"])}
