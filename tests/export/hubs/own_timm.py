"""A decoder of one's own on features of timm, built by a function in a file beside the weights."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import timm
import torch
from fitted import CLASSES, HEIGHT, WIDTH
from own_words import balance, enlarge, export, keep_masks, prove_int8, run_page, train

SIZE = ("--imgsz", str(HEIGHT), str(WIDTH))
BUILD = """
import timm
import torch
from torch import nn


class OnFeatures(nn.Module):
    def __init__(self, encoder, classes):
        super().__init__()
        self.encoder = timm.create_model(encoder, features_only=True, out_indices=(1, 2, 3), pretrained=False)
        channels = self.encoder.feature_info.channels()
        self.lateral = nn.ModuleList(nn.Conv2d(each, 32, 1) for each in channels)
        self.head = nn.Conv2d(32, classes, 3, padding=1)

    def forward(self, x):
        maps = [conv(each) for conv, each in zip(self.lateral, self.encoder(x))]
        size = maps[0].shape[-2:]
        total = sum(nn.functional.interpolate(each, size=size, mode="bilinear") for each in maps)
        return nn.functional.interpolate(self.head(torch.relu(total)), size=x.shape[-2:], mode="bilinear")


def build(encoder="mobilenetv3_small_050", classes=3):
    return OnFeatures(encoder, classes)
"""


def own_mask(net: torch.nn.Module):
    """Segment with the mean and std of timm's own data configuration."""
    config = timm.data.resolve_data_config({}, model=net.encoder)

    def mask(image: np.ndarray) -> np.ndarray:
        small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
        values = (small / np.float32(255) - np.float32(config["mean"])) / np.float32(config["std"])
        with torch.inference_mode():
            given = net.eval()(torch.from_numpy(values.transpose(2, 0, 1)[None].astype(np.float32)))
        return enlarge(given[0].argmax(0).numpy(), image.shape[:2])

    return mask


def make(root: Path) -> None:
    torch.manual_seed(0)
    (root / "nets.py").write_text(BUILD)
    os.chdir(root)
    sys.path.insert(0, str(root))
    import nets

    net = nets.build()
    train(net, lambda given: given, steps=40)
    torch.save({"state_dict": {f"module.{name}": value for name, value in net.state_dict().items()}}, root / "fpn.pth")
    words = ["--weights", "fpn.pth", *SIZE, "--classes", ",".join(CLASSES)]
    prove_int8("nets:build(classes=3)", root, *words)
    keep_masks(root, "fpn", own_mask(net))
    run_page("A network of timm", root, "fpn")

    tiny = nets.build("tf_efficientnet_lite0")
    balance(tiny, tiny.head, lambda given: given)
    torch.save(tiny.state_dict(), root / "lite.pth")
    export("nets:build('tf_efficientnet_lite0')", root, "--weights", "lite.pth", *SIZE, "--classes", ",".join(CLASSES))
    keep_masks(root, "lite", own_mask(tiny))
