"""The report: one page that shows everything, fetches nothing and cannot be fooled by names."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Iterator
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from fitted import SPEC, scene

from edgeseg.artifact import Artifact, writing_artifact
from edgeseg.calibration.images.coverage import measure_coverage
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.calibration.search.method_choice import MethodChoice, MethodTry
from edgeseg.errors import TamperedError
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import compare
from edgeseg.proof.judges.judge import judge, misses
from edgeseg.proof.judges.worst_class import worst_class
from edgeseg.proof.ladder import Ladder, Rung
from edgeseg.proof.report.charts import Svg, bar_around_zero, join, pair_of_bars, steps_chart, tag
from edgeseg.proof.report.figures import format_plain, format_signed, format_words, is_digest
from edgeseg.proof.report.page import render_page
from edgeseg.proof.report.pictures import difference, worst_cells
from edgeseg.proof.report.report import Proof, describe_proof, write_proof
from edgeseg.proof.samples import Sample, Samples, samples_from
from edgeseg.proof.search_record import SearchRecord
from edgeseg.proof.speed import Speed
from edgeseg.proof.stage import Stage
from edgeseg.proof.worst_images import WorstImage, worst_images

VOID = {"meta", "img", "br", "hr", "link", "input"}
HOSTILE = '<script>alert("1")</script>'
MAX_PAGE_BYTES = 2_000_000
CENTRES = np.array([(70, 60, 50), (60, 180, 90), (190, 90, 160)])


def by_colour(image):
    return ((image[..., None, :].astype(int) - CENTRES) ** 2).sum(-1).argmin(-1).astype(np.uint8)


def without_boxes(image):
    labels = by_colour(image)
    labels[labels == 2] = 0
    return labels


BEFORE, AFTER = Stage("openvino fp32", by_colour), Stage("openvino int8", without_boxes)


def checks_of(comparison, budget):
    """What a report holds about each limit."""
    return [one.to_dict() for one in judge(comparison, comparison.stages[-1], budget)]


KEPT = ("net/conv_1", "net/conv_9")
LADDER = Ladder(
    (
        Rung((), 0.91, 0.871, 4.2, "disc", 9.9, 3.1, 1_000_000, False, 0.71),
        Rung(("net/conv_1", "net/conv_9", "net/conv_12"), 0.99, 0.9123, 0.1, "disc", 0.5, 0.2, 1_300_000, True),
        Rung(KEPT, 0.98, 0.91, 0.3, "box", 0.8, math.nan, 1_200_000, True, 0.78),
    ),
    KEPT,
    23,
    (("net/conv_1", 0.31), ("net/conv_9", 0.04)),
)
METHODS = MethodChoice(
    Recipe("mse"),
    (
        MethodTry("minmax", 4.2, 9.9, 3.1),
        MethodTry("mse", 0.3, 0.8, 0.2, True),
        MethodTry("entropy", refused="lacks it"),
    ),
    "40 other images",
    "They are few.",
)
SPEED = Speed("a-fp32", "a-int8", "Some CPU", "INT8 is faster.", "68 % runs in INT8.", 21.3, 11.2, 1.9, 0.013, 40)


class Tree(HTMLParser):
    """What a browser would see: elements, the text in them, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self._open.append(name)

    def handle_endtag(self, name):
        assert self._open.pop() == name

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self._open[-1] if self._open else "", data.strip()))

    def all(self, *names: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.elements if name in names)

    def text(self) -> str:
        return " ".join(text for element, text in self.texts if element != "style")


@pytest.fixture(scope="module")
def proof(data) -> Proof:
    samples = samples_from(data, SPEC)
    manifest = {
        "name": "blobs",
        "precision": "int8",
        "format": "openvino",
        "spec": SPEC,
        "outputs": ["labels"],
        "parents": {"checkpoint": "ab" * 32},
        "calibration": {"method": "minmax", "keep_float": ["net/conv_1"]},
        "toolchain": {"edgeseg": "9.9", "nncf": "3.4"},
    }
    images = load_set(data, SPEC, 5)
    return Proof(
        manifest,
        compare([BEFORE, AFTER], samples, SPEC),
        Budget(),
        {**images.describe(), "warnings": list(images.warnings)},
        worst=worst_images(BEFORE, AFTER, samples),
    )


