"""The fewest layers in float, found with few questions."""

from __future__ import annotations

import itertools

import pytest

from edgeseg.calibration.search.bisection import fewest

LAYERS = tuple(f"layer{i}" for i in range(60))


class Asked:
    """Holds when every culprit is in float; counts the questions."""

    def __init__(self, *culprits: int) -> None:
        self.culprits = {LAYERS[i] for i in culprits}
        self.count = 0

    def __call__(self, layers):
        self.count += 1
        return self.culprits <= set(layers)


def test_the_noisiest_layer_alone_takes_one_question():
    asked = Asked(0)
    assert fewest(LAYERS, asked, 30, 14) == ("layer0",)
    assert asked.count == 1


def test_layers_that_are_not_needed_are_dropped_again():
    assert fewest(LAYERS, Asked(2), 30, 14) == ("layer2",)
    assert set(fewest(LAYERS, Asked(0, 4), 30, 14)) == {"layer0", "layer4"}


@pytest.mark.parametrize("depth", range(30))
def test_sixty_layers_never_take_more_questions_than_allowed(depth):
    asked = Asked(depth)
    found = fewest(LAYERS, asked, 30, 14)
    assert found is not None
    assert asked.culprits <= set(found)
    assert asked.count <= 14


def test_the_shortest_prefix_is_found_wherever_it_ends():
    for size in range(1, 31):
        everything_before = Asked(*range(size))
        assert fewest(LAYERS, everything_before, 30, 14) == LAYERS[:size]


def test_nothing_is_found_when_too_many_layers_are_guilty():
    asked = Asked(40)
    assert fewest(LAYERS, asked, 30, 14) is None
    assert asked.count == 6


def test_with_few_layers_the_answer_is_the_smallest_there_is():
    layers = LAYERS[:5]
    for culprits in itertools.chain.from_iterable(itertools.combinations(range(5), n) for n in (1, 2, 3)):
        found = fewest(layers, Asked(*culprits), 5, 14)
        assert set(found) == {layers[i] for i in culprits}


def test_a_network_of_one_layer_has_nothing_to_give_back():
    assert fewest(LAYERS[:1], Asked(0), 0, 14) is None
