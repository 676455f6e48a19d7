"""A run over pictures of any size, tile by tile, from its settings to its summary."""

from __future__ import annotations

import glob
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.artifact import Artifact, artifact_folder
from edgeseg.errors import DataError, OutputError, SourceError, UserError
from edgeseg.files.image_files import list_images, match_images
from edgeseg.files.output_paths import is_same
from edgeseg.runtime.engines.engine import EngineOptions
from edgeseg.runtime.engines.placement import open_told
from edgeseg.runtime.engines.slot_pool import SlotPool
from edgeseg.runtime.engines.threshold import threshold_for
from edgeseg.runtime.events.event import Event, OnEvent, event_to_stderr
from edgeseg.runtime.output_check import check_outputs
from edgeseg.runtime.session.settings import RunSettings
from edgeseg.runtime.session.tiled_summary import TiledSummary
from edgeseg.runtime.sinks.class_shares import count_shares
from edgeseg.runtime.sinks.mask_folder import MaskFolder, mask_origin
from edgeseg.runtime.sinks.pictures import overlay_name
from edgeseg.runtime.sinks.save_target import MARK, SaveTarget, save_target
from edgeseg.runtime.sinks.views.settings import ViewSettings
from edgeseg.runtime.sources.files_read import source_files
from edgeseg.runtime.sources.image_sequence import natural_order
from edgeseg.runtime.sources.kind import CAMERA, IMAGE, IMAGES
from edgeseg.runtime.sources.source import Report, report_to_stderr
from edgeseg.runtime.tiles.files import RASTER_SUFFIXES, Output, is_raster, load_picture, mask_output, overlay_output
from edgeseg.runtime.tiles.grid import make_grid
from edgeseg.runtime.tiles.picture import Picture
from edgeseg.runtime.tiles.predictor import plan_for
from edgeseg.runtime.tiles.raster import RasterPicture
from edgeseg.runtime.tiles.raster_files import raster_mask_output, raster_overlay_output
from edgeseg.runtime.tiles.segment import infer_in, segment_bands, void_label
from edgeseg.runtime.tiles.tiling import TilePlan
from edgeseg.runtime.tuning.choose import plan_slots

_OUTPUTS = ("show", "save_every", "keep", "masks_keep", "jsonl", "save_frames", "min_confidence")
_SELECTION = ("every", "max_fps", "rotate", "region")

OnTile = Callable[[int, int], object]
"""Called with the tiles that are done and those that are known of."""


def run_tiled(
    settings: RunSettings,
    on_tile: OnTile = lambda _done, _total: None,
    on_event: OnEvent = event_to_stderr,
    report: Report = report_to_stderr,
) -> TiledSummary:
    """Segment every picture of a source at its own scale, and write what was asked for.

    A picture of several that cannot be read is reported and left out. What is written of a picture is whole or not
    there, whenever this ends.

    Args:
        settings: of the run, with a ``tile``.
        on_tile: is told how far it is, from any thread.
        on_event: takes what happens.
        report: takes sentences about single pictures.

    Raises:
        UserError: what does not go with tiles, or an overlap larger than half of one.
        SourceError, DataError: no picture there, or none that can be read.
        OutputError: something cannot be written.
    """
    paths, target = _check(settings)
    artifact = Artifact.open(settings.artifact)
    threshold = threshold_for(artifact, settings.threshold)
    options = EngineOptions(
        settings.device,
        precision=settings.precision,
        may_build=settings.may_build,
        threads=settings.threads,
        on_event=on_event,
    )
    cores, options = plan_slots(artifact, settings.slots, options)
    with closing(SlotPool(open_told(artifact, options), cores.slots)) as pool:
        spec, tiling = artifact.spec, settings.tile
        assert tiling is not None
        plan = plan_for(tiling, infer_in(pool, spec), spec, artifact.path.name)
        run = _Run(settings, cores.slots, artifact, plan, target, on_event)
        infer = infer_in(pool, spec, threshold)
        summary = run.go(paths, infer, on_tile, report)
    return summary