def written(proof: Proof, folder) -> Tree:
    folder.mkdir(exist_ok=True)
    write_proof(folder, proof)
    return Tree((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def full(proof, data, tmp_path_factory) -> Tree:
    """The page with every part that others may give."""
    seen = measure_coverage(load_set(data, SPEC, 5), samples_from(data, SPEC))
    picture = np.zeros((9, 9, 3), np.uint8)
    whole = dataclasses.replace(
        proof, coverage=seen.to_dict(), coverage_picture=picture, search=SearchRecord(METHODS, LADDER, SPEED)
    )
    return written(whole, tmp_path_factory.mktemp("full"))


def test_every_class_and_every_figure_is_on_the_page(full, proof):
    text = full.text()
    for name, before, after in zip(SPEC.classes, *(s.confusion.iou for s in proof.comparison.stages), strict=True):
        assert all(word in text for word in (name, f"{before:.4f}", f"{after:.4f}"))
    assert proof.images["digest"] in text
    assert "ab" * 32 in text
    assert "Only 5 calibration images" in text
    assert all(word in text for word in (LADDER.sentence, "0.8710", "0.78", "disc +9.90", "0.31", "1.20 MB"))
    assert all(
        word in text for word in ("INT8 is faster.", "68 % runs", "21.30 ms", "11.20 ms", "1.90, give or take 1.3 %")
    )
    assert all(word in text for word in ("40 other images", "lacks it", "They are few.", "over the budget", "nncf"))
    assert all(word in text for word in ("brightness", "mean grey level", "images that show it", "against 8 images of"))


def test_the_page_is_one_file_that_fetches_and_runs_nothing(full):
    assert not {name for name, _ in full.elements} & {"script", "link", "iframe", "object", "embed", "base", "a"}
    assert all(a["src"].startswith("data:image/") for a in full.all("img"))
    for _, attributes in full.elements:
        assert not any(name.startswith("on") or name in ("href", "srcset", "style") for name in attributes)
    style = next(text for element, text in full.texts if element == "style")
    assert "url(" not in style
    assert "@import" not in style
    assert any("default-src 'none'" in (a.get("content") or "") for a in full.all("meta"))


def test_names_cannot_become_markup(proof, tmp_path):
    spec = SPEC.replace(classes=("background", HOSTILE, '"><img src=x onerror=1>'))
    stages = [Stage(HOSTILE, by_colour), Stage("<b>int8", without_boxes)]
    items = tuple(Sample(HOSTILE, lambda s=s: scene(s)) for s in (1, 2))
    samples = Samples(items, "<i>folder", "<u>", True)
    hostile = Proof(
        {**proof.manifest, "name": HOSTILE, "spec": spec, "toolchain": {"<p>": "<q>"}},
        compare(stages, samples, spec),
        Budget(),
        proof.images,
        proof_note="<em>note",
        worst=worst_images(*stages, samples),
        search=SearchRecord(
            dataclasses.replace(METHODS, tries=(MethodTry(HOSTILE, refused=HOSTILE),), note=HOSTILE),
            dataclasses.replace(LADDER, chosen=(HOSTILE,), risk=((HOSTILE, 1.0),)),
            dataclasses.replace(SPEED, cpu=HOSTILE, verdict=HOSTILE, reason="<b>told so", fp32=HOSTILE),
        ),
    )
    tree = written(hostile, tmp_path)
    assert not {name for name, _ in tree.elements} & {"script", "b", "i", "u", "em", "s", "q", "a"}
    assert not any("onerror" in a for _, a in tree.elements)
    text = tree.text()
    assert text.count(HOSTILE) > 12
    assert all(word in text for word in ('"><img src=x onerror=1>', "<em>note", "<i>folder", "<b>told so", "<q>"))
    assert any(HOSTILE in a["alt"] for a in tree.all("img"))


def test_pictures_have_words_and_tables_have_headings(full):
    images = list(full.all("img"))
    assert len(images) == 6 * 5 + 1
    assert all(len(a["alt"]) > 8 for a in images)
    assert all(a.get("scope") in ("row", "col") for a in full.all("th"))
    tables, captions = list(full.all("table")), list(full.all("caption"))
    assert len(tables) == len(captions) >= 8
    assert all(a.get("aria-hidden") == "true" or a.get("aria-label") for a in full.all("svg"))
    headings = [name for name, _ in full.elements if name in ("h1", "h2", "h3")]
    assert headings[:2] == ["h1", "h2"]
    assert headings.count("h1") == 1


def test_images_are_pictures_of_the_worst_in_order(full, proof):
    shares = [one.disagreement for one in proof.worst]
    assert shares == sorted(shares, reverse=True)
    assert len(shares) == 6
    for attributes in full.all("img"):
        data = base64.b64decode(attributes["src"].partition(",")[2])
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None


def test_the_chosen_rung_is_marked_once(full):
    assert full.text().count(" chosen") == 2, "one method and one rung"
    assert [a["class"] for a in full.all("circle")] == ["dot", "dot chosen", "dot"]
    assert any(a.get("title") == "net/conv_1, net/conv_9" for a in full.all("span"))


def test_a_speed_that_nobody_could_time_is_a_sentence(proof, tmp_path):
    unknown = Speed("a", "b", "Some CPU", "There is no engine here to time it.")
    text = written(dataclasses.replace(proof, search=SearchRecord(speed=unknown)), tmp_path).text()
    assert "There is no engine here to time it." in text
    assert "shorter is faster" not in text


def test_a_missed_budget_is_said_in_words(full):
    assert "Missed: over its budget" in full.text()
    assert any("failed" in (a.get("class") or "") for a in full.all("div"))


def test_a_held_budget_is_said_in_words(proof, tmp_path):
    tree = written(dataclasses.replace(proof, budget=Budget(100, 100, 100)), tmp_path)
    assert "Passed: within its budget" in tree.text()
    assert "✘" not in tree.text()
    assert "Measured from image file to mask in OpenVINO itself." in tree.text()


def test_a_stand_in_engine_is_named_instead_of_the_engine(proof, tmp_path):
    tree = written(dataclasses.replace(proof, proof_note="No GPU here: a stand-in."), tmp_path)
    assert "No GPU here: a stand-in." in tree.text()
    assert "itself" not in tree.text()


def test_parts_that_nobody_measured_are_left_out(proof, tmp_path):
    text = written(dataclasses.replace(proof, worst=()), tmp_path).text()
    for title in (
        "Which method",
        "Which layers stay in float",
        "Latency on this device",
        "Where INT8 differs most",
        "images show",
    ):
        assert title not in text


def test_without_masks_the_page_counts_pixels_and_shows_no_truth(proof, data, tmp_path):
    samples = samples_from(data / "images" / "val", SPEC)
    found = compare([BEFORE, AFTER], samples, SPEC)
    plain = dataclasses.replace(proof, comparison=found, worst=worst_images(BEFORE, AFTER, samples))
    tree = written(plain, tmp_path)
    assert "INT8 changed" in tree.text()
    assert "% of the pixels on 8 images" in tree.text()
    assert "fp32 was right" not in tree.text()
    assert len(list(tree.all("img"))) == 6 * 4
    assert [check["what"] for check in checks_of(found, Budget())] == ["pixels changed", "class changed, box"]


def test_the_json_holds_the_same_figures_and_renders_alone(proof, tmp_path):
    write_proof(tmp_path, proof)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report == describe_proof(proof)
    worst = int(np.nanargmax(proof.comparison.class_drops(proof.comparison.stages[1])))
    assert report["verdict"]["checks"][1]["what"] == f"worst class, {SPEC.classes[worst]}"
    assert report["verdict"]["passed"] is False
    alone = Tree(render_page(report))
    assert not list(alone.all("img"))
    assert f"{report['comparison']['stages']['openvino int8']['mean_iou']:.4f}" in alone.text()


def test_an_earlier_report_gives_the_same_page(proof):
    """Then a check named its flag."""
    report = describe_proof(proof)
    old = json.loads(json.dumps(report))
    for check in old["verdict"]["checks"]:
        check["flag"] = f"--{check.pop('field').replace('_', '-')}"
    assert render_page(old) == render_page(report)
    assert 'class="limit"' in render_page(old)


def test_the_page_never_passes_what_the_gate_refuses(proof):
    stage = proof.comparison.stages[1]
    drop, outlines = proof.comparison.drop(stage), proof.comparison.boundary_drop(stage)
    worst = worst_class(proof.comparison, stage)[1]
    for budget in (Budget(drop, worst, outlines), Budget(drop / 2, worst, outlines), Budget(drop, worst / 2, outlines)):
        found = [check["field"] for check in checks_of(proof.comparison, budget) if not check["passed"]]
        assert found == [miss.field for miss in misses(proof.comparison, stage, budget)]
    unlimited = checks_of(proof.comparison, Budget(drop, math.inf, math.inf))
    assert [check["limit"] for check in unlimited[:3]] == [drop, None, None]
    assert (
        "of any loss"
        in Tree(render_page(describe_proof(dataclasses.replace(proof, budget=Budget(drop, math.inf))))).text()
    )


def test_what_could_not_be_measured_does_not_pass(proof):
    nothing = Samples((Sample("void", lambda: (scene(1)[0], np.full((64, 96), 255, np.uint8))),), "x", None, True)
    checks = checks_of(compare([BEFORE, AFTER], nothing, SPEC), Budget(100, 100, 100))
    assert (checks[0]["lost"], checks[0]["passed"]) == (None, False)


def test_the_artifact_covers_the_report(proof, data, tmp_path):
    path = tmp_path / "blobs-int8-openvino"
    with writing_artifact(path, dict(proof.manifest)) as staged:
        (staged / "model.xml").write_text("<net/>")
        write_proof(staged, proof)
    assert {"report.html", "report.json"} <= set(Artifact.open(path).files)
    with (path / "report.html").open("a") as stream:
        stream.write(" ")
    with pytest.raises(TamperedError, match=r"report\.html was changed"):
        Artifact.open(path)


def test_six_large_noisy_pictures_stay_under_two_megabytes():
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (1080, 1920, 3), np.uint8) for _ in range(2)]
    masks = [rng.integers(0, 3, (1080, 1920), np.uint8) for _ in range(3)]
    worst = [WorstImage(str(i), noise[i % 2], *masks) for i in range(6)]
    assert sum(len(uri) for row in worst_cells(worst, SPEC) for uri in row.values()) < MAX_PAGE_BYTES / 1.5


