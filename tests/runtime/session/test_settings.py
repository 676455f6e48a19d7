"""A run's settings: validated where they enter, and whole after a way through JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeseg.errors import UserError
from edgeseg.runtime.cameras.capture.tls_trust import Trust
from edgeseg.runtime.session.settings import RunSettings
from edgeseg.runtime.sinks.settings import OutputSettings
from edgeseg.runtime.sources.selection import Region, Selection
from edgeseg.runtime.sources.settings import SourceSettings

CAMERA = SourceSettings("rtsp://user:p\xe4ss@camera/stream")
LEAST = RunSettings(Path("model"), CAMERA)
MOST = RunSettings(
    artifact=Path("/srv/model"),
    source=SourceSettings(
        "rtsps://camera/1", Selection(2, 12.5, 90, Region(1, 2, 30, 40)), 7.5, Trust(fingerprint="ab" * 32)
    ),
    outputs=OutputSettings(
        True, Path("o.mkv"), False, "10min", "all", Path("m"), "1GB", Path("l"), "1d", "2GB", Path("f"), 0.8
    ),
    max_frames=9,
    threshold=0.25,
    device="GPU.1",
    slots=4,
    precision="auto",
    may_build=False,
    status_every_s=0.0,
    supervise=False,
    engine_timeout_s=1.5,
    restarts=0,
    log_json=True,
    summary_json=True,
    config=Path("camera.toml"),
)


@pytest.mark.parametrize("settings", [LEAST, MOST])
def test_settings_are_whole_after_a_way_through_json(settings: RunSettings) -> None:
    line = settings.to_json()
    assert "\n" not in line
    assert RunSettings.from_json(line) == settings
    assert isinstance(json.loads(line), dict)


def test_a_path_of_any_bytes_is_whole_after_a_way_through_json() -> None:
    path = Path(b"caf\xe9.jsonl".decode(errors="surrogateescape"))
    settings = RunSettings(Path("model"), CAMERA, OutputSettings(jsonl=path))
    assert RunSettings.from_json(settings.to_json()).outputs.jsonl == path


MISTAKES: list[tuple[Callable[[], object], str]] = [
    (
        lambda: RunSettings(Path("m"), CAMERA, slots=0),
        "`slots` takes auto, latency, throughput or a whole number from 1 to 64; found 0.",
    ),
    (
        lambda: RunSettings(Path("m"), CAMERA, slots=True),
        "`slots` takes auto, latency, throughput or a whole number from 1 to 64; found True.",
    ),
    (lambda: RunSettings(Path("m"), CAMERA, max_frames=0), "`max_frames` takes a whole number of at least 1; found 0."),
    (lambda: RunSettings(Path("m"), CAMERA, threshold=float("nan")), "`threshold` takes a number; found nan."),
    (lambda: RunSettings(Path("m"), CAMERA, engine_timeout_s=0), "`engine_timeout_s` takes a number above 0; found 0."),
    (lambda: RunSettings(Path("m"), CAMERA, restarts=-1), "`restarts` takes a whole number of at least 0; found -1."),
    (lambda: RunSettings("m", CAMERA), "`artifact` is a pathlib.Path; found 'm'."),  # type: ignore[arg-type]
    (lambda: SourceSettings(0), "`source` is a path or an address as text; found 0."),  # type: ignore[arg-type]
    (
        lambda: SourceSettings("0", timeout_s=4000),
        "`timeout_s` takes a number above 0 and of at most 3600; found 4000.",
    ),
    (lambda: OutputSettings(save="o.mp4"), "`save` is a pathlib.Path; found 'o.mp4'."),  # type: ignore[arg-type]
    (lambda: OutputSettings(save_every="soon"), "as in 30s, 10min, 1.5h or 1d; found 'soon'."),
    (lambda: OutputSettings(keep="much"), "as in 500MB, 20GB or 20GiB; found 'much'."),
    (lambda: OutputSettings(jsonl_every="1 banana"), "as in 10min, 1d, 100MB or 1GB; found '1 banana'."),
]


@pytest.mark.parametrize(("make", "sentence"), MISTAKES)
def test_what_cannot_be_meant_is_refused_where_it_enters(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        make()
    assert sentence in str(caught.value)


def test_what_is_kept_of_a_camera_has_a_limit_unless_all_is_asked_for() -> None:
    assert OutputSettings().policy(live=True).keep_bytes == 20_000_000_000
    assert OutputSettings().policy(live=False).keep_bytes is None
    assert OutputSettings(keep="all").policy(live=True).keep_bytes is None
    assert OutputSettings().masks_keep_bytes(live=True) == 10_000_000_000
    assert OutputSettings(jsonl_every="3GB").rotation(live=True).keep_bytes == 6_000_000_000
