"""The table of what a search tried."""

from __future__ import annotations

import json
import math

from edgeseg.proof.ladder import Ladder, Rung

PLAIN = Rung((), 0.95, 0.54, 6.1, "pole", 12.0, 8.0, 1_100_000, False, 0.6)
ONE = Rung(("conv3",), 0.99, 0.597, 0.1, "sign", 0.4, 0.2, 1_200_000, True, 0.7)
LADDER = Ladder((PLAIN, ONE), ("conv3",), 41, (("conv3", 0.5), ("conv1", 0.1)), reused=1)


def test_the_table_has_a_row_a_rung_and_says_which_was_chosen():
    lines = LADDER.text().splitlines()
    assert lines[0] == (
        "1 of 41 layers stay in float: conv3 (2 models were made and measured, 1 of them before this run was "
        "interrupted)."
    )
    assert "mIoU drop" in lines[1]
    assert lines[2].split() == ["0", "0.5400", "+6.10", "pole", "+12.00", "+8.00", "1.10", "0.60", "missed"]
    assert lines[3].split()[-1] == "chosen"


def test_the_guilty_are_named_when_nothing_helps():
    failed = Ladder((PLAIN,), None, 41, LADDER.risk)
    assert "No choice of layers" in failed.sentence
    assert "conv3, conv1" in failed.sentence


def test_plain_values_are_json_without_nan():
    unknown = Rung((), 0.9, math.nan, 1.0, "", math.nan, math.nan, 1, False)
    values = json.loads(json.dumps(Ladder((unknown,), None, 3, ()).to_dict(), allow_nan=False))
    assert values["rungs"][0]["mean_iou"] is None
    assert values["rungs"][0]["latency_ratio"] is None
    assert LADDER.to_dict()["rungs"][1]["kept"] == ["conv3"]
    assert LADDER.to_dict()["risk"][0] == {"layer": "conv3", "at_risk": 0.5}
