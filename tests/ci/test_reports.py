"""What continuous integration reads of a check: JUnit XML, annotations, Markdown, and a history with its plot."""

from __future__ import annotations

import csv
import json
import sqlite3
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from linear_model import ArtifactMaker

from edgeseg.ci.annotations import list_annotations
from edgeseg.ci.changes import explain, find_changes, find_slide
from edgeseg.ci.history import COLUMNS, Row, append_row, find_commit, read_rows
from edgeseg.ci.history_plot import draw_history, list_series
from edgeseg.ci.junit import write_junit
from edgeseg.ci.markdown import to_markdown
from edgeseg.ci.outcome import Outcome
from edgeseg.cli import main
from edgeseg.errors import OutputError, UserError

OUTCOMES = [
    Outcome("it runs", "passed", None, None, "Digests hold."),
    Outcome("mIoU drop <in> points", "failed", 0.7, 0.5, "mIoU is 0.8 | 0.9, 100 % `sure`.\nAnd\x07 more."),
    Outcome("latency, as a share", "cannot tell", 0.1, 0.06, "Too noisy."),
    Outcome("worst class", "passed", 0.1, 1.0, "car lost 0.1.", "cannot tell with 10, about 40 would"),
]


class TestForms:
    def test_junit_counts_failures_and_errors(self, tmp_path: Path) -> None:
        write_junit(tmp_path / "out.xml", "cells & co", OUTCOMES, 1.5)
        root = ET.parse(tmp_path / "out.xml").getroot()
        suite = root[0]
        assert (root.tag, suite.get("name"), suite.get("time")) == ("testsuites", "cells & co", "1.500")
        assert [suite.get(name) for name in ("tests", "failures", "errors")] == ["4", "1", "1"]
        assert [case[0].tag for case in suite] == ["system-out", "failure", "error", "system-out"]
        told = suite[1][0].get("message")
        assert told is not None
        assert told.startswith("mIoU is 0.8 | 0.9")
        assert "\x07" not in told
        assert "about 40 would" in (suite[3][0].text or "")

    def test_annotations_are_one_line_each(self) -> None:
        lines = list_annotations("cells", OUTCOMES)
        assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::notice"]
        assert "100 %25 `sure`.%0AAnd" in lines[0]
        assert "title=cells%3A latency%2C as a share::Too noisy." in lines[1]
        assert not any("\n" in line for line in lines)

    def test_markdown_is_a_table_whose_cells_hold(self) -> None:
        text = to_markdown("cells", OUTCOMES, "Xeon")
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert all(line.replace("\\|", "").count("|") == 5 for line in rows)
        assert "### edgeseg check cells: failed" in text
        assert "mIoU drop \\<in\\> points | **FAILED** | 0.7 | 0.5 |" in text
        assert "*Xeon*" in text


def row(day: float, **values: float | str) -> Row:
    time = np.datetime64("2026-01-01T00:00:00") + np.timedelta64(int(86400 * day), "s")
    plain = Row(f"{time}+00:00", f"c{day:g}", "cells-int8-onnx", "d", "dev", "Xeon", "passed", 0.9, 5.0, 2.0, 10**6)
    return replace(plain, **values)