def test_a_single_changed_pixel_of_a_large_picture_is_seen():
    image, labels = np.full((1080, 1920, 3), 120, np.uint8), np.ones((1080, 1920), np.uint8)
    changed = labels.copy()
    changed[500, 700] = 0
    lost = difference(WorstImage("x", image, labels, labels, changed), 360)
    won = difference(WorstImage("x", image, labels, changed, labels), 360)
    unknown = difference(WorstImage("x", image, None, labels, changed), 360)
    for picture, (blue, green, red) in (
        (lost, (0x13, 0x6A, 0xFF)),
        (won, (0xE9, 0xB4, 0x56)),
        (unknown, (0x42, 0xE4, 0xF0)),
    ):
        where = (picture == (blue, green, red)).all(2)
        assert where.sum() == 9
        assert where[round(500 * 360 / 1920), round(700 * 360 / 1920)]


def test_only_named_images_are_run_again(data):
    seen = []
    watched = Stage("fp32", lambda image: seen.append(1) or by_colour(image))
    samples = samples_from(data, SPEC)
    everything = worst_images(BEFORE, AFTER, samples)
    names = [one.name for one in everything[:2]]
    found = worst_images(watched, AFTER, samples, names)
    assert ([one.name for one in found], len(seen)) == (names, 2)
    assert worst_images(BEFORE, BEFORE, samples) == (), "equal masks are not worth a look"


