"""The flags of ``edgeseg run``, and the settings that they give."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgeseg.console.command import edgeseg_command
from edgeseg.console.quantities import number, number_above, whole
from edgeseg.errors import UserError
from edgeseg.runtime.analysis.settings import WhenChanged
from edgeseg.runtime.cameras.capture.tls_trust import Trust
from edgeseg.runtime.session.settings import RunSettings
from edgeseg.runtime.sinks.messages.settings import MqttSettings
from edgeseg.runtime.sinks.settings import OutputSettings
from edgeseg.runtime.sinks.views.settings import VIEWS, ViewSettings
from edgeseg.runtime.sources.selection import Region, Selection
from edgeseg.runtime.sources.settings import LONGEST_TIMEOUT_S, MOST_FPS, SourceSettings
from edgeseg.verbs.flags.analysis import add_analysis_arguments, read_analysis
from edgeseg.verbs.flags.engine import add_device_arguments, add_slots_argument
from edgeseg.verbs.flags.names import find_flag
from edgeseg.verbs.flags.threshold import read_threshold
from edgeseg.verbs.flags.tile import add_tile_arguments, read_tile_flags

SOURCE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".mp4", ".mov", ".mkv", ".avi", ".webm")
"""Who gives one of these in the place of the artifact means it as the source."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``edgeseg run``."""
    parser.add_argument(
        "artifact", type=Path, nargs="?", metavar="ARTIFACT", help="artifact directory made by edgeseg export"
    )
    _add_source_arguments(parser.add_argument_group("source"))
    add_tile_arguments(parser.add_argument_group("pictures of any size"))
    add_analysis_arguments(parser.add_argument_group("what masks mean"))
    _add_output_arguments(parser.add_argument_group("output"))
    _add_message_arguments(parser.add_argument_group("messages"))
    _add_engine_arguments(parser.add_argument_group("engine"))
    _add_service_arguments(parser.add_argument_group("around the clock"))


def _add_source_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--source",
        help="camera (0, /dev/video0, /dev/v4l/by-id/NAME, csi://0), address (rtsp:// http:// gst:// screen:// "
        "test://cells), video file, image, folder, glob, pattern (f_%%04d.png), or a .streams "
        "file with several cameras",
    )
    group.add_argument(
        "--fps",
        type=number_above(0, MOST_FPS),
        metavar="FPS",
        help="images a second of a folder or pattern (default: 10), or how often a snapshot is asked for (default: 1)",
    )
    group.add_argument("--every", type=whole(1), default=1, metavar="N", help="use one frame of N")
    group.add_argument("--max-fps", type=number_above(0), metavar="FPS", help="use at most so many frames a second")
    group.add_argument("--rotate", type=whole(), choices=(0, 90, 180, 270), default=0, help="turn frames clockwise")
    group.add_argument("--roi", metavar="X,Y,W,H", help="use this part of each frame, in pixels after --rotate")
    group.add_argument(
        "--timeout",
        type=number_above(0, LONGEST_TIMEOUT_S),
        default=5.0,
        metavar="S",
        help="a camera silent for so long is lost",
    )
    group.add_argument("--tls-ca", metavar="FILE", help="PEM file: who may sign certificates of rtsps:// and https://")
    group.add_argument("--tls-fingerprint", metavar="SHA256", help="take this certificate of a camera and no other")
    group.add_argument("--tls-insecure", action="store_true", help="take any certificate, that of an eavesdropper too")
    _add_change_arguments(group)
    group.add_argument("--max-frames", type=whole(1), metavar="N", help="stop after this many frames")


def _add_change_arguments(group: argparse._ArgumentGroup) -> None:
    usual = WhenChanged()
    group.add_argument(
        "--when-changed",
        action="store_true",
        help="fixed cameras: infer only when something has changed, and keep the mask until then",
    )
    group.add_argument(
        "--change",
        type=number(0, 100),
        metavar="PERCENT",
        help=f"of the picture that must have changed for --when-changed (default: {usual.change:g})",
    )
    group.add_argument(
        "--refresh",
        type=number_above(0, 86400),
        metavar="S",
        help=f"with --when-changed infer at least so often (default: {usual.refresh_s:g})",
    )


