"""What INT8 may lose."""

from __future__ import annotations

import pytest

from edgeseg.errors import UserError
from edgeseg.proof.budget import Budget


def test_what_is_not_given_is_the_usual():
    assert (Budget().max_class_drop, Budget().max_boundary_drop, Budget().search) == (2.0, 1.0, True)
    assert [Budget().points(labelled) for labelled in (True, False)] == [0.5, 5]
    assert [Budget(0.0).points(labelled) for labelled in (True, False)] == [0, 0]


@pytest.mark.parametrize("at", range(5))
def test_a_limit_below_zero_or_unknown_is_refused_by_its_name(at):
    field = ("max_drop", "max_class_drop", "max_boundary_drop", "max_change", "max_gain")[at]
    for wrong in (-0.1, float("nan")):
        with pytest.raises(UserError, match=f"`{field}` is a number of points"):
            Budget(**{field: wrong})
