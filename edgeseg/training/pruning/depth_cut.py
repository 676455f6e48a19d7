"""A shallower U-Net++ out of the deeper one that it was trained in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edgeseg.errors import CheckpointError
from edgeseg.files.atomic import check_writable
from edgeseg.files.output_paths import check_apart
from edgeseg.models.registry import build_model, count_weights
from edgeseg.models.unetpp import prune_depth
from edgeseg.training.checkpoint import LoadedModel, load_model, save_checkpoint


def cut_to_depth(loaded: LoadedModel, depth: int) -> LoadedModel:
    """Cut a network to its head at ``depth``, which gives the very logits that it gave in the whole one.

    Args:
        loaded: a U-Net++ trained with deep supervision; its name and digest are kept.
        depth: levels below the finest to keep.

    Raises:
        CheckpointError: another network.
        UserError: no trained head at that depth.
    """
    if loaded.architecture["name"] != "unetpp":
        raise CheckpointError(
            f"{loaded.name} holds {loaded.architecture['name']}; only a unetpp can be cut to a depth. "
            "Levels of a U-Net are cut when it is exported, with `drop_levels=N` and `data=DIR`."
        )
    state = prune_depth(loaded.model.state_dict(), depth)
    options = {**loaded.architecture["options"], "depth": depth}
    small = build_model("unetpp", loaded.spec, options).eval()
    small.load_state_dict(state)
    return dataclasses.replace(loaded, model=small, architecture={"name": "unetpp", "options": options})


def prune_checkpoint(path: Path, depth: int, out: Path) -> tuple[int, int]:
    """Write a checkpoint of the network cut to its head at ``depth``.

    Args:
        path: a checkpoint of a U-Net++.
        depth: levels below the finest to keep.
        out: the checkpoint to write.

    Returns:
        Trainable numbers before and after.

    Raises:
        CheckpointError, UserError: see :func:`cut_to_depth`.
        OutputError: ``out`` cannot be written, or is ``path`` itself.
    """
    check_writable(out.parent)
    check_apart([out], [path])
    loaded = load_model(path)
    small = cut_to_depth(loaded, depth)
    facts = {"pruned_from": loaded.digest, "depth": depth}
    save_checkpoint(out, small.architecture, small.spec, small.model.state_dict(), facts)
    return count_weights(loaded.model), count_weights(small.model)