def read_change(args: argparse.Namespace) -> WhenChanged | None:
    """Read when a mask is to be computed anew; None for with every frame.

    Raises:
        UserError: how much must change is given, and not that it matters.
    """
    given = {"change": args.change, "refresh_s": args.refresh}
    given = {name: value for name, value in given.items() if value is not None}
    if not args.when_changed:
        for name in given:
            raise UserError(f"{find_flag(name)} says when --when-changed infers; give that too, or leave it out.")
        return None
    return WhenChanged(**given)


def _add_output_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--show", action="store_true", help="show the masks in a window; q closes it")
    group.add_argument(
        "--save",
        type=Path,
        metavar="OUT",
        help="with the masks drawn in: OUT.mp4 (.mov, .mkv), of an image OUT.png (.jpg), or a folder",
    )
    group.add_argument("--no-legend", action="store_true", help="no class names on what --save and --show draw")
    _add_view_arguments(group)
    group.add_argument("--save-every", metavar="TIME", help="begin a new file of --save so often, as in 10min")
    group.add_argument(
        "--keep",
        metavar="SIZE",
        help="delete the oldest files of --save-every beyond this, or stop the one file (default: 20GB for cameras)",
    )
    group.add_argument("--save-masks", type=Path, metavar="DIR", help="label indices as PNG, at the frame's size")
    group.add_argument(
        "--save-frames",
        type=Path,
        metavar="DIR",
        help="the frames of --save-masks as PNG; the same DIR for both is a data folder for edgeseg train",
    )
    group.add_argument(
        "--min-confidence",
        type=number(0, 1),
        metavar="P",
        help="pixels of --save-masks that are less sure are void, 255 (0..1; default: every pixel has its label)",
    )
    group.add_argument(
        "--masks-keep",
        metavar="SIZE",
        help="delete the oldest of --save-masks beyond this (default: 10GB for cameras, else all)",
    )
    group.add_argument("--jsonl", type=Path, metavar="FILE", help="one JSON line a frame: times and class shares")
    group.add_argument(
        "--jsonl-every", metavar="TIME|SIZE", help="begin a new file of --jsonl so often or so large, as in 1d or 100MB"
    )
    group.add_argument(
        "--jsonl-keep",
        metavar="SIZE",
        help="delete the oldest files of --jsonl beyond this (default: 1GB for cameras, else all)",
    )
    group.add_argument("--jsonl-masks", action="store_true", help="run lengths of each class in --jsonl too, as COCO's")
    group.add_argument("--json", action="store_true", help="print the summary as JSON")


def _add_view_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--view",
        choices=VIEWS,
        default="overlay",
        help="how --save and --show draw: overlay, mask, side-by-side, outline, blur or replace the background, "
        "privacy (hide the classes), heat (where they were)",
    )
    group.add_argument(
        "--view-classes",
        metavar="CLASS,CLASS",
        help="of --view blur, replace, privacy and heat (default: all but the background)",
    )
    group.add_argument("--opacity", type=number(0, 1), default=0.5, metavar="P", help="of the colours (default: 0.5)")
    group.add_argument(
        "--background", metavar="COLOR|PICTURE", help="of --view replace: #rrggbb or a picture (default: #00b140)"
    )


def _view_settings(args: argparse.Namespace) -> ViewSettings:
    classes = tuple(name.strip() for name in (args.view_classes or "").split(",") if name.strip())
    return ViewSettings(args.view, classes, args.opacity, args.background)


def _add_message_arguments(group: argparse._ArgumentGroup) -> None:
    usual = MqttSettings()
    group.add_argument(
        "--mqtt",
        metavar="ADDRESS",
        help="states and alarms to a broker: mqtt://USER:PASSWORD@HOST:PORT (mqtts:// for TLS)",
    )
    group.add_argument(
        "--mqtt-topic", default=usual.mqtt_topic, metavar="TOPIC", help="topics begin so (default: edgeseg)"
    )
    group.add_argument(
        "--mqtt-every",
        type=number(0, 86400),
        default=usual.mqtt_every_s,
        metavar="S",
        help="between two states of a camera (default: 1)",
    )
    group.add_argument("--mqtt-ca", metavar="FILE", help="PEM file: who may sign the broker's certificate")
    group.add_argument(
        "--mqtt-discovery",
        default=usual.mqtt_discovery,
        metavar="TOPIC",
        help="where Home Assistant looks for new things (default: homeassistant; none: do not tell it)",
    )
    group.add_argument("--webhook", metavar="URL", help="post each alarm there, as JSON")
    group.add_argument(
        "--webhook-secret", type=Path, metavar="FILE", help="file with what --webhook is signed with (HMAC-SHA256)"
    )
    group.add_argument(
        "--metrics", metavar="[HOST:]PORT", help="answer Prometheus there (without HOST: this machine alone)"
    )


