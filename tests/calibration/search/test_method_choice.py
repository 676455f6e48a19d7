"""``--method auto`` takes what was measured to lose least, on images that do not prove it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from fitted import SPEC

from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.images.parts import Parts
from edgeseg.calibration.quantization import choose_recipe
from edgeseg.calibration.quantizers.quantizer import quantizer_for
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.calibration.search.method_choice import choose_method, method_trials
from edgeseg.console.progress import no_progress
from edgeseg.errors import ArtifactError, DataError, UserError
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import compare
from edgeseg.proof.samples import Sample, Samples, samples_from
from edgeseg.proof.stage import Stage
from edgeseg.verbs.flags.int8 import add_int8_arguments, check_int8_arguments, read_quantization

WIDE = Budget(100, 100, 100)


class Library:
    """A quantizer of which only the methods matter."""

    methods = ("minmax", "percentile", "mse")


@pytest.fixture
def losing(data):
    """``losing(minmax=0.5, ...)``: a trial in which that share of every mask becomes wrong; None refuses."""
    samples = samples_from(data, SPEC)

    def find_trial(**share):
        def attempt(recipe):
            if share[recipe.method] is None:
                raise ArtifactError(f"{recipe.method} is beyond this library")
            truths = {image.tobytes(): mask for image, mask in (sample.read() for sample in samples)}

            def spoilt(image):
                mask = truths[image.tobytes()].copy()
                mask.ravel()[: int(share[recipe.method] * mask.size)] = 1
                return mask

            stages = [Stage("fp32", lambda image: truths[image.tobytes()]), Stage("int8", spoilt)]
            return compare(stages, samples, SPEC)

        return attempt

    return find_trial


def test_the_smallest_measured_drop_wins(losing):
    choice = choose_method(Library(), losing(minmax=0.2, percentile=0.1, mse=0.3), WIDE)
    assert choice.recipe.method == "percentile"
    minmax, percentile, mse = (one.drop for one in choice.tries)
    assert 0 < percentile < minmax < mse


def test_of_equal_drops_the_usual_method_wins(losing, monkeypatch):
    one_pixel = losing(minmax=0.00015, percentile=0.0, mse=0.0)
    choice = choose_method(Library(), one_pixel, WIDE)
    assert 0.05 < choice.tries[0].drop < 0.07
    assert choice.recipe.method == "percentile"
    monkeypatch.setattr("edgeseg.calibration.search.method_choice.TIE_POINTS", 0.07)
    assert choose_method(Library(), one_pixel, WIDE).recipe.method == "minmax"


def test_within_the_budget_comes_first(losing):
    tried = losing(minmax=0.1, percentile=0.11, mse=0.3)
    first = choose_method(Library(), tried, WIDE)
    limit = first.tries[1].class_drop
    assert first.recipe.method == "minmax"
    assert [one.within_budget for one in choose_method(Library(), tried, Budget(100, limit, 100)).tries] == [
        True,
        True,
        False,
    ]
    assert choose_method(Library(), tried, Budget(0.001, 0, 0)).recipe.method == "minmax", "none: the least of all"


def test_layers_kept_in_float_stay_so(losing):
    base = Recipe("minmax", frozenset({"head"}))
    asked = []

    def attempt(recipe):
        asked.append(recipe)
        return losing(minmax=0.2, percentile=0.1, mse=0.3)(recipe)

    assert choose_method(Library(), attempt, WIDE, base).recipe == Recipe("percentile", frozenset({"head"}))
    assert all(recipe.keep_float == {"head"} for recipe in asked)


def test_a_method_that_the_library_refuses_is_listed_with_its_reason(losing):
    choice = choose_method(Library(), losing(minmax=0.2, percentile=None, mse=0.3), WIDE)
    assert choice.tries[1].refused == "percentile is beyond this library"
    assert "beyond this library" in choice.text()
    with pytest.raises(ArtifactError, match="minmax is beyond"):
        choose_method(Library(), losing(minmax=None, percentile=None, mse=None), WIDE)


def test_the_table_names_the_winner_and_the_images(losing):
    choice = choose_method(Library(), losing(minmax=0.2, percentile=0.1, mse=0.3), Budget(5, 100, 100), note="few")
    head, _, *rows, note = choice.text().splitlines()
    assert head.startswith("methods, measured on 8 images of ")
    assert [row.split()[0] for row in rows] == list(Library.methods)
    assert rows[1].endswith("chosen")
    assert rows[2].endswith("over")
    assert note == "note: few"
    assert json.loads(json.dumps(choice.to_dict()))["method"] == "percentile"


@pytest.fixture
def parents(built):
    return {"openvino": built[1].artifact, "onnx": built[0].artifact}


@pytest.mark.parametrize("model_format", ["openvino", "onnx"])
def test_real_trials_measure_every_method_of_a_library(parents, data, model_format):
    quantizer, parent = quantizer_for(model_format), parents[model_format]
    images, samples = load_set(data, SPEC, 6), samples_from(data, SPEC).spread(3)
    with method_trials(quantizer, parent, images, samples) as try_recipe:
        choice = choose_method(quantizer, try_recipe, WIDE)
    assert [one.method for one in choice.tries] == list(quantizer.methods)
    assert all(one.drop is not None and one.drop < 5 for one in choice.tries), choice.text()
    assert len({one.drop for one in choice.tries}) > 1, "each method gives a model of its own"


def test_trials_leave_nothing_behind(built, data, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    images = load_set(data, SPEC, 2)
    wrong = Sample("wrong", lambda: (np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 9, np.uint8)))
    for items in (samples_from(data, SPEC).items[:1], (wrong,)):
        samples = Samples(items, "here", None, True)
        with method_trials(quantizer_for("openvino"), built[1].artifact, images, samples) as attempt:
            if items == (wrong,):
                with pytest.raises(DataError, match="9"):
                    attempt(Recipe())
            else:
                assert attempt(Recipe()).images == 1
        assert not list(tmp_path.iterdir())


class TestFlags:
    def parsed(self, data, *flags):
        parser = argparse.ArgumentParser()
        parser.add_argument("--data", type=Path)
        parser.add_argument("--ignore-index", type=int)
        parser.add_argument("--mask-values")
        add_int8_arguments(parser.add_argument_group("INT8"))
        return parser.parse_args(["--data", str(data), *flags])

    def test_auto_gives_a_recipe_that_was_measured(self, built, data):
        args = self.parsed(data, "--method", "auto", "--keep-float", "a,b")
        check_int8_arguments(args)
        parent = built[1].artifact
        images, found = load_set(data, SPEC, 2), samples_from(data, SPEC).spread(1)
        choice = choose_recipe(read_quantization(args), parent, images, Parts(found, found), no_progress, "openvino")
        assert choice.recipe.method in quantizer_for("openvino").methods
        assert choice.recipe.keep_float == {"a", "b"}
        assert len(choice.tries) == 3

    def test_auto_without_a_measurement_is_no_recipe(self):
        with pytest.raises(UserError, match="auto"):
            Recipe("auto")

    def test_a_named_method_is_taken_without_a_measurement(self, built, data):
        asked = read_quantization(self.parsed(data, "--method", "mse"))
        assert choose_recipe(asked, built[1].artifact, None, None, no_progress, "openvino") == Recipe("mse")

    def test_a_method_that_nobody_has_is_refused_before_the_work(self, data):
        with pytest.raises(UserError, match="found 'magic'"):
            check_int8_arguments(self.parsed(data, "--method", "magic"))
