"""How a run tells people where it is: bars and lines while it goes on, files after epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from accelerate import Accelerator
from tqdm import tqdm

from edgeseg.training.history import History
from edgeseg.training.pace import Pace, TimeLeft, in_words
from edgeseg.training.reports import Row
from edgeseg.training.verdict import Verdict
from edgeseg.training.voice import ALOUD, Voice

SAVE_EVERY_S = 60.0
STEPS_BEFORE_A_WORD = 100


class Reporter:
    """Says once, by the main process, what each of several would say.

    Args:
        accelerator: knows which process this is.
        voice: where what is said goes.
    """

    def __init__(self, accelerator: Accelerator, voice: Voice = ALOUD) -> None:
        self._voice = voice
        self.left = TimeLeft()
        self._accelerator = accelerator
        self._saved_at, self._warned = -math.inf, False

    def say(self, text: str) -> None:
        """Print a line about the run."""
        if self._accelerator.is_main_process:
            self._voice.say(text)

    def bar(self, items: Any, title: str, total: int | None = None) -> Any:
        """Show a progress bar on a terminal; in a log, a line now and then."""
        total = len(items) if total is None else total
        if not self._accelerator.is_local_main_process:
            return tqdm(items, disable=True)
        if self._voice.on_progress is not None:
            return tqdm(self._voice.watch(items, title, total), disable=True)
        return tqdm(self.left.watch(items, title, total), title, total, disable=None, leave=False, dynamic_ncols=True)

    def expect(self, text: str, steps_left: int, validations_left: int, pace: Pace | None, resumed: bool) -> None:
        """Say how long the run is and will take.

        Args:
            text: its length in steps and epochs.
            steps_left: until its end.
            validations_left: until its end.
            pace: seconds that each takes, or None where nobody measured.
            resumed: it goes on from a checkpoint.
        """
        self.left.steps_left, self.left.validations_left = steps_left, validations_left
        self.left.expect(pace)
        if resumed:
            text += f"; {steps_left} are left"
        if pace and self.left.left_s is not None:
            text += f"; {pace.step_s:.2g} s a step here, about {in_words(self.left.left_s)} in all"
        if self._accelerator.is_main_process:
            self._voice.note(text)

    def show_step(self, bar: Any, mean_loss: float, history: History) -> None:
        """Show how the epoch goes, on its bar and in the next line of a log."""
        best = f", best val mIoU {history.best:.3f}" if history.best_scores else ""
        self.left.state = f"loss {mean_loss:.3f}{best}"
        left = in_words(self.left.left_s or 0)
        bar.set_postfix(loss=f"{mean_loss:.3f}", miou=f"{max(history.best, 0):.3f}", left=left)

    def is_due(self, scored: bool, sparse: bool) -> bool:
        """Tell whether this process saves and reports an epoch: of a sparse run, those validated, and one a minute."""
        due = scored or not sparse or time.monotonic() - self._saved_at >= SAVE_EVERY_S
        return due and self._accelerator.is_main_process

    def end_epoch(self, row: Row, epochs: int, improved: bool) -> None:
        """Say what came of an epoch that was saved."""
        score = "" if math.isnan(row["miou"]) else f"  val mIoU {row['miou']:.4f}{' *' if improved else ''}"
        self.say(f"epoch {row['epoch']:.0f}/{epochs}  loss {row['loss']:.4f}{score}  {row['seconds']:.1f} s")
        self._saved_at = time.monotonic()

    def warn_when_nothing_is_learned(
        self, done: int, epochs: int, steps_an_epoch: int, judge: Callable[[], Verdict]
    ) -> None:
        """Say so once, when a third of the run is over and something could have been learned."""
        if self._warned or done * steps_an_epoch < STEPS_BEFORE_A_WORD or 3 * done < epochs:
            return
        self._warned = True
        if not (verdict := judge()).learned:
            self._voice.warn(f"by epoch {done} of {epochs} nothing is learned yet: {' and '.join(verdict.why)}")
