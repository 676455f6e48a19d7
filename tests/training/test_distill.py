"""A student that imitates a teacher, and networks with auxiliary outputs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import linear_model
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.dataset import Dataset
from edgeseg.errors import ArtifactError, CheckpointError, UserError
from edgeseg.image import normalise
from edgeseg.runtime.engines.predictor import open_predictor
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import read_checkpoint
from edgeseg.training.distill import Teacher, distillation_loss
from edgeseg.training.loop import Trainer, train
from edgeseg.training.losses.losses import VOID, cross_entropy
from edgeseg.training.objective import AUXILIARY_WEIGHT, Objective
from edgeseg.training.settings import Distillation, TrainSettings

GENERATOR = torch.Generator().manual_seed(0)
TARGET = torch.randint(0, 3, (2, 4, 6), generator=GENERATOR)


def logits(classes: int = 3, size: tuple[int, int] = (4, 6)) -> Tensor:
    return torch.randn(2, classes, *size, generator=GENERATOR)


def settings(out: Path, **changes: object) -> TrainSettings:
    base = TrainSettings(out=out, options={"width": 0.25}, epochs=1, batch=4, crop=(32, 32), amp="no", device="cpu")
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory, disc_folder: Path) -> Path:
    out = tmp_path_factory.mktemp("teacher")
    data = Dataset.open(disc_folder)
    return train(data, ModelSpec("multiclass", data.classes, 48, 48), settings(out)).last


def test_the_imitation_is_the_divergence_of_softened_probabilities_by_hand() -> None:
    student, wanted = torch.tensor([0.0, 0.0]), torch.tensor([2.0, 0.0])
    p = torch.softmax(wanted / 2, 0)
    expected = 4 * (p * (p / 0.5).log()).sum()
    shape = (1, 2, 1, 1)
    found = distillation_loss(student.reshape(shape), wanted.reshape(shape), torch.zeros(1, 1, 1).long(), 2.0)
    assert found.item() == pytest.approx(expected.item())


def test_one_logit_imitates_like_two_of_which_one_is_zero() -> None:
    student, wanted = logits(1), logits(1)
    pairs = [torch.cat([torch.zeros_like(z), z], 1) for z in (student, wanted)]
    assert torch.allclose(distillation_loss(student, wanted, TARGET, 3.0), distillation_loss(*pairs, TARGET, 3.0))


def test_a_perfect_imitation_costs_nothing_and_void_is_not_imitated() -> None:
    student = logits()
    assert distillation_loss(student, student.clone(), TARGET, 2.0).item() == pytest.approx(0, abs=1e-6)
    void = TARGET.clone()
    void[:, 2:] = VOID
    wanted = logits()
    expected = distillation_loss(student[:, :, :2], wanted[:, :, :2], TARGET[:, :2], 2.0)
    assert torch.allclose(distillation_loss(student, wanted, void, 2.0), expected)
    assert distillation_loss(student, wanted, torch.full_like(TARGET, VOID), 2.0) == 0


def test_a_student_of_the_teacher_alone_becomes_it() -> None:
    wanted = logits()
    student = logits().requires_grad_()
    mixed = Teacher(nn.Identity(), Distillation(Path("t.pt"), weight=1.0, temperature=1.0))
    optimizer = torch.optim.Adam([student], 0.1)
    for _ in range(150):
        optimizer.zero_grad()
        mixed.mix(cross_entropy(student, TARGET), student, wanted, TARGET).backward()
        optimizer.step()
    assert torch.allclose(student.softmax(1), wanted.softmax(1), atol=0.02)


def test_weight_shares_the_loss_between_truth_and_teacher() -> None:
    student, wanted = logits(), logits()
    objective = Objective(cross_entropy, Teacher(nn.Identity(), Distillation(Path("t.pt"), 0.3, 2.0)))
    expected = 0.7 * cross_entropy(student, TARGET) + 0.3 * distillation_loss(student, wanted, TARGET, 2.0)
    assert torch.allclose(objective(student, wanted, TARGET), expected)


def test_auxiliary_outputs_of_any_size_add_their_share() -> None:
    main, same, half = logits(), logits(), logits(size=(2, 3))
    large = F.interpolate(half, size=(4, 6), mode="bilinear", align_corners=False)
    expected = cross_entropy(main, TARGET)
    assert torch.equal(Objective(cross_entropy)(main, main, TARGET), expected)
    expected = expected + AUXILIARY_WEIGHT * (cross_entropy(same, TARGET) + cross_entropy(large, TARGET))
    assert torch.allclose(Objective(cross_entropy)((main, same, half), main, TARGET), expected)


def test_a_network_with_an_auxiliary_output_trains_in_the_loop(
    tmp_path: Path, discs: Dataset, disc_spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Supervised(nn.Module):
        def __init__(self, *_: object) -> None:
            super().__init__()
            self.main, self.side = nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(3, 2, 3, 2, 1)

        def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
            return (self.main(x), self.side(x)) if self.training else self.main(x)

    monkeypatch.setattr("edgeseg.training.start.build_model", Supervised)
    trainer = Trainer(discs, disc_spec, settings(tmp_path))
    before = trainer.learner.bare.side.weight.clone()
    trainer.run_epoch(0)
    assert not torch.equal(trainer.learner.bare.side.weight, before)
    assert read_checkpoint(tmp_path / "last.pt")["training"]["val_miou"] > 0


def test_a_run_with_a_teacher_leaves_the_teacher_as_it_was(
    tmp_path: Path, discs: Dataset, disc_spec: ModelSpec, teacher: Path
) -> None:
    trainer = Trainer(discs, disc_spec, settings(tmp_path, distill=Distillation(teacher, 0.5, 2.0)))
    trainer.run_epoch(0)
    assert trainer.learner.objective.teacher is not None
    kept = read_checkpoint(teacher)["state"]
    for name, value in trainer.learner.objective.teacher.model.state_dict().items():
        assert torch.equal(value, kept[name]), name
    identity = read_checkpoint(tmp_path / "last.pt")["training"]["distill"]
    assert identity == {"teacher": str(teacher), "weight": 0.5, "temperature": 2.0}


@pytest.mark.parametrize(("change", "said"), [({"classes": ("a", "b")}, "classes"), ({"height": 40}, "height 48")])
def test_a_teacher_of_other_classes_or_size_is_refused(
    disc_spec: ModelSpec, teacher: Path, change: dict[str, object], said: str
) -> None:
    with pytest.raises(CheckpointError, match=said):
        Teacher.load(Distillation(teacher), disc_spec.replace(**change))


def test_wrong_shares_and_temperatures_are_refused() -> None:
    with pytest.raises(UserError, match=r"`Distillation\.weight` must be"):
        Distillation(Path("t.pt"), 1.5)
    with pytest.raises(UserError, match=r"`Distillation\.temperature` must be"):
        Distillation(Path("t.pt"), 0.5, 0.0)


class TestArtifactAsTeacher:
    """An artifact sees the pictures at its own size and in its own colours."""

    @pytest.fixture
    def sky(self) -> ModelSpec:
        return ModelSpec("multiclass", ("sky", "road", "tree"), 40, 56)

    def test_its_probabilities_are_the_ones_that_it_tells(
        self, tiny_artifact: linear_model.ArtifactMaker, sky: ModelSpec
    ) -> None:
        artifact = tiny_artifact("onnx")
        teacher = Teacher.load(Distillation(artifact.path), sky)
        images = np.random.default_rng(0).integers(0, 256, (2, 40, 56, 3), np.uint8)
        given = torch.from_numpy(np.stack([normalise(image, sky) for image in images]))
        told = teacher.model(given).softmax(1)
        assert told.shape == (2, 3, 40, 56)
        with open_predictor(artifact) as predict:
            for image, probabilities in zip(images, told, strict=True):
                seen = predict.examine(image)
                assert (probabilities.argmax(0).numpy() == seen.plain).mean() > 0.999
                assert seen.confidence is not None
                assert probabilities.amax(0).numpy() == pytest.approx(seen.confidence / 255, abs=0.004)

    @pytest.mark.parametrize("task", ["binary", "multilabel"])
    def test_one_question_a_class_gives_one_logit_a_class(
        self, tiny_artifact: linear_model.ArtifactMaker, task: str
    ) -> None:
        spec = ModelSpec(task, ("sky", "road"), 24, 32)
        teacher = Teacher.load(Distillation(tiny_artifact("onnx", spec=spec).path), spec.replace(height=32))
        told = teacher.model(torch.zeros(1, 3, 32, 32))
        assert told.shape == (1, 1 if task == "binary" else 2, 32, 32)
        student = torch.zeros_like(told, requires_grad=True)
        teacher.mix(torch.zeros(()), student, torch.zeros(1, 3, 32, 32), torch.zeros(1, 32, 32).long()).backward()
        assert student.grad is not None
        assert bool((torch.sign(student.grad) == -torch.sign(told)).all()), "the student moves towards its teacher"

    def test_other_classes_and_an_artifact_that_tells_nothing_are_refused(
        self, tiny_artifact: linear_model.ArtifactMaker, sky: ModelSpec
    ) -> None:
        with pytest.raises(CheckpointError, match="has classes"):
            Teacher.load(Distillation(tiny_artifact("onnx").path), sky.replace(classes=("sky", "road", "bush")))
        with pytest.raises(ArtifactError, match="does not say how sure it is"):
            Teacher.load(Distillation(tiny_artifact("onnx", confidence=False).path), sky)
        with pytest.raises(ArtifactError, match="There is no artifact none"):
            Teacher.load(Distillation(Path("none")), sky)