def test_bars_have_the_lengths_of_their_values():
    rects = [a for name, a in Tree(pair_of_bars(0.75, 0.5)).elements if name == "rect"]
    assert [a["width"] for a in rects[1:]] == ["75.00", "50.00"]
    assert len(Tree(pair_of_bars(None, 0.5)).elements) == 3
    lost = [a for name, a in Tree(bar_around_zero(1.0, 0.5, 2.0)).elements if name in ("rect", "line")]
    assert (lost[1]["x"], lost[1]["width"], lost[-1]["x1"]) == ("0.00", "50.00", "25.00")
    won = [a for name, a in Tree(bar_around_zero(-1.0, 0.5, 2.0)).elements if name == "rect"]
    assert (won[1]["x"], won[1]["width"]) == ("-50.00", "50.00")


def test_a_chart_says_its_points_to_those_who_cannot_see_it():
    tree = Tree(steps_chart([(0, 4.2), (2, 0.3)], 0.5, ("layers", "points lost"), 1))
    assert [a["class"] for a in tree.all("circle")] == ["dot", "dot chosen"]
    assert "0 kept, 4.20 points lost; 2 kept, 0.30 points lost" in next(tree.all("svg"))["aria-label"]
    heights = [float(a["cy"]) for a in tree.all("circle")]
    assert heights[0] < heights[1], "a larger loss is drawn higher"


