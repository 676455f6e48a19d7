"""What is known of a library's network before the library is imported, and what is said where it cannot be opened."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from edgeseg.cli import main
from edgeseg.errors import ArtifactError, CheckpointError, EdgesegError, MissingExtra, SpecError
from edgeseg.export.hubs.agreement import agree, notes_for
from edgeseg.export.hubs.hub_net import IMAGENET, HubNet
from edgeseg.export.hubs.known_module import complete_keywords, torchvision_arguments
from edgeseg.export.hubs.saved_transform import FILE, read_transform
from edgeseg.export.hubs.smp_folder import encoder_pixels
from edgeseg.export.hubs.table import find_hub
from edgeseg.export.source.model_kinds import open_source
from edgeseg.export.source.source_net import SourceRequest
from edgeseg.export.specs.foreign_spec import SpecFlags

SMP = {"_model_class": "Unet", "encoder_name": "resnet18", "encoder_weights": None, "in_channels": 3, "classes": 3}
SEGFORMER = {"architectures": ["SegformerForSemanticSegmentation"], "model_type": "segformer"}


def folder(root: Path, config: dict[str, Any], weights: bytes | None = b"nothing") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "config.json").write_text(json.dumps(config))
    if weights is not None:
        (root / "model.safetensors").write_bytes(weights)
    return root


def refusal(model: str | Path, **flags: Any) -> EdgesegError:
    with pytest.raises(EdgesegError) as caught:
        open_source(model, SourceRequest(SpecFlags(**flags)))
    return caught.value


@pytest.mark.parametrize(
    ("config", "title"),
    [
        (SMP, "segmentation_models.pytorch"),
        (SEGFORMER, "Hugging Face transformers"),
        ({"model_type": "dpt"}, "Hugging Face transformers"),
        ({"name": "something else"}, None),
        ({}, None),
    ],
)
def test_a_folder_is_known_by_its_config(tmp_path: Path, config: dict[str, Any], title: str | None) -> None:
    found = find_hub(folder(tmp_path, config))
    assert (None if found is None else found.title) == title


@pytest.mark.parametrize(
    ("config", "package"),
    [(SMP, "segmentation-models-pytorch"), (SEGFORMER, "transformers")],
    ids=["smp", "transformers"],
)
def test_a_library_that_is_missing_is_named_with_its_pip_line(
    tmp_path: Path, config: dict[str, Any], package: str
) -> None:
    if importlib.util.find_spec(package.replace("-", "_")) is not None:
        pytest.skip(f"{package} is installed beside the tests")
    told = refusal(folder(tmp_path / "net", config))
    assert isinstance(told, MissingExtra)
    assert str(told).startswith(f"{tmp_path / 'net'} is opened by {package}, which is not installed here: ")
    assert str(told).endswith(f"install {package}")


@pytest.mark.parametrize(
    "kind",
    [
        "Mask2FormerForUniversalSegmentation",
        "MaskFormerForInstanceSegmentation",
        "OneFormerForUniversalSegmentation",
        "EomtForUniversalSegmentation",
        "DetrForSegmentation",
    ],
)
def test_networks_of_queries_are_declined_in_a_sentence(tmp_path: Path, kind: str) -> None:
    told = refusal(folder(tmp_path, {"architectures": [kind], "model_type": kind.partition("For")[0].lower()}))
    assert f"is a {kind} of transformers: it gives masks and classes of queries, and not a score a class" in str(told)
    assert "such as SegFormer, DPT or UperNet" in str(told)


@pytest.mark.parametrize("kind", ["SegformerForImageClassification", "ViTModel", "DPTForDepthEstimation"])
def test_networks_of_other_tasks_are_declined(tmp_path: Path, kind: str) -> None:
    told = refusal(folder(tmp_path, {"architectures": [kind], "model_type": "segformer"}))
    assert f"is a {kind} of transformers, which is not for semantic segmentation" in str(told)


def test_code_of_a_folder_is_never_run(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("raise SystemExit('this ran')\n")
    config = {"architectures": ["MyNet"], "model_type": "mine", "auto_map": {"AutoModel": "net.MyNet"}}
    assert "brings code of its own ('auto_map' in config.json), which is never run" in str(
        refusal(folder(tmp_path, config))
    )


@pytest.mark.parametrize("config", [SMP, SEGFORMER], ids=["smp", "transformers"])
def test_weights_that_are_not_there_are_said_first(tmp_path: Path, config: dict[str, Any]) -> None:
    told = refusal(folder(tmp_path, config, None))
    assert isinstance(told, CheckpointError)
    assert "has no weights: model.safetensors (or pytorch_model.bin) is not there" in str(told)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    assert "Fetch them with: git lfs pull" in str(refusal(folder(tmp_path, config, pointer)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_channels": 4}, "takes 4 channels ('in_channels'); edgeseg runs networks of colour or grey"),
        ({"classes": 300}, "has 300 classes; edgeseg runs 1 to 254"),
        ({"classes": "three"}, "`classes` of config.json is a whole number; found 'three'"),
        ({"encoder_name": "tu-hf-hub:somebody/net"}, "which is no name of one"),
    ],
)
def test_what_cannot_be_run_is_said_before_the_library_is_asked(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    assert message in str(refusal(folder(tmp_path, {**SMP, **changes})))


def test_networks_of_more_than_colour_are_declined(tmp_path: Path) -> None:
    told = refusal(folder(tmp_path, {**SEGFORMER, "num_channels": 4}))
    assert "takes 4 channels ('num_channels')" in str(told)


@pytest.mark.parametrize(
    "name", ["nvidia/segformer-b0-finetuned-ade-512-512", "https://huggingface.co/nvidia/segformer-b0", "hf://a/b"]
)
def test_a_name_on_the_hub_gives_the_line_that_downloads_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", name]) == 2
    owner, _, own = name.rpartition("/")
    told = capsys.readouterr().err
    assert f"`hf download {owner.rpartition('/')[2]}/{own} --local-dir {own}`" in told
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_there_is_no_name_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for path in ("runs/best", "runs/best.onnx", "there/best.pt", "best"):
        assert "Hugging Face" not in str(refusal(Path(path)))


@pytest.mark.parametrize(
    ("encoder", "weights", "mean", "std"),
    [
        ("resnet18", "imagenet", 0.485, 0.229),
        ("vgg11_bn", None, 0.485, 0.229),
        ("mit_b0", "imagenet", 0.485, 0.229),
        ("efficientnet-b0", "advprop", 0.5, 0.5),
        ("timm-efficientnet-b0", "noisy-student", 0.485, 0.229),
        ("timm-tf_efficientnet_lite0", "imagenet", 0.5, 0.5),
        ("inceptionv4", "imagenet+background", 0.5, 0.5),
        ("xception", "imagenet", 0.5, 0.5),
        ("dpn68", "imagenet", 124 / 255, 1 / (0.0167 * 255)),
    ],
)
def test_pixels_are_prepared_as_for_the_encoders_own_weights(
    encoder: str, weights: str | None, mean: float, std: float
) -> None:
    """As ``get_preprocessing_params`` of segmentation_models_pytorch 0.4.0 has them."""
    found = encoder_pixels(encoder, weights)
    assert found is not None
    assert (found["color_order"], found["mean"][0], found["std"][0]) == ("rgb", pytest.approx(mean), pytest.approx(std))


def test_the_arguments_of_torchvision_follow_from_the_weights() -> None:
    heads = {"classifier.4.bias": torch.zeros(4), "aux_classifier.4.bias": torch.zeros(4)}
    wanted = {"weights_backbone": None, "num_classes": 4}
    assert torchvision_arguments({"backbone.conv1.weight": torch.zeros(1), **heads}) == {**wanted, "aux_loss": True}
    lraspp = {"module.classifier.cbr.1.bias": torch.zeros(128), "module.classifier.low_classifier.bias": torch.zeros(4)}
    assert torchvision_arguments(lraspp) == wanted


def test_a_call_downloads_nothing_that_the_weights_replace() -> None:
    given = {"encoder_name": "resnet18", "encoder_weights": "imagenet"}
    assert complete_keywords("segmentation_models_pytorch", given) == given, "what a person says is done"
    assert complete_keywords("segmentation_models_pytorch", {}) == {"encoder_weights": None}
    assert complete_keywords("torchvision.models.segmentation", {"num_classes": 3})["weights_backbone"] is None
    assert complete_keywords("nets", {"num_classes": 3}) == {"num_classes": 3}


def test_torchvision_without_weights_gives_the_line_that_brings_them() -> None:
    told = str(refusal("torchvision:lraspp_mobilenet_v3_large"))
    assert "needs the file with its weights: `weights`" in told
    assert (
        "get_model('lraspp_mobilenet_v3_large', weights='DEFAULT').state_dict(), 'lraspp_mobilenet_v3_large.pth')"
        in told
    )


RESIZE = {"__class_fullname__": "Resize", "p": 1.0, "height": 96, "interpolation": 1, "width": 128}
NORMALIZE = {"__class_fullname__": "Normalize", "p": 1.0, "max_pixel_value": 255.0, "mean": [0.1, 0.2, 0.3]}
NORMALIZE |= {"normalization": "standard", "std": [0.4, 0.5, 0.6]}
PAD = {"__class_fullname__": "PadIfNeeded", "p": 1.0, "border_mode": 0, "min_height": 256, "min_width": 320}


def transform(root: Path, *steps: dict[str, Any]) -> Path:
    """Write the file that albumentations 2.0.8 writes."""
    whole = {"__class_fullname__": "Compose", "p": 1.0, "transforms": list(steps), "bbox_params": None}
    (root / FILE).write_text(json.dumps({"__version__": "2.0.8", "transform": whole}))
    return root


def test_the_transform_beside_the_weights_is_read(tmp_path: Path) -> None:
    nested = {"__class_fullname__": "albumentations.core.composition.Compose", "transforms": [NORMALIZE]}
    said, notes = read_transform(transform(tmp_path, RESIZE, nested, {"__class_fullname__": "ToTensorV2"}))
    assert said == {"imgsz": (96, 128), "resize": "stretch", "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
    assert notes == []


def test_pixels_that_stay_0_to_255_are_read_so(tmp_path: Path) -> None:
    said, _ = read_transform(transform(tmp_path, {**NORMALIZE, "max_pixel_value": 1.0, "mean": [127.5] * 3}))
    assert said["mean"] == pytest.approx((0.5,) * 3)
    said, _ = read_transform(transform(tmp_path, {"__class_fullname__": "ToFloat", "max_value": 255}))
    assert said == {"mean": (0.0,) * 3, "std": (1.0,) * 3}


def test_what_a_transform_does_beyond_is_said(tmp_path: Path) -> None:
    said, notes = read_transform(transform(tmp_path, PAD, {"__class_fullname__": "CLAHE"}))
    assert said == {"imgsz": (256, 320), "resize": "letterbox"}
    assert [note for _, note in notes] == [
        f"{FILE}: PadIfNeeded is read as a letterbox: the picture is made as large as fits, and the rest is grey.",
        f"{FILE}: the step CLAHE is left out.",
    ]
    with pytest.raises(SpecError, match="by its own values"):
        read_transform(transform(tmp_path, {**NORMALIZE, "normalization": "image"}))
    (tmp_path / FILE).write_text("{")
    with pytest.raises(ArtifactError, match="is not JSON"):
        read_transform(tmp_path)


NET = HubNet(
    torch.nn.Identity(),
    "the folder",
    says={**IMAGENET, "task": "binary"},
    assumes={"imgsz": (512, 512), "classes": ("background", "foreground")},
    notes=(("classes", "no names"), ("", "for everybody"), ("imgsz", "no size")),
)


def test_what_a_person_says_wins_only_where_the_library_is_silent() -> None:
    said = SpecFlags(classes=("ground", "cell"), imgsz=(64, 96), threshold=0.7)
    assert agree(NET, vars(said)) == {
        **IMAGENET,
        "task": "binary",
        "classes": ("ground", "cell"),
        "imgsz": (64, 96),
        "threshold": 0.7,
    }
    assert agree(NET, {})["imgsz"] == (512, 512)


def test_the_same_said_in_other_words_is_no_contradiction() -> None:
    said = SpecFlags(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), value_range=255)
    assert agree(NET, vars(said))["mean"] == pytest.approx(IMAGENET["mean"])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            SpecFlags(mean=(0.5, 0.5, 0.5)),
            r"says \(0\.485, 0\.456, 0\.406\); `mean=\(0\.5, 0\.5, 0\.5\)` contradicts it",
        ),
        (SpecFlags(color_order="bgr"), "says 'rgb'; `color_order='bgr'` contradicts it"),
        (SpecFlags(task="multilabel"), "says 'binary'; `task='multilabel'` contradicts it"),
    ],
)
def test_a_contradiction_is_refused(said: SpecFlags, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        agree(NET, vars(said))


def test_what_a_person_said_needs_no_remark() -> None:
    assert notes_for(NET, {}) == ("no names", "for everybody", "no size")
    assert notes_for(NET, {"classes": ("a", "b"), "imgsz": (64, 64)}) == ("for everybody",)
