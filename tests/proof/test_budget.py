"""Limits that a person gives."""

from __future__ import annotations

import pytest

from edgeseg.errors import UserError
from edgeseg.proof.budget import Budget, budget_for


def test_what_is_not_given_is_the_usual():
    assert budget_for(True) == Budget(0.5, 2.0, 1.0, search=True)
    assert budget_for(False).max_drop == 5
    assert budget_for(True, 0.0, 3, 4, search=False) == Budget(0.0, 3, 4, search=False)


@pytest.mark.parametrize("at", range(3))
def test_a_limit_below_zero_or_unknown_is_refused_by_its_name(at):
    field = ("max_drop", "max_class_drop", "max_boundary_drop")[at]
    for wrong in (-0.1, float("nan")):
        limits = [1.0, 1.0, 1.0]
        limits[at] = wrong
        with pytest.raises(UserError, match=f"`{field}` is a number of points"):
            Budget(*limits)
