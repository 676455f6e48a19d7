"""From weights to a proven artifact, as ``edgeseg export`` does it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edgeseg.files.unfinished import scratch_directory
from edgeseg.zoo.entry import CELLS, SYNTHETIC, ZooEntry

SEED, SCENES = 2027, 24
"""Of the pictures that are drawn: others than those that the demo shows."""


def build_artifact(entry: ZooEntry, weights: Path, folder: Path, model_format: str) -> Path:
    """Export a network and compare its masks with those of the weights as they are.

    Args:
        entry: the network.
        weights: the file, as it was checked.
        folder: where its artifacts go.
        model_format: of the artifact that is wanted; the ``onnx`` artifact is made on the way.

    Returns:
        The artifact's folder.

    Raises:
        GateFailed: the masks differ; nothing is left of that artifact.
        OutputError: the folder cannot be written.
    """
    from edgeseg.export.forms import ExportOptions, export_forms
    from edgeseg.export.source.model_kinds import source_net
    from edgeseg.export.specs.foreign_spec import SpecFlags
    from edgeseg.proof.publishing import OutputOptions

    source = source_net(weights, SpecFlags(), None, entry.spec)
    with _open_pictures(entry) as pictures:
        options = ExportOptions(model_format, data=pictures)
        return export_forms(source, options, OutputOptions(folder, entry.name))[-1].artifact.path


@contextlib.contextmanager
def _open_pictures(entry: ZooEntry) -> Iterator[Path | None]:
    """What the masks are compared on: pictures drawn for that with exact masks, or None for synthetic ones."""
    if entry.proof == SYNTHETIC:
        yield None
        return
    from edgeseg.demo.cells import write_dataset
    from edgeseg.demo.persons import write_persons

    with scratch_directory() as scratch:
        pictures = scratch / entry.proof.replace(" ", "-")
        if entry.proof == CELLS:
            write_dataset(pictures, 0, SCENES, entry.height, SEED)
        else:
            write_persons(pictures, SCENES, entry.height, SEED)
        yield pictures
