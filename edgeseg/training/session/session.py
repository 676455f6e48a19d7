"""One training from what a person asks to the checkpoints."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import Interrupted, OutputError
from edgeseg.files.atomic import check_writable, writing
from edgeseg.files.lock import held
from edgeseg.files.output_paths import check_apart
from edgeseg.spec import ModelSpec
from edgeseg.training.loop import TrainResult, train
from edgeseg.training.session.fit import fit_to_data, make_spec, open_data, warn_of_little, warn_of_stretch
from edgeseg.training.session.request import TrainRequest, choose_network, make_settings
from edgeseg.training.settings import TrainSettings
from edgeseg.training.voice import ALOUD, Voice


@dataclass(frozen=True)
class Training:
    """A training that is over.

    Attributes:
        result: its checkpoints and scores.
        settings: how it was made.
        spec: the contract of the network.
        data: the folder that an export should use.
    """

    result: TrainResult
    settings: TrainSettings
    spec: ModelSpec
    data: Path | str


ReadTeacher = Callable[[Path, ModelSpec, Path, Voice], Path]
"""Called with a teacher of any form, the student's contract, a folder and a voice; a checkpoint or an artifact."""
TEACHER = "teacher"
"""Folder, in that of the run, of a teacher that was exported for it."""


def run_training(asked: TrainRequest, voice: Voice = ALOUD, read_teacher: ReadTeacher | None = None) -> Training:
    """Train what was asked for.

    Args:
        asked: what a person said.
        voice: how it speaks.
        read_teacher: makes a teacher of another form readable; None: it is a checkpoint, an artifact or of the zoo.

    Raises:
        UserError, CheckpointError, DataError, SpecError: see
            :class:`~edgeseg.training.session.request.TrainRequest` and :func:`~edgeseg.training.loop.train`.
        OutputError: ``out`` cannot be written, lies over an input, or another training writes there.
        Interrupted: it was stopped after a whole epoch.
    """
    inputs = [path for path in (asked.weights, asked.teacher) if path]
    check_apart([asked.out / "last.pt", asked.out / "best.pt"], inputs)
    if os.environ.get("RANK", "0") != "0":  # once for all processes of a launch
        voice = dataclasses.replace(voice, warn=str)
    network = choose_network(asked, voice)
    settings = make_settings(asked, network)
    check_writable(asked.out)
    with alone_in(asked.out):
        data = open_data(asked, voice)
        spec = make_spec(asked, network, data, voice)
        settings = fit_to_data(asked, settings, data, spec)
        if settings.distill and read_teacher:
            teacher = read_teacher(settings.distill.teacher, spec, asked.out / TEACHER, voice)
            settings = dataclasses.replace(settings, distill=dataclasses.replace(settings.distill, teacher=teacher))
        warn_of_little(settings, data, voice)
        warn_of_stretch(data, spec, voice)
        try:
            result = train(data, spec, settings, asked.resume, voice)
        except KeyboardInterrupt:
            if (asked.out / "last.pt").is_file():
                raise Interrupted(asked.out) from None
            raise
    was_split = data.root.resolve() == (asked.out / "data").resolve()
    return Training(result, settings, spec, data.root if was_split else asked.data)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other trainings out of ``folder``; the processes of one launch are one training.

    Raises:
        OutputError: another training writes there.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with held(folder) as is_mine:
        if not is_mine:
            raise OutputError(f"Another training writes into {folder}. Wait for it, stop it, or choose another `out`.")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # not empty, as a rule
                folder.rmdir()
