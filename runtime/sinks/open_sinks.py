"""The sinks that a run's settings ask for; each is imported when it is asked for, which keeps the start short."""

from __future__ import annotations

from collections.abc import Callable

from edgeseg.artifact import Artifact
from edgeseg.runtime.events.event import OnEvent
from edgeseg.runtime.frames.source_protocol import Source
from edgeseg.runtime.sinks.class_shares import ShareSink
from edgeseg.runtime.sinks.likeness import trait_ranges
from edgeseg.runtime.sinks.likeness_watch import LikenessSink
from edgeseg.runtime.sinks.painter import Painter
from edgeseg.runtime.sinks.save_target import save_target
from edgeseg.runtime.sinks.settings import OutputSettings
from edgeseg.runtime.sinks.sink import Sink
from edgeseg.runtime.sources.kind import IMAGE, kind_of_source
from edgeseg.runtime.sources.source import Report

ASIDE = (LikenessSink.name, ShareSink.name)
"""Sinks that write nothing: what they miss is no loss."""


def open_sinks(
    outputs: OutputSettings,
    artifact: Artifact,
    source: Source,
    address: str,
    on_event: OnEvent,
    say: Report,
    quit_asked: Callable[[], None],
) -> list[Sink]:
    """Make the sinks of a run; none touches a disk before its first frame.

    Args:
        outputs: what is asked for.
        artifact: gives classes, colours and what INT8 was calibrated on.
        source: open.
        address: what the source was opened from.
        on_event: takes what happens to files.
        say: takes a sentence about a single picture.
        quit_asked: called when the window is closed.

    Raises:
        UserError, OutputError: something that cannot be written, or cannot be meant.
    """
    spec, live = artifact.spec, source.live

    def make_painter() -> Painter:
        return Painter(spec, outputs.legend, say, outputs.view)

    sinks: list[Sink] = []
    if outputs.save:
        sinks.append(_drawing_sink(outputs, artifact, source, address, on_event, make_painter()))
    if outputs.save_masks:
        sinks.append(_mask_sink(outputs, artifact, source, address, on_event))
    if outputs.jsonl:
        from edgeseg.runtime.sinks.jsonl import JsonlSink

        sinks.append(JsonlSink(outputs.jsonl, spec, live, outputs.rotation(live), on_event, outputs.jsonl_masks))
    if outputs.messages.mqtt:
        from edgeseg.runtime.sinks.mqtt_sink import MqttSink

        sinks.append(MqttSink(outputs.messages, spec, source.names, on_event))
    if outputs.webhook:
        from edgeseg.runtime.sinks.webhook_sink import WebhookSink

        sinks.append(WebhookSink(outputs.webhook, outputs.webhook_secret, live, on_event))
    if outputs.show:
        from edgeseg.runtime.sinks.window import WindowSink

        sinks.append(WindowSink(spec, quit_asked, source.names, not live, make_painter()))
    if ranges := trait_ranges(artifact):
        sinks.append(LikenessSink(ranges, on_event))
    if outputs.is_empty and kind_of_source(address) == IMAGE:
        sinks.append(ShareSink(spec))
    return sinks


def _mask_sink(outputs: OutputSettings, artifact: Artifact, source: Source, address: str, on_event: OnEvent) -> Sink:
    """Where masks go, with their frames or without."""
    from edgeseg.runtime.sinks.mask_folder import mask_origin

    assert outputs.save_masks is not None
    spec, live, origin = artifact.spec, source.live, mask_origin(address)
    if outputs.save_frames is None and outputs.min_confidence is None:
        from edgeseg.runtime.sinks.masks import MaskSink

        kept = outputs.masks_keep_bytes(live)
        return MaskSink(outputs.save_masks, spec, source.names, live, kept, origin, on_event)
    from edgeseg.runtime.sinks.training_data import TrainingDataSink, expect_confidence

    if outputs.min_confidence is not None:
        expect_confidence(artifact, outputs.min_confidence)
    return TrainingDataSink(outputs, spec, source.names, live, origin, on_event)


def _drawing_sink(
    outputs: OutputSettings, artifact: Artifact, source: Source, address: str, on_event: OnEvent, painter: Painter
) -> Sink:
    """Where frames with their masks drawn in go."""
    assert outputs.save is not None
    target = save_target(outputs.save, address)
    if target.video is None:
        from edgeseg.runtime.sinks.pictures import PictureSink

        return PictureSink(target, artifact.spec, painter)
    from edgeseg.runtime.sinks.video import VideoSink

    policy = outputs.policy(source.live)
    return VideoSink(target.video, artifact.spec, source.fps, policy, on_event, source.names, painter)
