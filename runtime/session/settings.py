"""Everything that a run is told, in one frozen value that another process can be sent."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from edgeseg.console.quantities import number, number_above, whole
from edgeseg.errors import UserError
from edgeseg.runtime.analysis.settings import AnalysisSettings, WhenChanged
from edgeseg.runtime.engines.precision_names import PRECISIONS
from edgeseg.runtime.sinks.settings import OutputSettings
from edgeseg.runtime.sources.settings import SourceSettings
from edgeseg.runtime.tiles.tiling import Tiling
from edgeseg.runtime.tuning.slots import Slots, expect_slots
from edgeseg.spec import Threshold


@dataclass(frozen=True)
class RunSettings:
    """What a run does.

    Attributes:
        artifact: directory of the artifact.
        source: what is read.
        outputs: where masks go.
        max_frames: end after so many results; None for never.
        when_changed: infer only frames that differ from the last one that was inferred; None for every frame.
        analysis: what is looked for in masks: regions, zones, alarms.
        threshold: pixels under this confidence lose their class, 0..1, or one a class by its name; None for the
            model's own.
        device: the engine's name of a device.
        slots: inferences at the same time; ``auto``: measured here, for latency of one camera and for throughput of
            files and of several cameras; ``latency`` or ``throughput``: measured for that.
        threads: of the engine, all slots together; None for every core, or what was measured.
        precision: of the layers in float, see :class:`~edgeseg.runtime.engines.engine.EngineOptions`; None for the one
            that the artifact was proven in.
        may_build: whether TensorRT may build an engine where none fits this device.
        status_every_s: how often a camera's run says how it goes; 0 for never.
        supervise: run a camera in a worker that is replaced when it crashes or hangs.
        engine_timeout_s: an inference that takes longer hangs, and its worker is replaced.
        restarts: of the worker in ten minutes, before its supervisor gives up.
        log_json: events as JSON lines.
        summary_json: the summary as JSON.
        tile: pictures keep their own scale and are cut into tiles, see :mod:`edgeseg.runtime.session.tiled`; None:
            they are resized to the network.
        config: the file that these settings come from, over which nothing may be written.

    Raises:
        UserError: a value that cannot be meant.

    Example:
        >>> from pathlib import Path
        >>> settings = RunSettings(Path("cells-int8-openvino"), SourceSettings("rtsp://camera/stream"), slots=1)
        >>> RunSettings.from_json(settings.to_json()) == settings
        True
    """

    artifact: Path
    source: SourceSettings
    outputs: OutputSettings = field(default_factory=OutputSettings)
    max_frames: int | None = None
    when_changed: WhenChanged | None = None
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    threshold: Threshold | None = None
    device: str = "CPU"
    slots: Slots = 2
    threads: int | None = None
    precision: str | None = None
    may_build: bool = True
    status_every_s: float = 60.0
    supervise: bool = True
    engine_timeout_s: float = 10.0
    restarts: int = 5
    log_json: bool = False
    summary_json: bool = False
    config: Path | None = None
    tile: Tiling | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.artifact, Path):
            raise UserError(f"`artifact` is a pathlib.Path; found {self.artifact!r}.")
        if self.max_frames is not None:
            whole(1).expect("max_frames", self.max_frames)
        if self.threshold is not None:
            several = self.threshold if isinstance(self.threshold, Mapping) else {"": self.threshold}
            for value in several.values():
                number().expect("threshold", value)
        if self.precision is not None and self.precision not in PRECISIONS:
            raise UserError(f"`precision` is one of {', '.join(PRECISIONS)}; found {self.precision!r}.")
        expect_slots(self.slots)
        if self.threads is not None:
            whole(1, 1024).expect("threads", self.threads)
        whole().expect("restarts", self.restarts)
        number(0).expect("status_every_s", self.status_every_s)
        number_above(0).expect("engine_timeout_s", self.engine_timeout_s)

    def to_json(self) -> str:
        """Write one line of JSON; it holds the passwords of addresses, so it goes to no log and no command line."""
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> RunSettings:
        """Read what :meth:`to_json` wrote."""
        settings: RunSettings = _read(cls, json.loads(text))
        return settings


def _read(kind: Any, value: Any) -> Any:
    """Build a value of a field's type, nested dataclasses included, from what JSON made of it."""
    kinds = get_args(kind) or (kind,)
    if value is None:
        return None
    if get_origin(kind) is tuple:
        return tuple(_read(kinds[0], each) for each in value)
    if Path in kinds:
        return Path(value)
    found: Any = next((one for one in kinds if dataclasses.is_dataclass(one)), None)
    if found is not None:
        hints = get_type_hints(found)
        return found(**{name: _read(hints[name], each) for name, each in value.items()})
    return value
