"""Networks of published projects, by the lines of docs/your-network.md: masks are those of the network itself.

``tests/export/projects`` has small networks of the same structure, and they are laid where those projects have theirs.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitted import CLASSES, HEIGHT, WIDTH, scene, write_dataset
from torch import nn
from torch.nn import functional
from your_network import blocks, commands, run_blocks

import edgeseg
from edgeseg.cli import main

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]
HEADING = "Published projects, a line each"
PROJECTS = Path(__file__).with_name("projects")
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CITYSCAPES = ((0.3257, 0.3690, 0.3223), (0.2112, 0.2148, 0.2115))
PLAIN = ((0, 0, 0), (1, 1, 1))
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Project:
    """A project: where its code lies, how it is trained and saved, and what its own script makes of a result.

    Attributes:
        module: where the project has the network.
        like: the file of ``tests/export/projects``.
        train: builds it as for training.
        run: builds it as its own script for pictures does.
        pixels: mean and std.
        saved: what is written of its weights.
        main: which of the results of training is the main one.
        aligned: corners, where its results are smaller than the picture.
    """

    module: str
    like: str
    train: Callable[[Any], nn.Module]
    run: Callable[[Any], nn.Module]
    pixels: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET
    saved: Callable[[State], object] = lambda state: state
    main: int = 0
    aligned: bool = False


def in_a_module_with_losses(state: State) -> State:
    return {**{f"model.{name}": one for name, one in state.items()}, "loss.criterion.weight": torch.ones(3)}


def pidnet_checkpoint(state: State) -> object:
    inside = {f"model.{name}": one for name, one in state.items()}
    return {"epoch": 9, "best_mIoU": 0.7, "state_dict": {**inside, "sem_loss.criterion.weight": torch.ones(3)}}


FOUND = {
    "unet": Project(
        "unet", "unet", lambda m: m.UNet(3, 3), lambda m: m.UNet(3, 3), PLAIN, lambda s: {**s, "mask_values": [0, 1, 2]}
    ),
    "u2netp": Project("model", "u2net", lambda m: m.U2NETP(3, 1), lambda m: m.U2NETP(3, 1)),
    "bisenetv2": Project(
        "lib.models.bisenetv2",
        "bisenetv2",
        lambda m: m.BiSeNetV2(3),
        lambda m: m.BiSeNetV2(3, aux_mode="pred"),
        CITYSCAPES,
    ),
    "bisenetv1": Project(
        "lib.models.bisenetv1",
        "bisenetv2",
        lambda m: m.BiSeNetV1(3),
        lambda m: m.BiSeNetV1(3, aux_mode="eval"),
        CITYSCAPES,
    ),
    "ddrnet": Project(
        "segmentation.DDRNet_23_slim",
        "two_branches",
        lambda m: m.get_seg_model(None),
        lambda m: m.DDRNet(3, augment=False),
        saved=in_a_module_with_losses,
    ),
    "pidnet": Project(
        "models.pidnet",
        "two_branches",
        lambda m: m.PIDNet(3, augment=True),
        lambda m: m.get_pred_model("pidnet-s", 3),
        saved=pidnet_checkpoint,
        main=1,
        aligned=True,
    ),
    "fast_scnn": Project(
        "models.fast_scnn", "fast_scnn", lambda m: m.FastSCNN(3, aux=True), lambda m: m.FastSCNN(3, aux=False)
    ),
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the code and the weights of every project, and what the page's lines make of them."""
    folder = tmp_path_factory.mktemp("projects")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        before = set(sys.modules)
        for name, project in FOUND.items():
            file = folder.joinpath(*project.module.split(".")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECTS / f"{project.like}.py", file)
            importlib.invalidate_caches()
            net = train(project, importlib.import_module(project.module))
            torch.save(project.saved(net.state_dict()), f"{name}.pth")
            torch.save(net.state_dict(), f"{name}-own.pth")
        run_blocks(HEADING)
        yield folder
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in {project.module.partition(".")[0] for project in FOUND.values()}:
                del sys.modules[name]


def pixels(project: Project, image: Any) -> torch.Tensor:
    """An image of BGR pixels as the project's own script has it."""
    mean, std = project.pixels
    values = (image[..., ::-1] / np.float32(255) - np.float32(mean)) / np.float32(std)
    return torch.from_numpy(values.transpose(2, 0, 1)[None].astype(np.float32))