class _Run:
    def __init__(
        self,
        settings: RunSettings,
        slots: int,
        artifact: Artifact,
        plan: TilePlan,
        target: SaveTarget | None,
        on_event: OnEvent,
    ) -> None:
        self._slots, self._settings, self._spec, self._target = slots, settings, artifact.spec, target
        self.summary = TiledSummary(plan)
        self._labels = np.zeros(256, np.int64)
        self._done = self._total = 0
        self._stems: set[str] = set()
        self._missing = 0
        folder, source = settings.outputs.save_masks, settings.source.source

        def say(kind: str, message: str, reason: str = "", **facts: object) -> None:
            on_event(Event(kind, "masks", message, reason, facts))

        self._masks = MaskFolder(folder, mask_origin(source), False, None, say) if folder else None

    def go(self, paths: list[Path], infer: Any, on_tile: OnTile, report: Report) -> TiledSummary:
        summary, began_s = self.summary, time.monotonic()
        for index, path in enumerate(paths):
            try:
                with closing(RasterPicture(path) if is_raster(path) else load_picture(path)) as picture:
                    self._segment(picture, path, index, infer, on_tile)
            except DataError as error:
                if len(paths) == 1:
                    raise
                summary.skipped += 1
                report(f"skipped: {error}")
        summary.seconds = time.monotonic() - began_s
        if not summary.pictures:
            raise SourceError(f"None of the {len(paths)} images of {self._settings.source.source} could be read.")
        summary.written = self._list_written()
        summary.shares = count_shares(self._labels, self._spec)
        summary.no_data = self._missing / max(summary.pixels, 1)
        return summary

    def _segment(self, picture: Picture, path: Path, index: int, infer: Any, on_tile: OnTile) -> None:
        summary, grid = self.summary, make_grid(*picture.size, self.summary.plan)
        self._total += len(grid)
        counts = np.zeros_like(self._labels)
        empty = missing = 0

        def tick() -> None:
            self._done += 1
            on_tile(self._done, self._total)

        with ExitStack() as stack:
            writers = [stack.enter_context(output) for output in self._outputs(picture, path, index)]
            for band in segment_bands(picture, grid, infer, self._slots, self._spec, tick):
                for write in writers:
                    write(band)
                counts += np.bincount(band.labels.ravel(), minlength=256)
                missing += 0 if band.valid is None else band.valid.size - int(np.count_nonzero(band.valid))
                empty += band.skipped
        counts[void_label(self._spec)] -= missing
        self._labels += counts
        self._missing += missing
        summary.pictures += 1
        summary.tiles += len(grid) - empty
        summary.empty_tiles += empty
        summary.pixels += picture.size[0] * picture.size[1]

    def _outputs(self, picture: Picture, path: Path, index: int) -> Iterator[Output]:
        if isinstance(picture, RasterPicture):
            yield from self._raster_outputs(picture, path, index)
            return
        if self._masks is not None:
            yield mask_output(self._masks, path.name, index, self._spec)
        if self._target is not None:
            folder = self._target.folder
            place = self._target.picture if folder is None else folder / overlay_name(path, folder)
            assert place is not None
            yield overlay_output(place, self._spec, self._settings.outputs.legend)

    def _raster_outputs(self, picture: RasterPicture, path: Path, index: int) -> Iterator[Output]:
        outputs, size, place = self._settings.outputs, picture.size, picture.georeference
        stem = path.stem if path.stem.casefold() not in self._stems else f"{path.stem}_{index:06d}"
        self._stems.add(stem.casefold())
        if outputs.save_masks is not None:
            mask = outputs.save_masks / f"{stem}.tif"
            yield raster_mask_output(mask, size, place, self._spec, mask_origin(self._settings.source.source))
        if self._target is not None:
            drawn = self._target.picture or self._target.path / f"{stem}{MARK}.tif"
            yield raster_overlay_output(drawn, size, place, self._spec, outputs.legend)

    def _list_written(self) -> list[str]:
        found = [self._settings.outputs.save_masks, self._target.path if self._target else None]
        return [str(path) for path in found if path is not None and path.exists()]


def _check(settings: RunSettings) -> tuple[list[Path], SaveTarget | None]:
    """Find out what can be known to be wrong before the work, and which pictures there are."""
    outputs, source = settings.outputs, settings.source
    if source.kind not in (CAMERA, IMAGE, IMAGES) and "://" not in source.source and not Path(source.source).exists():
        raise SourceError(f"There is no picture and no folder {source.source}. Check the path.")
    if source.kind not in (IMAGE, IMAGES):
        what = "a camera" if source.kind == CAMERA else "a video"
        raise UserError(
            f"`tile` is for pictures, and {source.source} is {what}: its frames are resized to the network. For the "
            "frame's own scale export the network with its size, `imgsz=(HEIGHT, WIDTH)`, or run it on a part, "
            "`roi`; single frames that were saved as pictures can be cut into tiles."
        )
    given = [name for name in _OUTPUTS if getattr(outputs, name)]
    given += ["view"] if outputs.view != ViewSettings() else []
    given += [name for name in _SELECTION if getattr(source.selection, name) not in (None, 0, 1)]
    given += [name for name in ("max_frames", "when_changed") if getattr(settings, name) is not None]
    if given:
        raise UserError(f"`{given[0]}` does not go with `tile`: masks go to `save_masks`, overlays to `save`.")
    target = _read_target(outputs.save, source.source) if outputs.save else None
    if target is not None and target.video is not None:
        raise UserError(f"`save={target.video.name!r}` is a video and does not go with `tile`. Name a folder.")
    others = [artifact_folder(settings.artifact), *([settings.config] if settings.config else [])]
    files = [target.picture] if target is not None and target.picture is not None else []
    check_outputs(files, outputs.save_masks, source.source, others, target.folder if target else None)
    paths = _list_pictures(source.source)
    _check_raster_names(paths, settings)
    return paths, target


def _read_target(save: Path, source: str) -> SaveTarget:
    """Read ``save`` as other runs do, and as a TIFF where the source is one."""
    path = Path(source)
    if not (path.is_file() and is_raster(path)):
        return save_target(save, source)
    if save.suffix.lower() in RASTER_SUFFIXES:
        return SaveTarget(picture=save)
    if save.suffix and not save.is_dir():
        raise OutputError(f"`save` of a TIFF in tiles is a TIFF or a folder; found {save.name!r}. Name it .tif.")
    return save_target(save, source)


def _check_raster_names(paths: list[Path], settings: RunSettings) -> None:
    """Refuse a folder in which masks of TIFF pictures would lie over these pictures."""
    folder = settings.outputs.save_masks
    for path in paths if folder is not None else ():
        if folder is not None and is_raster(path) and is_same(folder / f"{path.stem}.tif", path):
            raise OutputError(f"The result for {path} would overwrite it. Choose another folder.")


def _list_pictures(source: str) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        return natural_order(list_images(path))
    if path.is_file():
        return [path]
    return natural_order(match_images(source) if glob.has_magic(source) else source_files(source))
