"""A run put together from its settings: artifact, source, engine, pipeline and sinks."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from edgeseg.artifact import Artifact, artifact_folder
from edgeseg.runtime.analysis.analyzer import Analyzer
from edgeseg.runtime.analysis.settings import AnalysisSettings
from edgeseg.runtime.engines.engine import EngineOptions
from edgeseg.runtime.engines.placement import open_told
from edgeseg.runtime.engines.threshold import ChangeableThreshold
from edgeseg.runtime.events.event import OnEvent, event_to_stderr
from edgeseg.runtime.output_check import check_outputs
from edgeseg.runtime.pipeline import Pipeline
from edgeseg.runtime.service.heartbeat import Progress
from edgeseg.runtime.session.settings import RunSettings
from edgeseg.runtime.sinks.open_sinks import open_sinks
from edgeseg.runtime.sinks.save_target import save_target
from edgeseg.runtime.sinks.window import check_display
from edgeseg.runtime.sources.selected import open_selected
from edgeseg.runtime.sources.source import Report, report_to_stderr
from edgeseg.runtime.summary import Summary
from edgeseg.runtime.system.core_plan import opencv_in
from edgeseg.spec import Threshold


class RunSession:
    """A run whose source and engine are open; leaving the ``with`` block closes both.

    Args:
        settings: of the run.
        on_event: takes what happens, from any thread.
        report: takes sentences about single pictures.

    Attributes:
        source: open, as it was asked for.
        threshold: what pixels need to keep their class; may be changed while this runs.
        analyzer: finds out what masks mean; its settings may be changed while this runs.
        pipeline: from the source through the engine.
        sinks: where results go; the pipeline closes them.
        plan: how the cores are shared.

    Raises:
        UserError: settings that cannot be meant here, or outputs that lie over what is read.
        EnvironmentFault: this machine lacks what they need.

    Example::

        with RunSession(RunSettings(Path("cells-int8-openvino"), SourceSettings("street.mp4"))) as session:
            summary = session.run()
    """

    def __init__(
        self, settings: RunSettings, on_event: OnEvent = event_to_stderr, report: Report = report_to_stderr
    ) -> None:
        check_run(settings)
        artifact = Artifact.open(settings.artifact)
        self.threshold = ChangeableThreshold(artifact, settings.threshold)
        self.analyzer = Analyzer(artifact.spec, settings.analysis)
        from edgeseg.runtime.tuning.choose import plan_slots

        outputs, paced = settings.outputs, settings.outputs.show
        with ExitStack() as held:
            self.source = held.enter_context(open_selected(settings.source, report, on_event, paced))
            options = EngineOptions(
                settings.device,
                precision=settings.precision,
                may_build=settings.may_build,
                threads=settings.threads,
                on_event=on_event,
            )
            cameras = max(1, len(self.source.names))
            self.plan, options = plan_slots(artifact, settings.slots, options, self.source.live, cameras)
            held.enter_context(opencv_in(self.plan.opencv))
            self._engine = open_told(artifact, options)
            limits = (settings.max_frames, on_event, settings.when_changed)
            self.pipeline = Pipeline(self._engine, self.source, self.plan.slots, self.threshold, *limits)
            address, stop = settings.source.source, self.pipeline.stop
            self.sinks = open_sinks(outputs, artifact, self.source, address, on_event, report, stop)
            if outputs.metrics:
                from edgeseg.runtime.sinks.exporter import MetricsSink

                self.sinks.append(MetricsSink(outputs.metrics, artifact.spec, lambda: self.pipeline.lost))
            held.callback(self._close_engine)
            self._held = held.pop_all()

    @property
    def stuck(self) -> bool:
        """Whether a thread hangs in native code, which only the end of the process ends."""
        return self.pipeline.stuck

    def progress(self) -> Progress:
        """Tell how far it is; from any thread."""
        pipeline = self.pipeline
        return Progress(pipeline.frames, pipeline.busy_s, True, pipeline.idle, self.source.waiting)

    def run(self, on_frame: Callable[[], object] = lambda: None) -> Summary:
        """Run until the source ends, the pipeline is stopped, or an error; once.

        Args:
            on_frame: called in this thread after each result was handed to the sinks.

        Raises:
            EdgesegError: what the source, the engine or a sink raised, after the sinks were closed.
        """
        return self.pipeline.run(self.sinks, on_frame, self.analyzer)

    def change(self, threshold: Threshold | None, analysis: AnalysisSettings) -> None:
        """Change what masks show and what is looked for in them, both or neither, while this runs; from any thread.

        Args:
            threshold: see :class:`~edgeseg.runtime.session.settings.RunSettings`.
            analysis: what is looked for from the next frame on.

        Raises:
            UserError: one of them cannot be meant here; then everything stays as it is.
        """
        self.analyzer.check(analysis)
        self.threshold.change(threshold)
        self.analyzer.change(analysis)

    @contextmanager
    def stop_on_signals(self, supervised: bool = False) -> Iterator[None]:
        """Let the first SIGINT or SIGTERM finish the outputs, and a second one kill as usual.

        Under a supervisor, whose business that is, a second one does nothing: a service manager that asks a whole
        process group, and the supervisor too, would else kill what is finishing.
        """
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_IGN if supervised else handler)

        def stop(_number: int, _frame: FrameType | None) -> None:
            restore()
            self.pipeline.stop()

        for number in before:
            signal.signal(number, stop)
        try:
            yield
        finally:
            restore()

    def close(self) -> None:
        """Close engine and source; a second call does nothing."""
        self._held.close()

    def __enter__(self) -> RunSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _close_engine(self) -> None:
        if not self.stuck:
            self._engine.close()


def check_run(settings: RunSettings) -> None:
    """Find out what can be known to be wrong before the work.

    Raises:
        UserError: what is asked of an output makes no sense.
        OutputError: an output cannot be written, or lies over something that this run reads.
    """
    outputs, source = settings.outputs, settings.source
    target = save_target(outputs.save, source.source) if outputs.save else None
    outputs.policy(source.live).check()
    outputs.rotation(live=True).check()
    outputs.check_meant(records=bool(target and target.video))
    files = [path for path in (target and (target.video or target.picture), outputs.jsonl) if path]
    others = [artifact_folder(settings.artifact), *([settings.config] if settings.config else [])]
    overlays, deletes = target.folder if target else None, bool(outputs.save_every and outputs.keep)
    check_outputs(files, outputs.save_masks, source.source, others, overlays, deletes)
    for folder in outputs.training_folders:
        check_outputs([], folder, source.source, others)
    if outputs.show:
        check_display()
