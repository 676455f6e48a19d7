"""Of several results the logits are taken where it is plain which they are, and asked for where it is not."""

from __future__ import annotations

import collections

import pytest
import torch
from torch import nn

from edgeseg.errors import SpecError
from edgeseg.export.checkpoints.one_output import choose_output
from edgeseg.spec import ModelSpec

THREE = ModelSpec("multiclass", ("a", "b", "c"), 16, 24)
TWO = ModelSpec("binary", ("background", "cell"), 16, 24)
Pair = collections.namedtuple("Pair", "edges scores")


class Gives(nn.Module):
    def __init__(self, found: object) -> None:
        super().__init__()
        self.found = found

    def forward(self, x: torch.Tensor) -> object:
        return self.found


def plane(channels: int, part: int = 1) -> torch.Tensor:
    return torch.rand(1, channels, 16 // part, 24 // part)


A, B, SMALL, ONE = plane(3), plane(3), plane(3, 8), plane(1)
TAKEN = {
    "a tensor": (A, A, ""),
    "torchvision": ({"out": A, "aux": B}, A, "out"),
    "Transformers": (collections.OrderedDict(logits=SMALL, hidden_states=(A,)), SMALL, "logits"),
    "a list of one": ([A], A, "0"),
    "auxiliary heads that are smaller": ((A, SMALL, SMALL), A, "0"),
    "a main head that is not the first": ([SMALL, A], A, "1"),
    "edges beside scores": (Pair(ONE, A), A, "scores"),
    "features beside scores": ({"features": plane(64, 4), "scores": SMALL}, SMALL, "scores"),
    "nested": ({"heads": [ONE, A]}, A, "heads.1"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_the_usual_one_is_taken_and_said(name):
    found, wanted, output = TAKEN[name]
    chosen = choose_output(Gives(found), found, None, THREE, True)
    assert chosen.output == output
    assert chosen.module(A) is wanted
    assert (f"{output!r} was taken" in chosen.note) == (
        isinstance(found, dict | list | tuple) and name != "a list of one"
    )


@pytest.mark.parametrize(
    ("found", "spec", "asked", "message"),
    [
        ((A, B), THREE, None, r"gives 0 \[1, 3, 16, 24\], 1 .*Say it: `logits='0'`"),
        ([ONE] * 7, TWO, None, "nothing says which are its logits"),
        ((SMALL, plane(3, 4)), THREE, None, "nothing says"),
        (({"a": plane(9), "b": plane(8)}), THREE, None, "nothing says"),
        ({"out": A, "aux": B}, THREE, "main", "gives no 'main'; it gives out"),
        (A, THREE, "1", "gives no '1'"),
        ("logits", THREE, None, "a str without a tensor"),
        ({}, THREE, None, "a dict without a tensor"),
    ],
)
def test_what_is_not_plain_is_asked_for_with_every_name(found, spec, asked, message):
    with pytest.raises(SpecError, match=message):
        choose_output(Gives(found), found, asked, spec, True)


@pytest.mark.parametrize(("found", "asked", "wanted"), [([ONE, ONE, B], "1", ONE), ({"a": A, "b": [B]}, "b.0", B)])
def test_a_named_one_is_taken_without_a_word(found, asked, wanted):
    chosen = choose_output(Gives(found), found, asked, TWO, True)
    assert chosen.module(A) is wanted
    assert chosen.note == ""