def train(project: Project, module: Any) -> nn.Module:
    """Let it learn discs and boxes for a second or two, each of its heads."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = project.train(module)
    is_mask = project.like == "u2net"
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for step in range(40):
        pairs = [scene(4 * step + number) for number in range(4)]
        found = net(torch.cat([pixels(project, image) for image, _ in pairs]))
        truth = torch.from_numpy(np.stack([mask for _, mask in pairs])).long()
        loss = torch.zeros(())
        for one in found if isinstance(found, list | tuple) else [found]:
            scores = functional.interpolate(one, size=(HEIGHT, WIDTH), mode="bilinear")
            if is_mask:
                loss = loss + functional.binary_cross_entropy(scores[:, 0], (truth > 0).float())
            elif one.shape[1] == len(CLASSES):
                loss = loss + functional.cross_entropy(scores, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


def own_mask(name: str, image: Any) -> Any:
    """What the project's own script gives for a picture: its network as it is run, its own enlargement."""
    project = FOUND[name]
    net = project.run(importlib.import_module(project.module))
    net.load_state_dict(torch.load(f"{name}-own.pth"), strict=False)
    with torch.inference_mode():
        found = net.eval()(pixels(project, image))
    found = found[0] if isinstance(found, tuple) else found
    if found.ndim == 3:
        return found[0].numpy()
    corners = {"align_corners": True} if project.aligned else {}
    found = functional.interpolate(found, size=(HEIGHT, WIDTH), mode="bilinear", **corners)
    return (found[0, 0] > 0.5).numpy() if found.shape[1] == 1 else found[0].argmax(0).numpy()


@pytest.mark.parametrize("name", FOUND)
def test_masks_are_those_of_the_project(name: str, here: Path) -> None:
    seen: set[int] = set()
    with edgeseg.load(here / "artifacts" / f"{name}-fp32-openvino") as model:
        for seed in range(900, 904):
            image, _ = scene(seed)
            wanted = own_mask(name, image)
            np.testing.assert_array_equal(model(image).labels, wanted)
            seen.update(np.unique(wanted).tolist())
    assert seen == ({0, 1} if name == "u2netp" else {0, 1, 2})


def test_every_line_of_the_page_is_one_of_these() -> None:
    lines = [words for _, text in blocks(HEADING) for words in commands(text)]
    assert [words[2].partition(":")[0] for words in lines] == [one.module for one in FOUND.values()]


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        (["lib.models.bisenetv2:BiSeNetV2(3, aux_mode='eval')", "bisenetv2.pth"], "aux2, aux5_4"),
        (["lib.models.bisenetv2:BiSeNetV2(3, aux_mode='pred')", "bisenetv2.pth"], "aux2, aux5_4"),
        (["lib.models.bisenetv1:BiSeNetV1(3, aux_mode='eval')", "bisenetv1.pth"], "conv_out16, conv_out32"),
        (["models.fast_scnn:FastSCNN(3)", "fast_scnn.pth"], "auxlayer"),
        (["models.pidnet:get_pred_model('pidnet-s', 3)", "pidnet.pth"], "seghead_p, seghead_d"),
        (["models.pidnet:DDRNet(3, augment=False)", "ddrnet.pth"], "seghead_extra"),
    ],
)
def test_heads_of_training_are_left_out_and_that_is_said(
    words: list[str], left_out: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export_again(*words, "--upsample", "bilinear") == 0
    assert (
        f"holds weights of {left_out}, which the network as it is built here does not have" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["models.fast_scnn:FastSCNN(3, aux=True)", "fast_scnn.pth"], "The network gives 0 [1, 3, 64, 96], 1 ["),
        (["lib.models.bisenetv2:BiSeNetV2(3)", "bisenetv2.pth"], "Say it: --logits 0, or whichever it is."),
        (["models.pidnet:PIDNet(3, True)", "pidnet.pth"], "0 [1, 3, 8, 12], 1 [1, 3, 8, 12], 2 [1, 1, 8, 12]"),
        (["models.pidnet:PIDNet(3, False)", "pidnet.pth"], "Give --upsample bilinear or bilinear-align-corners"),
        (["models.pidnet:PIDNet(3, False)", "fast_scnn.pth"], "No name is in both"),
    ],
)
def test_what_is_not_plain_is_asked_for(
    words: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export_again(*words) == 2
    assert message in capsys.readouterr().err


def export_again(model: str, weights: str, *more: str) -> int:
    pixels = ["--color-order", "rgb", "--mean", "0", "--std", "1", "--classes", ",".join(CLASSES)]
    words = ["--weights", weights, "--imgsz", str(HEIGHT), str(WIDTH), *pixels, "--out", "again", "--format", "onnx"]
    return main(["export", model, *words, *more])


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_int8_is_proven_on_labelled_pictures(engine: str, here: Path, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", 12, 8)
    words = ["--int8", "--data", str(data), "--max-drop", "3", "--format", engine, "--out", str(tmp_path)]
    (line,) = [words for _, text in blocks(HEADING) for words in commands(text) if "unet.pth" in words]
    assert main([*line[1:], *words]) == 0
    assert_int8_segments(tmp_path / f"unet-int8-{engine}")


def assert_int8_segments(path: Path) -> None:
    """An INT8 artifact labels the scenes as its float network does, all but a few pixels, and not exactly."""
    image, truth = scene(950)
    with edgeseg.load(path) as model:
        labels = model(image).labels
    assert model.artifact.precision == "int8"
    assert (labels == truth).mean() > 0.9