def hostile_copy(record, text):
    """A report in which every text that is not read by a program is another."""
    if isinstance(record, dict):
        return {key: hostile_copy(value, text) for key, value in record.items()}
    if isinstance(record, list):
        return [hostile_copy(value, text) for value in record]
    return text if isinstance(record, str) else record


@pytest.mark.parametrize("command", ["\x1b]0;owned\x07", "\u202egnp.exe", "\udc80", "\x9b31m", "\u2028"])
def test_no_text_of_a_report_turns_a_line_around_or_commands_anything(proof, data, command):
    seen = measure_coverage(load_set(data, SPEC, 5), samples_from(data, SPEC)).to_dict()
    whole = dataclasses.replace(proof, coverage=seen, search=SearchRecord(METHODS, LADDER, SPEED))
    report = describe_proof(whole)
    plain = report["verdict"]["checks"][0]
    shown = hostile_copy(report, f"<b>{command}")
    shown["verdict"]["checks"][0]["what"] = plain["what"]
    written = render_page(shown)
    assert "<b>" not in written
    assert command[0] not in written
    written.encode()
    assert written.count(f"\\u{ord(command[0]):04x}") > 40


def test_svg_escapes_everything_that_is_not_svg():
    assert tag("text", "<b>", title='"') == '<text title="&quot;">&lt;b&gt;</text>'
    assert join("&", Svg("&amp;")) == "&amp;&amp;"


def test_keys_are_written_as_words_with_their_units():
    assert [format_words(key) for key in ("latency_p50_ms", "drop_points", "mean_iou")] == [
        "latency p50, ms",
        "drop, points",
        "mIoU",
    ]
    assert [format_signed(points) for points in (0.349, -0.351, -0.004, None)] == ["+0.35", "-0.35", "0.00", "–"]
    assert [format_plain(value, "kept") for value in (None, 0.5, True, [], {"iou": 0.5})] == [
        "–",
        "0.5",
        "yes",
        "–",
        "IoU 0.5000",
    ]
    assert is_digest("ab" * 32)
    assert not is_digest("xy" * 32)


def test_facts_that_nobody_gave_are_left_out(proof):
    report = describe_proof(proof)
    report["provenance"]["parents"] = {"left out": None, "checkpoint": "ab" * 32, "nothing": "", "kept": 0}
    tree = Tree(render_page(report))
    assert ("code", "ab" * 32) in tree.texts
    assert ("th", "kept") in tree.texts
    assert not {"left out", "nothing"} & {text for _, text in tree.texts}


def test_a_class_that_no_mask_shows_is_said_and_not_held(proof, data):
    spec = dataclasses.replace(SPEC, classes=(*SPEC.classes, "ghost"), palette=(*SPEC.palette, (1, 2, 3)))
    samples = samples_from(data, SPEC)
    ghosts = dataclasses.replace(
        proof, comparison=compare([BEFORE, BEFORE], samples, spec), manifest={**proof.manifest, "spec": spec}
    )
    page = render_page(describe_proof(ghosts))
    assert "never shown, ghost" in page
    assert "limits cannot be judged" in page
    assert "No mask of the 8 images shows ghost" in page
