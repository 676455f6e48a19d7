"""From a mask to zones, rules and verdicts; settings change whole, between two frames."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgeseg.errors import UserError
from edgeseg.image import UInt8
from edgeseg.runtime.analysis.alarms import Alarm
from edgeseg.runtime.analysis.analyzer import Analyzer
from edgeseg.runtime.analysis.rule import parse_rule
from edgeseg.runtime.analysis.settings import AnalysisSettings
from edgeseg.runtime.analysis.shapes import Line, Plane, Zone
from edgeseg.runtime.analysis.smoothing import Smoother
from edgeseg.runtime.analysis.zone_file import read_zone_file
from edgeseg.runtime.frames.analysis import Analysis
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.session.settings import RunSettings
from edgeseg.runtime.sources.settings import SourceSettings
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("background", "person", "car"), 40, 60)
DOOR = Zone("door", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
NOON = datetime.datetime(2026, 11, 27, 12)


def mask(left: int | None = None, width: int = 10, label: int = 1) -> UInt8:
    labels = np.zeros((40, 60), np.uint8)
    if left is not None:
        labels[10:30, left : left + width] = label
    return labels


def analyze(analyzer: Analyzer, labels: UInt8, index: int = 0, period_s: float = 0.1) -> Analysis:
    frame = Frame(np.zeros((80, 120, 3), np.uint8), index, index * period_s, "cam", media_s=index * period_s)
    found = analyzer.analyze(frame, Prediction(labels)).analysis
    assert found is not None
    return found


def states(rule: str, values: Sequence[float], period_s: float = 1.0) -> str:
    alarm = Alarm(parse_rule(rule))
    return "".join("x" if alarm.judge(value, at * period_s, NOON)[0].active else "." for at, value in enumerate(values))


def test_shares_and_counts_of_a_zone() -> None:
    analyzer = Analyzer(SPEC, AnalysisSettings(regions=True, zones=(DOOR,)))
    found = analyze(analyzer, mask(35))
    (zone,) = found.zones
    assert zone.shares["person"] == pytest.approx(200 / 1200, rel=0.03)
    assert zone.counts == {"person": 1}
    (region,) = found.regions
    assert (region.box, region.area_px, region.zones) == ((70, 20, 20, 40), 800, ("door",))


def test_a_rule_holds_and_lets_go_with_hysteresis() -> None:
    assert states("person > 2% for 2s", [0, 3, 3, 3, 1.7, 1.7, 1, 1, 1, 0]) == "...xxxxx.."
    assert states("person > 2% for 2s", [3, 3, 0, 3, 3, 0]) == "......"
    assert states("person > 2%", [3, 1.7, 1.5, 3]) == "xx.x"
    assert states("person > 2% until 1%", [3, 1.1, 1.0]) == "xx."
    assert states("person < 2%", [1, 2.4, 2.6]) == "xx."
    assert states("count person >= 2", [2, 1, 2]) == "x.x"


def test_a_schedule_ends_an_alarm() -> None:
    alarm = Alarm(parse_rule("person > 2% during mon-fri 08:00-12:00"))
    before = alarm.judge(3, 0, NOON - datetime.timedelta(minutes=1))
    assert before[1] is not None
    assert before[1].state == "raised"
    state, event = alarm.judge(3, 60, NOON)
    assert event is not None
    assert (event.state, event.lasted_s, state.scheduled) == ("cleared", 60, False)


def test_the_first_touch_of_a_line_is_said_once() -> None:
    line = Line("fence", ((0.5, 0.0), (0.5, 1.0)))
    analyzer = Analyzer(SPEC, AnalysisSettings(lines=(line,), alerts=("person touches fence",)))
    lefts = (5, 25, 26, 45, 25)
    found = [analyze(analyzer, mask(left), at) for at, left in enumerate(lefts)]
    assert [one.lines[0].first for one in found] == [(), ("person",), (), (), ("person",)]
    assert [[alarm.state for alarm in one.alarms] for one in found] == [[], ["raised"], [], ["cleared"], ["raised"]]


def test_settings_change_whole_or_not_at_all() -> None:
    first = AnalysisSettings(zones=(DOOR,), alerts=("person in door > 2%",))
    analyzer = Analyzer(SPEC, first)
    assert analyze(analyzer, mask(35)).alarms
    too_far = Zone("gate", ((10, 10), (500, 10), (500, 60)))
    for wrong in (
        AnalysisSettings(zones=(DOOR,), alerts=("persn in door > 2%",)),
        AnalysisSettings(zones=(too_far,)),
        AnalysisSettings(alerts=("person in door > 2%",)),
    ):
        with pytest.raises(UserError):
            analyzer.change(wrong)
        assert analyzer.settings == first
    analyzer.change(AnalysisSettings(zones=(DOOR,), alerts=("person in door > 2%", "car > 1%")))
    found = analyze(analyzer, mask(35), 1)
    assert not found.alarms  # what was on stays on
    assert [rule.active for rule in found.rules] == [True, False]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"alerts": ("persn > 2%",)}, "names the class 'persn'.*Did you mean 'person'"),
        ({"zones": (DOOR,), "alerts": ("person in dor > 2%",)}, "names the zone 'dor'.*Did you mean 'door'"),
        ({"alerts": ("person in door > 2%",)}, "There is no zone; `zones` is the file"),
        ({"alerts": ("person > 20 mm2",)}, "how large a pixel is, is not known"),
        ({"min_area": {"cra": 5}}, "`min_area` names the class 'cra'.*Did you mean 'car'"),
    ],
)
def test_unknown_names_are_refused_with_the_closest(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Analyzer(SPEC, AnalysisSettings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("person >> 2%", "not understood at '>> 2%'"),
        ("person > 2", "write its unit"),
        ("person > 2% for ever", "takes a time"),
        ("person > 2% until 3%", "lower than the limit"),
        ("count person > 2 px", "unit of a size"),
        ("person touches fence > 2%", "leave out the number"),
        ("person > 2% during funday", "no time of the week"),
        ("person > 2% for 1s for 2s", "'for' twice"),
        ("", "A rule is one line"),
    ],
)
def test_what_is_no_rule_is_said_at_its_words(rule: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_rule(rule)


def test_shapes_that_cannot_be_meant() -> None:
    with pytest.raises(UserError, match="crosses itself: the side from point 1 meets the side from point 3"):
        Zone("door", ((0, 0), (90, 90), (90, 0), (0, 90)))
    with pytest.raises(UserError, match="leaves the picture"):
        Zone("door", ((-1, 0), (90, 90), (90, 0)))
    with pytest.raises(UserError, match="takes 3 points or more"):
        Zone("door", ((0, 0), (90, 90)))
    with pytest.raises(UserError, match="no four corners"):
        Plane(((0, 0), (1, 1), (2, 2), (0, 9)), ((0, 0), (1, 0), (1, 1), (0, 1)))
    with pytest.raises(UserError, match=r"leaves the picture, which is 120x80: \(500, 10\) is outside"):
        analyze(Analyzer(SPEC, AnalysisSettings(zones=(Zone("a", ((10, 10), (500, 10), (500, 60))),))), mask())


def test_specks_and_holes_are_filled() -> None:
    labels = mask(20)
    labels[15, 25] = 0
    labels[2:4, 2:4] = 1
    analyzer = Analyzer(SPEC, AnalysisSettings(min_area={"person": 5 * 4}))
    frame = Frame(np.zeros((80, 120, 3), np.uint8), 0, 0.0, "cam")
    filled = analyzer.analyze(frame, Prediction(labels)).labels
    assert np.array_equal(filled, mask(20))
    assert labels[15, 25] == 0  # what was given is not changed


def test_smoothing_lags_as_long_as_it_says_and_not_where_it_moves() -> None:
    still = np.zeros((40, 60), np.uint8)
    smoother = Smoother(0.2, "multiclass", 3)
    shown = [smoother.smooth(mask(None if at < 50 else 10), None, still, at * 0.02) for at in range(80)]
    late = next(at for at, labels in enumerate(shown) if labels.any()) - 50
    assert late * 0.02 == pytest.approx(0.2, abs=0.021)
    smoother = Smoother(0.2, "multiclass", 3)
    moving = [mask(None if at < 50 else 10) * 200 for at in range(55)]
    shown = [smoother.smooth(picture // 200, None, picture, at * 0.02) for at, picture in enumerate(moving)]
    assert shown[50].any()


def test_a_verdict_for_each_picture() -> None:
    analyzer = Analyzer(SPEC, AnalysisSettings(fail_if=("largest car > 300 mm2",), mm_per_px=0.5))
    verdicts = [analyze(analyzer, mask(5, width, 2), at).verdict for at, width in enumerate((10, 20))]
    assert [verdict and verdict.passed for verdict in verdicts] == [True, False]
    assert verdicts[1]
    assert verdicts[1].values == {"largest car > 300 mm2": 400.0}
    assert analyzer.failed == 1


def test_a_file_of_zones_and_settings_that_are_sent_to_a_worker(tmp_path: Path) -> None:
    path = tmp_path / "zones.toml"
    path.write_text(
        "size = [120, 80]\n[zones]\ndoor = [[60, 0], [120, 0], [120, 80], [60, 80]]\n"
        "[lines]\nfence = [[0.0, 0.5], [1.0, 0.5]]\n"
        "[plane]\npoints = [[10, 10], [110, 10], [110, 70], [10, 70]]\nsize_mm = [1000, 600]\n"
    )
    shapes = read_zone_file(path)
    assert shapes.zones == (DOOR,)
    asked = AnalysisSettings(True, {"car": 5.0}, 0.2, shapes.zones, shapes.lines, ("car in door",), plane=shapes.plane)
    settings = RunSettings(Path("a"), SourceSettings("0"), analysis=asked)
    assert RunSettings.from_json(settings.to_json()) == settings
    path.write_text("[zone]\ndoor = []\n")
    with pytest.raises(UserError, match=r"no key 'zone' in the file.*Did you mean 'zones'"):
        read_zone_file(path)