def _message_settings(args: argparse.Namespace) -> MqttSettings:
    discovery = "" if args.mqtt_discovery == "none" else args.mqtt_discovery
    return MqttSettings(args.mqtt, args.mqtt_topic, args.mqtt_every, args.mqtt_ca, discovery)


def _add_engine_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--conf",
        type=read_threshold,
        metavar="T",
        help="pixels under this confidence lose their class (0..1, or CLASS=T,CLASS=T; default: the model's)",
    )
    add_device_arguments(group)
    add_slots_argument(group, "inferences at the same time")
    group.add_argument(
        "--no-build", action="store_true", help="TensorRT: fail, naming what differs, instead of building an engine"
    )


def _add_service_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--config", type=Path, metavar="FILE.toml", help="flags from a file, read again on SIGHUP; this line wins"
    )
    group.add_argument("--log-json", action="store_true", help="events as JSON lines on standard error")
    group.add_argument(
        "--status-every", type=number(0), default=60.0, metavar="S", help="say how a camera's run goes; 0: never"
    )
    group.add_argument(
        "--engine-timeout",
        type=number_above(0, 86400),
        default=10.0,
        metavar="S",
        help="an inference that takes longer hangs",
    )
    group.add_argument(
        "--restarts", type=whole(), default=5, metavar="N", help="restarts in 10 minutes before giving up with code 3"
    )
    group.add_argument(
        "--no-supervise", action="store_true", help="run a camera in this process: what kills it ends everything"
    )


def settings_from(args: argparse.Namespace) -> RunSettings:
    """Build the settings of a run.

    Raises:
        UserError: something is missing, or cannot be meant.
    """
    _expect_given(args)
    return RunSettings(
        artifact=args.artifact,
        source=_source_settings(args),
        outputs=_output_settings(args),
        max_frames=args.max_frames,
        when_changed=read_change(args),
        analysis=read_analysis(args),
        threshold=args.conf,
        device=args.device,
        slots=args.slots,
        threads=args.threads,
        precision=args.precision,
        may_build=not args.no_build,
        status_every_s=args.status_every,
        supervise=not args.no_supervise,
        engine_timeout_s=args.engine_timeout,
        restarts=args.restarts,
        log_json=args.log_json,
        summary_json=args.json,
        config=args.config,
        tile=read_tile_flags(args.tile, args.tile_edges),
    )


def _expect_given(args: argparse.Namespace) -> None:
    if args.artifact is not None and args.artifact.suffix.lower() in SOURCE_ENDINGS:
        words = ("run", "ARTIFACT", "--source", args.artifact)
        raise UserError(f"{args.artifact} is not an artifact but something to run one on: {edgeseg_command(*words)}")
    if args.artifact is None or args.source is None:
        from edgeseg.verbs.flags.run_choices import describe_choices  # looks through folders

        raise UserError(describe_choices(args.artifact, args.source))


def _source_settings(args: argparse.Namespace) -> SourceSettings:
    region = Region.parse(args.roi) if args.roi else None
    selection = Selection(args.every, args.max_fps, args.rotate, region)
    trust = Trust.given(args.tls_ca, args.tls_fingerprint, args.tls_insecure)
    return SourceSettings(args.source, selection, args.timeout, trust, args.fps)


def _output_settings(args: argparse.Namespace) -> OutputSettings:
    return OutputSettings(
        show=args.show,
        save=args.save,
        legend=not args.no_legend,
        save_every=args.save_every,
        keep=args.keep,
        save_masks=args.save_masks,
        save_frames=args.save_frames,
        min_confidence=args.min_confidence,
        masks_keep=args.masks_keep,
        jsonl=args.jsonl,
        jsonl_every=args.jsonl_every,
        jsonl_keep=args.jsonl_keep,
        jsonl_masks=args.jsonl_masks,
        view=_view_settings(args),
        messages=_message_settings(args),
        metrics=args.metrics,
        webhook=args.webhook,
        webhook_secret=args.webhook_secret,
    )
