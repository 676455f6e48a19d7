"""Networks of segmentation_models.pytorch, saved and used as its README has it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import segmentation_models_pytorch as smp
import torch
from fitted import CLASSES, HEIGHT, WIDTH
from own_words import MEAN, STD, balance, enlarge, export, keep_masks, prove_int8, run_page, train

SIZE = ("--imgsz", str(HEIGHT), str(WIDTH))


def own_mask(folder: Path, decide: str):
    """Load the folder again and segment as its user does: Resize of OpenCV, its preprocessing, argmax or 0.5."""
    net = smp.from_pretrained(str(folder)).eval()

    def mask(image: np.ndarray) -> np.ndarray:
        small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
        values = smp.encoders._preprocessing.preprocess_input(small, mean=MEAN, std=STD, input_range=[0, 1])
        with torch.inference_mode():
            given = net(torch.from_numpy(values.transpose(2, 0, 1)[None].astype(np.float32)))
        given = given[0] if isinstance(given, tuple) else given
        if decide == "argmax":
            labels = given[0].argmax(0)
        elif decide == "logit":
            labels = given[0, 0] >= 0
        else:
            labels = sum((given[0, k] >= 0.5).int() << k for k in range(given.shape[1]))
        return enlarge(labels.numpy(), image.shape[:2])

    return mask


def make(root: Path) -> None:
    torch.manual_seed(0)
    small = {"encoder_depth": 3, "decoder_channels": (32, 16, 16), "encoder_weights": None}
    three = smp.Unet("mobilenet_v2", classes=3, **small)
    train(three, lambda given: given, steps=30)
    three.save_pretrained(root / "three", dataset="scenes")
    prove_int8(root / "three", root, *SIZE, "--classes", ",".join(CLASSES))
    keep_masks(root, "three", own_mask(root / "three", "argmax"))
    (root / "three").rename(root / "unet")
    run_page("A folder of segmentation_models.pytorch", root, "unet")

    one = smp.Unet("resnet18", classes=1, aux_params={"classes": 4}, **small)
    train(one, lambda given: given[0], "foreground", 10)
    one.save_pretrained(root / "one")
    export(root / "one", root, *SIZE)
    keep_masks(root, "one", own_mask(root / "one", "logit"))

    sigmoids = smp.FPN("mobilenet_v2", encoder_weights=None, classes=2, activation="sigmoid", upsampling=4)
    train(sigmoids, lambda given: torch.logit(given, 1e-4), "sigmoids", 30)
    sigmoids.save_pretrained(root / "sigmoids")
    export(root / "sigmoids", root, *SIZE, "--classes", "disc,box")
    keep_masks(root, "sigmoids", own_mask(root / "sigmoids", "sigmoids"))

    of_timm = smp.DeepLabV3Plus("tu-mobilenetv3_small_050.lamb_in1k", encoder_weights=None, classes=3)
    balance(of_timm, of_timm.segmentation_head[0], lambda given: given)
    of_timm.save_pretrained(root / "of-timm")
    pickle = root / "of-timm" / "pytorch_model.bin"
    torch.save(of_timm.state_dict(), pickle)
    (root / "of-timm" / "model.safetensors").unlink()
    export(root / "of-timm", root, *SIZE)
    of_timm.save_pretrained(root / "of-timm-again")
    keep_masks(root, "of-timm", own_mask(root / "of-timm-again", "argmax"))
