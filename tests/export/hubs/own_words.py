"""What a user of these libraries does in a program of their own, run where the libraries are installed.

``python own_words.py LIBRARY FOLDER`` trains and saves networks of LIBRARY below FOLDER, exports each by the command
line of edgeseg, and writes beside it the masks that the library itself makes of some pictures: its own preprocessing,
its own network, its own post-processing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from fitted import CLASSES, HEIGHT, WIDTH, scene, write_dataset
from your_network import run_blocks

from edgeseg.cli import main

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = ((HEIGHT, WIDTH), (HEIGHT, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH), (120, 180), (48, 72))
"""Two of most networks' size, two of DPT's, which is square, and two of none."""
OwnMask = Callable[[np.ndarray], np.ndarray]
"""An RGB picture to labels of its size, as the library makes them."""


def pictures() -> list[np.ndarray]:
    """BGR pictures of :data:`SIZES`."""
    return [scene(500 + number, *size)[0] for number, size in enumerate(SIZES)]


def normalised(image: np.ndarray) -> torch.Tensor:
    """RGB uint8 to ``[1, 3, H, W]`` as ImageNet's networks take it."""
    values = (image / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(values.transpose(2, 0, 1)[None].astype(np.float32))


def train(
    net: torch.nn.Module, logits: Callable[[Any], torch.Tensor], targets: str = "classes", steps: int = 40
) -> None:
    """Let a network learn the scenes for some seconds; ``targets`` are classes, foreground or sigmoids."""
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    net.train()
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 0.2  # MobileNetV3's 0.01 is for a hundred times as many steps
    for step in range(steps):
        pairs = [scene(step * 4 + number) for number in range(4)]
        images = torch.cat([normalised(np.ascontiguousarray(image[..., ::-1])) for image, _ in pairs])
        masks = torch.from_numpy(np.stack([mask for _, mask in pairs])).long()
        given = logits(net(images))
        given = torch.nn.functional.interpolate(given, size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False)
        loss = _loss(given, masks, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()


def balance(net: torch.nn.Module, head: torch.nn.Module, logits: Callable[[Any], torch.Tensor]) -> None:
    """Let a network that nobody trained show several classes: its last layer gives each the same mean."""
    with torch.inference_mode():
        image = normalised(np.ascontiguousarray(scene(9, WIDTH, WIDTH)[0][..., ::-1]))
        mean = logits(net.eval()(image)).mean((0, 2, 3))
    with torch.no_grad():
        head.bias.sub_(mean)


def _loss(given: torch.Tensor, masks: torch.Tensor, targets: str) -> torch.Tensor:
    if targets == "classes":
        return torch.nn.functional.cross_entropy(given, masks)
    wanted = (masks > 0)[:, None] if targets == "foreground" else torch.stack([masks == 1, masks == 2], 1)
    return torch.nn.functional.binary_cross_entropy_with_logits(given, wanted.float())


def export(model: str | Path, root: Path, *words: str) -> None:
    """Run ``edgeseg export``; what it says is the library's own affair where it fails."""
    command = ["export", str(model), "--out", str(root / "artifacts"), "--format", "onnx", *words]
    code = main(command)
    assert code == 0, f"edgeseg {' '.join(command)} ended with {code}"


def prove_int8(model: str | Path, root: Path, *words: str) -> None:
    """Run ``edgeseg export --int8`` on labelled scenes."""
    data = root / "data"
    if not data.exists():
        write_dataset(data, 24, 24)
    export(model, root, "--int8", "--data", str(data), "--max-drop", "3", *words)


def run_page(heading: str, root: Path, *left: str) -> None:
    """Run the blocks of docs/your-network.md under a heading, in the folder that holds what they name."""
    os.chdir(root)
    run_blocks(heading)
    for name in left:
        assert (root / "artifacts" / f"{name}-fp32-openvino" / "edgeseg.json").is_file()


def keep_masks(root: Path, name: str, own: OwnMask) -> None:
    """Write what the library itself makes of the pictures."""
    found = [own(np.ascontiguousarray(image[..., ::-1])) for image in pictures()]
    for image, mask in zip(pictures(), found, strict=True):
        assert mask.shape == image.shape[:2]
    np.savez(root / f"{name}.npz", *[mask.astype(np.uint8) for mask in found])


def enlarge(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(mask.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def main_of(library: str, folder: Path) -> None:
    import importlib

    importlib.import_module(f"own_{library}").make(folder)
    (folder / "classes.json").write_text(json.dumps(CLASSES))


if __name__ == "__main__":
    main_of(sys.argv[1], Path(sys.argv[2]))
