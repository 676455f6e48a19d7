"""What ``edgeseg export`` asks at a terminal about a network, and the command line that needs no answers."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from edgeseg.console.command import edgeseg_command
from edgeseg.console.questions import Asker, can_ask
from edgeseg.console.terminal import visible
from edgeseg.errors import DataError, SpecError, UnsaidError, UserError
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from edgeseg.export.source.source_net import SourceNet

_MOST_ROUNDS = 3
_IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
_ORDER_FLAGS = ("color_order", "mean")
_FLAGS = ("task", "classes", "imgsz", "color_order", "mean", "std", "value_range")
_TASKS = {
    "multiclass": "one class a pixel",
    "multilabel": "each class is there or not: a pixel may have several of them, or none",
}


class SpecQuestions:
    """Completes the flags of an export by asking for what its network does not say.

    Args:
        args: of ``edgeseg export``; completed in place.
        read: opens the network with what ``args`` says.
        asker: at the terminal.
    """

    def __init__(self, args: argparse.Namespace, read: Callable[[], SourceNet], asker: Asker | None = None) -> None:
        self._args, self._read, self._asker = args, read, asker or Asker()
        self._before = {name: getattr(args, name) for name in _FLAGS}

    def open_source(self) -> SourceNet:
        """Open the network, after asking for what is missing where somebody can answer.

        Raises:
            UnsaidError: something is missing, and nobody can be asked.
            UserError: no answer that could be taken.
        """
        try:
            return self._read()
        except UnsaidError as unsaid:
            if self._args.json or not can_ask():
                raise
            self._asker.say(
                f"{self._args.model} does not say what its pixels and classes mean. "
                "An empty answer takes what stands in brackets; Ctrl-C ends."
            )
            return self._ask_until_read(unsaid)

    @property
    def command(self) -> str | None:
        """The command line that needs no answers; None where nothing was asked."""
        words: list[str] = []
        for name in _FLAGS:
            value = getattr(self._args, name)
            if value != self._before[name]:
                values = value if isinstance(value, list) else [value]
                shown = (f"{one:g}" if isinstance(one, float) else str(one) for one in values)
                words += [f"--{name.replace('_', '-')}", *shown]
        return edgeseg_command("export", *self._args.words, *words) if words else None

    @contextlib.contextmanager
    def say_command(self) -> Iterator[None]:
        """Say at the end, whatever that is, which command line does the same without questions."""
        try:
            yield
        finally:
            if self.command is not None:
                self._asker.say(f"The same without questions:\n  {visible(self.command)}")

    def _ask_until_read(self, unsaid: UnsaidError) -> SourceNet:
        for _ in range(_MOST_ROUNDS):
            try:
                self._ask(unsaid)
                return self._read()
            except UnsaidError as more:
                unsaid = more
            except SpecError as wrong:
                self._asker.say(f"{wrong}\nSo once more:")
        return self._read()

    def _ask(self, unsaid: UnsaidError) -> None:
        args, missing = self._args, unsaid.missing
        if "classes" in missing:
            args.classes = self._ask_classes(unsaid.channels)
        if "task" in missing:
            args.task = tuple(_TASKS)[self._asker.choose("What its output means", tuple(_TASKS.values()))]
        if "imgsz" in missing:
            args.imgsz = self._asker.ask("Height and width of its input", _read_size, "256 256")
        if "color_order" in missing and unsaid.input_size[:1] == (1,):
            args.color_order, missing = "gray", tuple(name for name in missing if name != "color_order")
        if set(_ORDER_FLAGS) & set(missing):
            self._ask_reading(missing)

    def _ask_classes(self, channels: int | None) -> str:
        count = 2 if channels == 1 else channels
        known = self._classes_of_data()
        told = "" if channels is None else f"It gives {channels} channel(s) a pixel. "
        default = "background,foreground" if count == 2 else None
        if count is not None and count > 2:
            default = ",".join(f"class{number}" for number in range(count))
        if known and count in (None, len(known)):
            default = ",".join(known)

        def read(answer: str) -> str:
            names = [name.strip() for name in answer.split(",") if name.strip()]
            if len(names) < 2 or len(set(names)) != len(names):
                raise ValueError(f"Two or more different names with commas between them; found {answer[:60]!r}.")
            if count is not None and len(names) != count:
                raise ValueError(f"{count} names are needed, in label order; found {len(names)}.")
            return ",".join(names)

        return self._asker.ask(f"{told}Names of its classes in label order, with commas", read, default)

    def _classes_of_data(self) -> tuple[str, ...]:
        """Names that the data folder has for the values of its masks; none where it has none."""
        from edgeseg.files.data_layout import read_layout

        data = self._args.eval_data or self._args.data
        with contextlib.suppress(UserError):
            return () if data is None else tuple(read_layout(data).classes)
        return ()

    def _ask_reading(self, missing: Sequence[str]) -> None:
        """Ask how pixels were prepared: by what scores best where there are labelled pictures, else one by one."""
        scored = self._score(missing)
        if scored:
            from edgeseg.export.source.usual_readings import name_reading

            self._asker.say("On the labelled pictures these ways to read its pixels score so:")
            options = [f"{name_reading(spec)}: mean IoU {points:.1f}" for spec, points in scored]
            chosen = self._asker.choose("How it was trained", [*options, "otherwise: numbers of your own"])
            if chosen < len(scored):
                self._take(scored[chosen][0])
                return
        if "color_order" in missing:
            orders = ("RGB (most code but OpenCV's)", "BGR (as OpenCV reads pictures)")
            self._args.color_order = ("rgb", "bgr")[self._asker.choose("Colour order that it was trained on", orders)]
        if "mean" in missing:
            self._ask_scale()

    def _ask_scale(self) -> None:
        args, grey = self._args, self._args.color_order == "gray"
        zeros, ones, halves = ([value] * (1 if grey else 3) for value in (0.0, 1.0, 0.5))
        imagenet = ([0.449], [0.226]) if grey else tuple(v[::-1] if args.color_order == "bgr" else v for v in _IMAGENET)
        known = [(*imagenet, 1), (zeros, ones, 1), (zeros, ones, 255), (halves, halves, 1)]
        names = ["ImageNet's mean and deviation (most pretrained networks)", "0..1 (divided by 255)"]
        names += ["0..255 (as they are)", "-1..1"]
        chosen = self._asker.choose("Pixels as it was trained on them", [*names, "otherwise: numbers of your own"])
        if chosen < len(known):
            args.mean, args.std, args.value_range = known[chosen]
            return
        count = 1 if grey else 3
        args.value_range = (1, 255)[self._asker.choose("Your numbers are for pixels of", ["0..1", "0..255"])]
        args.mean = self._asker.ask(f"Mean, {count} number(s)", lambda text: _read_numbers(text, count))
        args.std = self._asker.ask(f"Deviation, {count} number(s)", lambda text: _read_numbers(text, count, 1e-6))

    def _score(self, missing: Sequence[str]) -> list[tuple[ModelSpec, float]]:
        """The usual readings that agree with what was said, the best first; none without labelled pictures."""
        data = self._args.eval_data or self._args.data
        if data is None:
            return []
        from edgeseg.export.source.usual_readings import score_readings
        from edgeseg.proof.samples import samples_from

        said = {name: getattr(self._args, name) for name in ("color_order", "mean", "std", "value_range")}
        try:
            if "color_order" in missing:
                self._args.color_order = "rgb"
            if "mean" in missing:
                grey = self._args.color_order == "gray"
                self._args.mean, self._args.std = ([0.449], [0.226]) if grey else _IMAGENET
            source = self._read()
            samples = samples_from(data, source.spec, None, self._args.ignore_index, mask_values=self._args.mask_values)
            scored = score_readings(source, samples)
        except DataError as error:
            self._asker.say(f"The readings of its pixels are not tried: {error}")
            return []
        finally:
            vars(self._args).update(said)
        kept = [(spec, points) for spec, points in scored if _agrees(spec, source.spec, missing)]
        if not kept:
            self._asker.say(f"The readings of its pixels are not tried: {data} holds no pictures with masks.")
        return kept

    def _take(self, spec: ModelSpec) -> None:
        args = self._args
        args.color_order = spec.color_order
        is_plain = all(abs(value * 255 - 1) < 1e-6 for value in spec.std)
        args.value_range = 255 if is_plain else 1
        args.mean = [round(value, 4) for value in spec.mean]
        args.std = [1.0] * len(spec.std) if is_plain else [round(value, 4) for value in spec.std]


def _agrees(spec: ModelSpec, given: ModelSpec, missing: Sequence[str]) -> bool:
    if "color_order" not in missing and spec.color_order != given.color_order:
        return False
    return "mean" in missing or (spec.mean, spec.std) == (given.mean, given.std)


def _read_size(text: str) -> list[int]:
    words = text.replace("x", " ").replace(",", " ").split()
    if len(words) not in (1, 2) or not all(word.isdecimal() and 0 < int(word) <= 1 << 16 for word in words):
        raise ValueError(f"One or two whole numbers, as in 256 256; found {text[:40]!r}.")
    return [int(word) for word in words]


def _read_numbers(text: str, count: int, least: float = -1e6) -> list[float]:
    try:
        numbers = [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(least <= number <= 1e6 for number in numbers):
        above = " above 0" if least > 0 else ""
        raise ValueError(f"{count} number(s){above} with spaces between them; found {text[:40]!r}.")
    return numbers
