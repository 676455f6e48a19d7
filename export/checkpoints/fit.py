"""Weights put into the network that they belong to, or a sentence about why they do not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.errors import CheckpointError, UserError
from edgeseg.export.checkpoints.state_dicts import StateDict, is_averaged
from edgeseg.export.checkpoints.surplus import absent_part, is_beside

if TYPE_CHECKING:
    from torch import nn

SHOWN = 3
TRIED = 10
WRAPPERS = ("_orig_mod.", "module.")
"""What ``torch.compile`` and ``DataParallel`` put into names, wherever they were used."""
_COUNTERS = ("num_batches_tracked", "total_ops", "total_params")
"""What files from before PyTorch 0.4.1 lack, and what counters of operations leave behind; no result depends on it."""


@dataclass(frozen=True)
class Match:
    """How the tensors of a file meet those of a network.

    Attributes:
        state: where they lie in the file.
        prefix: what their names have in front that the network's have not.
        tensors: by the network's names.
        missing, unexpected: names without a partner.
        shapes: for each name with another shape, (of the file, of the network).
        beside: names of the file that are not under ``prefix``.
        surplus: parts that the network does not have and that may be left out.
    """

    state: StateDict
    prefix: str
    tensors: Mapping[str, Any]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    beside: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether every tensor of the network is there, and nothing else that results may depend on."""
        return not (self.missing or self.unexpected or self.shapes)

    @property
    def place(self) -> str:
        """Names that lead to them, with dots."""
        return ".".join(part for part in (self.state.place, self.prefix.strip(".")) if part)

    @property
    def is_averaged(self) -> bool:
        """Whether they are an average over training."""
        return is_averaged(self.place)

    @property
    def misses(self) -> int:
        """How many names do not meet."""
        return len(self.missing) + len(self.unexpected) + len(self.shapes)


def load_weights(
    model: nn.Module, found: Sequence[StateDict], path: Path, what: str, ignored: Sequence[str] = ()
) -> list[str]:
    """Put the weights of a file into a network, all of them or none.

    Args:
        model: changed in place.
        found: what the file holds, the likeliest first; the first that fits is taken.
        path: the file, for messages.
        what: how the network was built, for messages.
        ignored: parts of the network that trained and that this one has not, by their names; auxiliary heads are
            known without it.

    Returns:
        A sentence for each thing that a person should know.

    Raises:
        CheckpointError: none of them fits; the message lists what does not meet, and says a likely cause.
        UserError: a name of ``ignored`` that nothing in the file has.
    """
    if not found:
        raise CheckpointError(f"{path} holds no weights by name. Give a file that torch.save wrote of a state_dict().")
    wanted = dict(model.state_dict())
    matches = [_match(state, prefix, wanted, ignored) for state in found for prefix in _prefixes(state, wanted)]
    fitting = sorted((one for one in matches if one.fits), key=lambda one: bool(one.surplus))
    match = next(iter(fitting), None)
    if match is None:
        raise CheckpointError(_refusal(min(matches, key=lambda one: one.misses), wanted, path, what))
    model.load_state_dict(dict(match.tensors), strict=False)
    if strange := [name for name in ignored if name not in match.surplus]:
        raise UserError(f"`ignore_weights` names {strange[0]!r}, and no part of that name is left over in {path}.")
    return list(_notes(match, [one for one in fitting if one is not match], path))


def _prefixes(state: StateDict, wanted: Mapping[str, Any]) -> list[str]:
    """What may stand before the network's names in the file: an average first, then what is shortest."""
    names = _plain(state.tensors)
    some = [name for name in _plain(wanted) if not name.endswith(_COUNTERS)][:TRIED]
    before = {name[: -len(one)] for one in some for name in names if name == one or name.endswith(f".{one}")}
    return [*sorted(before, key=lambda one: (not is_averaged(one), len(one), one))[:TRIED], ""]


def _plain(tensors: Iterable[str]) -> dict[str, str]:
    """Names without what wrappers put in, to the names as they are."""
    found = {}
    for name in tensors:
        plain = name
        for wrapper in WRAPPERS:
            plain = plain.replace(f".{wrapper}", ".").removeprefix(wrapper)
        found[plain] = name
    return found