class TestHistory:
    @pytest.mark.parametrize("name", ["runs.sqlite", "runs.csv"])
    def test_what_is_appended_is_read_back(self, tmp_path: Path, name: str) -> None:
        rows = [row(0), row(1, miou=None, p50_ms=None, ratio=None, commit_id='a,b\n"c')]
        for one in rows:
            append_row(tmp_path / name, one)
        assert read_rows(tmp_path / name) == rows

    def test_anything_reads_it(self, tmp_path: Path) -> None:
        for name in ("runs.sqlite", "runs.csv"):
            append_row(tmp_path / name, row(0))
        with sqlite3.connect(tmp_path / "runs.sqlite") as database:
            assert database.execute("SELECT miou, p50_ms FROM checks WHERE commit_id = 'c0'").fetchall() == [(0.9, 5.0)]
        database.close()
        with (tmp_path / "runs.csv").open(newline="") as file:
            assert next(csv.DictReader(file))["artifact"] == "cells-int8-onnx"

    @pytest.mark.parametrize("name", ["runs.sqlite", "runs.csv"])
    @pytest.mark.parametrize("content", [b"no history, but something else that is long enough" * 9, b"a,b\n1,2\n"])
    def test_another_file_is_refused_and_kept(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="is no history of checks"):
            append_row(tmp_path / name, row(0))
        with pytest.raises(UserError, match="is no history of checks"):
            read_rows(tmp_path / name)
        assert (tmp_path / name).read_bytes() == content

    def test_a_half_written_database_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "runs.sqlite"
        for day in range(200):
            append_row(path, row(day))
        path.write_bytes(path.read_bytes()[:5000])
        with pytest.raises(UserError, match="is no history of checks"):
            read_rows(path)

    def test_another_database_and_a_later_format_are_refused(self, tmp_path: Path) -> None:
        for name, statement in (("other", "CREATE TABLE songs (a)"), ("later", "PRAGMA user_version = 9")):
            path = tmp_path / name
            if name == "later":
                append_row(path, row(0))
            database = sqlite3.connect(path)
            database.execute(statement)
            database.commit()
            database.close()
        with pytest.raises(UserError, match="without the table checks"):
            append_row(tmp_path / "other", row(0))
        with pytest.raises(UserError, match="format 9; this edgeseg reads 1"):
            read_rows(tmp_path / "later")

    def test_there_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="sqlite"):
            read_rows(tmp_path / "runs.sqlite")
        with pytest.raises(OutputError, match="cannot be written"):
            append_row(tmp_path / "missing" / "runs.sqlite", row(0))

    def test_the_commit_is_what_ci_says(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("GITHUB_SHA", "abc")
        assert find_commit() == "abc"
        monkeypatch.delenv("GITHUB_SHA")
        monkeypatch.delenv("CI_COMMIT_SHA", raising=False)
        monkeypatch.chdir(tmp_path)
        assert find_commit() == ""


class TestChanges:
    def test_a_step_is_found_where_it_is(self) -> None:
        rng = np.random.default_rng(1)
        values = np.r_[rng.normal(5, 0.05, 20), rng.normal(5.3, 0.05, 15), rng.normal(5.1, 0.05, 15)]
        found = find_changes(values)
        assert [abs(change.at - at) <= 1 for change, at in zip(found, (20, 35), strict=True)] == [True, True]
        assert found[0].before == pytest.approx(5, abs=0.05)
        assert found[0].after == pytest.approx(5.3, abs=0.05)

    def test_noise_changes_nowhere(self) -> None:
        rng = np.random.default_rng(2)
        told = sum(bool(find_changes(rng.normal(5, 0.1, 40))) for _ in range(200))
        assert told <= 7

    @pytest.mark.parametrize("values", [[], [1.0], [1.0] * 30, [1.0, 2.0] * 3])
    def test_too_few_or_the_same_tell_nothing(self, values: list[float]) -> None:
        assert find_changes(values) == []
        assert find_slide(range(len(values)), values) is None

    def test_a_slow_slide_of_two_percent_a_month_is_seen(self) -> None:
        rng = np.random.default_rng(3)
        days = np.arange(0, 120, 2.0)
        values = 5 * (1 + 0.02 * days / 30.44) * rng.normal(1, 0.01, len(days))
        slide = find_slide(days, values)
        assert slide is not None
        assert slide.slope * 30.44 / 5 == pytest.approx(0.02, abs=0.005)
        assert explain(days, values) == ([], slide)

    def test_noise_slides_seldom(self) -> None:
        rng = np.random.default_rng(4)
        assert sum(find_slide(range(40), rng.normal(5, 0.1, 40)) is not None for _ in range(300)) <= 9


class TestPlot:
    def test_changes_are_drawn_and_said(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        rows = [row(day, p50_ms=5 + (day >= 15) + 0.02 * rng.normal(), artifact="a<b>") for day in range(30)]
        said = draw_history(rows, tmp_path / "plot.svg")
        root = ET.parse(tmp_path / "plot.svg").getroot()
        assert len(root.findall(".//{http://www.w3.org/2000/svg}circle")) == 4 * 30
        assert len([one for one in root.iter("{http://www.w3.org/2000/svg}line") if one.get("stroke-dasharray")]) == 1
        assert len(said) == 1
        assert "p50, ms changed from 5.0" in said[0]
        assert "commit c15" in said[0]

    def test_devices_are_kept_apart(self) -> None:
        rows = [row(day, device="abc"[day % 3]) for day in range(9)]
        assert len(list_series(rows)) == 3

    def test_an_empty_history_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no check yet"):
            draw_history([], tmp_path / "plot.svg")


@pytest.mark.alone
class TestVerb:
    def test_everything_is_written(
        self,
        tiny_artifact: ArtifactMaker,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
        artifact = str(tiny_artifact("onnx").path)
        files = {name: str(tmp_path / name) for name in ("a.xml", "a.md", "a.sqlite", "a.svg")}
        words = ["--junit", files["a.xml"], "--markdown", files["a.md"], "--github", "--max-latency-ms", "0.0000001"]
        words += ["--history", files["a.sqlite"], "--commit", "abc", "--plot", files["a.svg"]]
        assert main(["check", artifact, *words]) == 1
        assert "::error title=tiny-fp32-onnx%3A median latency in ms::" in capsys.readouterr().out
        assert ET.parse(files["a.xml"]).getroot().get("failures") == "1"
        assert (tmp_path / "summary.md").read_text() == (tmp_path / "a.md").read_text() + "\n"
        (kept,) = read_rows(Path(files["a.sqlite"]))
        assert (kept.commit_id, kept.verdict, kept.miou) == ("abc", "failed", None)
        assert kept.p50_ms is not None
        assert kept.ratio is not None
        assert main(["check", "--history", files["a.sqlite"], "--plot", files["a.svg"]]) == 0
        assert "No figure changed." in capsys.readouterr().err

    def test_what_is_missing_is_said(self, tiny_artifact: ArtifactMaker, tmp_path: Path, capsys: object) -> None:
        assert main(["check"]) == 2
        assert main(["check", "--plot", str(tmp_path / "a.svg")]) == 2
        artifact = tiny_artifact("onnx").path
        assert main(["check", str(artifact), "--junit", str(artifact / "model.onnx")]) == 2


def test_columns_are_what_the_page_says() -> None:
    assert json.dumps(COLUMNS) == json.dumps(tuple(Row.__dataclass_fields__))
