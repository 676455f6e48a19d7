"""What every engine has to do. A test class inherits this and says how its engine is opened."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from linear_model import reference

from edgeseg.errors import EngineError
from edgeseg.image import UInt8, fit
from edgeseg.runtime.engines.engine import Engine
from edgeseg.spec import ModelSpec

RUNS = 20


def picture(seed: int, height: int = 60, width: int = 90) -> UInt8:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class EngineContract:
    """Inherit, and implement :meth:`open`."""

    def open(self, spec: ModelSpec, confidence: bool = True, slots: int = 1) -> Engine:
        raise NotImplementedError

    def test_labels_and_confidence_are_what_numpy_computes(self, tiny_spec: ModelSpec) -> None:
        slot = self.open(tiny_spec).open_slot()
        fit(picture(0), tiny_spec, out=slot.input)
        self._assert_answers(slot.run(), slot.input, tiny_spec)

    def test_a_binary_model_gives_foreground_probability(self, tiny_spec: ModelSpec) -> None:
        spec = tiny_spec.replace(task="binary", classes=("background", "cell"), palette=())
        slot = self.open(spec).open_slot()
        fit(picture(1), spec, out=slot.input)
        self._assert_answers(slot.run(), slot.input, spec)

    def test_a_multilabel_model_gives_a_bit_and_a_probability_a_class(self, tiny_spec: ModelSpec) -> None:
        spec = tiny_spec.replace(task="multilabel")
        slot = self.open(spec).open_slot()
        fit(picture(4), spec, out=slot.input)
        prediction = slot.run()
        assert prediction.confidence is not None
        assert prediction.confidence.shape == (spec.num_classes, spec.height, spec.width)
        shown = np.unpackbits(np.unique(prediction.labels)[:, None], axis=1).sum(1)
        assert {0, 2} <= set(shown), "pixels with no class, and pixels with two"
        self._assert_answers(prediction, slot.input, spec)

    def test_a_grey_model_takes_one_channel(self, tiny_spec: ModelSpec) -> None:
        spec = tiny_spec.replace(color_order="gray", mean=(0.5,), std=(0.25,))
        slot = self.open(spec).open_slot()
        assert slot.input.shape == (spec.height, spec.width, 1)
        fit(picture(2), spec, out=slot.input)
        self._assert_answers(slot.run(), slot.input, spec)

    def test_letterboxed_input_is_taken_as_it_is(self, tiny_spec: ModelSpec) -> None:
        spec = tiny_spec.replace(resize="letterbox")
        slot = self.open(spec).open_slot()
        fit(picture(3, 90, 30), spec, out=slot.input)
        self._assert_answers(slot.run(), slot.input, spec)

    def test_without_a_confidence_output_there_is_none(self, tiny_spec: ModelSpec) -> None:
        assert self.open(tiny_spec, confidence=False).open_slot().run().confidence is None

    def test_the_input_is_writable_uint8_of_the_network_size(self, tiny_spec: ModelSpec) -> None:
        view = self.open(tiny_spec).open_slot().input
        assert (view.shape, view.dtype) == ((tiny_spec.height, tiny_spec.width, 3), np.uint8)
        assert view.flags.writeable

    def test_a_slot_answers_again_and_again(self, tiny_spec: ModelSpec) -> None:
        slot = self.open(tiny_spec).open_slot()
        for seed in range(RUNS):
            fit(picture(seed), tiny_spec, out=slot.input)
            self._assert_answers(slot.run(), slot.input, tiny_spec)

    def test_a_copy_outlives_the_next_run(self, tiny_spec: ModelSpec) -> None:
        slot = self.open(tiny_spec).open_slot()
        fit(picture(0), tiny_spec, out=slot.input)
        first, expected = slot.run().copy(), reference(slot.input, tiny_spec)[0]
        fit(picture(1), tiny_spec, out=slot.input)
        slot.run()
        assert np.array_equal(first.labels, expected)

    def test_two_slots_run_side_by_side(self, tiny_spec: ModelSpec) -> None:
        engine = self.open(tiny_spec, slots=2)
        errors: list[BaseException] = []

        def work(first_seed: int) -> None:
            try:
                slot = engine.open_slot()
                for seed in range(first_seed, first_seed + RUNS):
                    fit(picture(seed), tiny_spec, out=slot.input)
                    self._assert_answers(slot.run(), slot.input, tiny_spec)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in (0, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []

    def test_a_closed_engine_gives_no_slot(self, tiny_spec: ModelSpec) -> None:
        engine = self.open(tiny_spec)
        engine.close()
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            engine.open_slot()

    def test_the_slots_of_a_closed_engine_refuse(self, tiny_spec: ModelSpec) -> None:
        engine = self.open(tiny_spec)
        slot = engine.open_slot()
        fit(picture(5), tiny_spec, out=slot.input)
        kept = slot.run().labels
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            slot.run()
        assert np.array_equal(kept, reference(slot.input, tiny_spec)[0]), "what was handed out stays readable"

    def test_a_closed_slot_refuses_and_the_others_go_on(self, tiny_spec: ModelSpec) -> None:
        engine = self.open(tiny_spec)
        closed, other = engine.open_slot(), engine.open_slot()
        closed.close()
        closed.close()
        with pytest.raises(EngineError, match="closed"):
            closed.run()
        fit(picture(4), tiny_spec, out=other.input)
        self._assert_answers(other.run(), other.input, tiny_spec)

    def _assert_answers(self, prediction: object, fitted: UInt8, spec: ModelSpec) -> None:
        labels, confidence = reference(fitted, spec)
        assert np.array_equal(prediction.labels, labels)  # type: ignore[attr-defined]
        difference = prediction.confidence.astype(int) - confidence  # type: ignore[attr-defined]
        assert np.abs(difference).max() <= 1
        assert np.count_nonzero(difference) <= 0.01 * difference.size