def _match(state: StateDict, prefix: str, wanted: Mapping[str, Any], ignored: Sequence[str]) -> Match:
    names = _plain(state.tensors)
    inner = {name.removeprefix(prefix): state.tensors[own] for name, own in names.items() if name.startswith(prefix)}
    beside = tuple(own for name, own in names.items() if not name.startswith(prefix))
    targets = _plain(wanted)
    if not set(inner) & set(targets) and (outer := _common_prefix(targets)):
        targets = {name.removeprefix(outer): own for name, own in targets.items()}
    tensors = {targets[name]: tensor for name, tensor in inner.items() if name in targets}
    shapes = {
        name: (tuple(tensor.shape), tuple(wanted[name].shape))
        for name, tensor in tensors.items()
        if tuple(tensor.shape) != tuple(wanted[name].shape)
    }
    missing = tuple(name for name in wanted if name not in tensors and not name.endswith(_COUNTERS))
    over = {name: one for name, one in inner.items() if name not in targets and not name.endswith(_COUNTERS)}
    surplus = _surplus(over, {name: wanted[own] for name, own in targets.items()}, ignored)
    unexpected = tuple(names[prefix + name] for name in over if not _is_under(name, surplus))
    return Match(state, prefix, tensors, missing, unexpected, shapes, beside, surplus)


def _surplus(over: Mapping[str, Any], wanted: Mapping[str, Any], ignored: Sequence[str]) -> tuple[str, ...]:
    """The parts of ``over`` that may be left out."""
    parts: dict[str, dict[str, Any]] = {}
    for name, tensor in over.items():
        if (part := absent_part(name, wanted)) is not None:
            parts.setdefault(part, {})[name] = tensor
    named = [name for name in ignored if any(_is_under(one, [name]) for one in over)]
    return (*named, *(part for part, inside in parts.items() if part not in named and is_beside(part, inside, wanted)))


def _is_under(name: str, parts: Sequence[str]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def _common_prefix(names: Iterable[str]) -> str:
    """A first part that all names have, such as ``model.`` of a network in a wrapper."""
    firsts = {name.partition(".")[0] for name in names}
    return f"{firsts.pop()}." if len(firsts) == 1 else ""


def _notes(match: Match, others: Sequence[Match], path: Path) -> Iterator[str]:
    place = match.place or "the outer ones"
    others = [one for one in others if one.place != match.place]
    if match.is_averaged:
        yield f"{path} holds weights averaged over training; those ({place}) were taken, as what is evaluated."
    elif others:
        yield f"{path} holds several sets of weights that fit; {place} were taken, not {others[0].place}."
    if match.surplus:
        yield (
            f"{path} holds weights of {_some(match.surplus)}, which the network as it is built here does not have: "
            "they were left out."
        )
    if match.beside and not (match.is_averaged or others):
        yield f"{path} holds {_some(match.beside)} beside the network, which does not need it."


def _refusal(match: Match, wanted: Mapping[str, Any], path: Path, what: str) -> str:
    where = f" (under {match.state.place!r})" if match.state.place else ""
    lists = [
        f"missing {_some(match.missing)}" if match.missing else "",
        f"unexpected {_some(match.unexpected)}" if match.unexpected else "",
        f"of another shape {_some([f'{n} {list(a)}, not {list(b)}' for n, (a, b) in match.shapes.items()])}"
        if match.shapes
        else "",
    ]
    listed = "; ".join(one for one in lists if one)
    return f"The weights of {path}{where} are not those of {what}: {listed}. {_cause(match, wanted)}"


def _cause(match: Match, wanted: Mapping[str, Any]) -> str:
    same = len(match.tensors) - len(match.shapes)
    if not match.tensors:
        return "No name is in both: it is another architecture, or the network is built otherwise inside."
    if not (match.missing or match.unexpected):
        first = next(iter(match.shapes.values()))
        if _only_first_sides(match.shapes) and same >= len(match.shapes):
            found, built = first[0][0], first[1][0]
            return f"Probably it was trained for {found} outputs, and this builds {built}: another number of classes."
        inputs = [(a[1], b[1]) for a, b in match.shapes.values() if len(a) == 4 == len(b)]
        if len(match.shapes) == 1 and inputs:
            return f"Probably its pictures had {inputs[0][0]} channels, and this builds a network for {inputs[0][1]}."
        return "Probably it is built narrower or wider than it was trained; give the arguments of its training."
    if not match.missing and not match.shapes:
        return (
            "Everything that this builds is there, and more: probably it was trained with a part that this leaves out. "
            "Build it with the arguments of its training; or name the parts that its results do not depend on: "
            f"`ignore_weights={_parts(match, wanted)}`."
        )
    return f"{same} of {len(wanted)} agree: probably it was trained with other arguments, or is another architecture."


def _parts(match: Match, wanted: Mapping[str, Any]) -> tuple[str, ...]:
    names = [name.removeprefix(match.prefix) for name in _plain(match.unexpected)]
    return tuple(dict.fromkeys(absent_part(name, _plain(wanted)) or name for name in names))


def _only_first_sides(shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]) -> bool:
    return all(len(a) == len(b) and a[1:] == b[1:] for a, b in shapes.values())


def _some(names: Sequence[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
