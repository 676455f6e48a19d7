"""Networks of torchvision, as its reference scripts save them: a file of weights and the name of what builds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from fitted import CLASSES, HEIGHT, WIDTH
from own_words import balance, enlarge, export, keep_masks, prove_int8, run_page, train
from PIL import Image
from torchvision.models import segmentation
from torchvision.transforms._presets import SemanticSegmentation

SIZE = ("--imgsz", str(HEIGHT), str(WIDTH))
FACTORY = "torchvision.models.segmentation"


def own_mask(net: torch.nn.Module):
    """Segment as torchvision's page has it, with the transform of its weights, whose shorter side is the network's."""
    prepare = SemanticSegmentation(resize_size=HEIGHT)

    def mask(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            given = net.eval()(prepare(Image.fromarray(image))[None])["out"]
        return enlarge(given[0].argmax(0).numpy(), image.shape[:2])

    return mask


def make(root: Path) -> None:
    torch.manual_seed(0)
    net = segmentation.lraspp_mobilenet_v3_large(num_classes=3, weights_backbone=None)
    train(net, lambda given: given["out"], steps=40)
    torch.save(net.state_dict(), root / "lraspp.pth")
    words = ["--weights", str(root / "lraspp.pth"), *SIZE, "--classes", ",".join(CLASSES)]
    prove_int8("torchvision:lraspp_mobilenet_v3_large", root, *words)
    keep_masks(root, "lraspp", own_mask(net))
    run_page("A network of torchvision", root, "lraspp", "again")

    net = segmentation.deeplabv3_mobilenet_v3_large(num_classes=4, aux_loss=True, weights_backbone=None)
    train(net, lambda given: given["out"], steps=4)
    balance(net, net.classifier[-1], lambda given: given["out"])
    torch.save({"model": net.state_dict(), "epoch": 3}, root / "deeplabv3.pth")
    words = ["--weights", str(root / "deeplabv3.pth"), *SIZE]
    export(f"{FACTORY}:deeplabv3_mobilenet_v3_large(num_classes=4, aux_loss=True)", root, *words)
    keep_masks(root, "deeplabv3", own_mask(net))

    net = segmentation.fcn_resnet50(num_classes=21, weights_backbone=None)
    train(net, lambda given: given["out"], steps=4)
    balance(net, net.classifier[-1], lambda given: given["out"])
    torch.save(net.state_dict(), root / "fcn.pth")
    export("torchvision:fcn_resnet50", root, "--weights", str(root / "fcn.pth"), *SIZE)
    keep_masks(root, "fcn", own_mask(net))
