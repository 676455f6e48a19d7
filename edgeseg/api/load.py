"""Open a model to run it."""

from __future__ import annotations

import logging
from pathlib import Path

from edgeseg.api.model import Model
from edgeseg.artifact import Artifact, open_artifact
from edgeseg.runtime.engines.engine import EngineOptions
from edgeseg.runtime.engines.placement import open_told
from edgeseg.runtime.engines.threshold import threshold_for
from edgeseg.runtime.events.event import Event, OnEvent
from edgeseg.runtime.tuning.choose import plan_slots
from edgeseg.runtime.tuning.slots import Slots, expect_slots
from edgeseg.spec import Threshold

_LOG = logging.getLogger("edgeseg")
_LOG.addHandler(logging.NullHandler())


def log_event(event: Event) -> None:
    """Hand an event to the logger ``edgeseg``, which says nothing unless the program sets up logging."""
    _LOG.warning("%s", event)


def load(
    source: str | Path | Artifact,
    *,
    device: str = "CPU",
    threshold: Threshold | None = None,
    slots: Slots = 1,
    threads: int | None = None,
    precision: str | None = None,
    on_event: OnEvent = log_event,
) -> Model:
    """Open an artifact with the engine that it was made for.

    Args:
        source: the folder of an artifact, a file in it, or an open artifact.
        device: the engine's own name of a device: ``CPU``, ``GPU``, ``cuda:0``...
        threshold: in 0..1, or one a class by its name, instead of the model's own: pixels that are less sure become
            unknown, or background where a class means that; of a multilabel model they do not show the class.
        slots: inferences at the same time. One is fastest for an image at a time; two or more for
            :meth:`Model.predict <edgeseg.api.model.Model.predict>` over many. ``throughput`` (or ``auto``) measures for
            two seconds with how many, and with how many streams and threads of the engine, most images a second are
            segmented here; ``latency`` the same for one image at a time, or one camera. What was measured is kept
            for this model and device.
        threads: CPU threads for all slots together; None for every core, or as many as were measured to be best.
        precision: of the layers in float: ``f32``, ``bf16``, ``f16``, or ``auto``, what the engine likes. None: the one
            that the artifact was proven in last on this kind of device, ``f32`` unless :func:`edgeseg.verify` or an
            export for this machine proved another.
        on_event: is told what happens to compiled models and cameras, and that the masks were not proven on this device
            or in this precision; the logger ``edgeseg`` by default.

    Returns:
        A model that is called with images. Close it, or use it in a ``with`` block.

    Raises:
        ArtifactError: no artifact, or one that was changed.
        UserError: an option out of range, a device that is not there, or ``threshold`` without a confidence output.
        MissingExtra: the engine's package is not installed.
        EngineError: the engine refuses the model.

    Example:
        >>> with edgeseg.load("cells-int8-openvino") as model:
        ...     result = model("photo.png")
        >>> result.labels.shape
        (360, 480)
    """
    artifact = open_artifact(source)
    apply_threshold = threshold_for(artifact, threshold)
    expect_slots(slots)
    options = EngineOptions(device, threads=threads, precision=precision, on_event=on_event)
    plan, options = plan_slots(artifact, slots, options)
    return Model(artifact, open_told(artifact, options), apply_threshold, plan.slots, on_event)
