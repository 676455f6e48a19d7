"""Networks of Hugging Face transformers, saved with their image processors and used as its pages have it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import transformers
from fitted import CLASSES, HEIGHT, WIDTH
from own_words import balance, export, keep_masks, prove_int8, run_page, train
from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

NAMES = {"id2label": dict(enumerate(CLASSES)), "label2id": {name: index for index, name in enumerate(CLASSES)}}
BOTH = {"height": HEIGHT, "width": WIDTH}


def own_mask(folder: Path):
    """Load the folder again and segment as its user does: image processor, network, post-processing."""
    net = AutoModelForSemanticSegmentation.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder)

    def mask(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            given = net(**processor(images=image, return_tensors="pt"))
        return processor.post_process_semantic_segmentation(given, target_sizes=[image.shape[:2]])[0].numpy()

    return mask


def save(net: torch.nn.Module, processor: object, folder: Path) -> None:
    net.save_pretrained(folder)
    processor.save_pretrained(folder)


def make(root: Path) -> None:
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    segformer(root)
    processor = transformers.SegformerImageProcessor(size=BOTH, do_reduce_labels=True)
    dpt, upernet, mobilevit = make_dpt(), make_upernet(), make_mobilevit()
    heads = (dpt.head.head[-2], upernet.decode_head.classifier, mobilevit.segmentation_head.classifier.convolution)
    for net, head in zip((dpt, upernet, mobilevit), heads, strict=True):
        balance(net, head, lambda given: given.logits)
    save(dpt, transformers.DPTImageProcessor(size={"height": WIDTH, "width": WIDTH}), root / "dpt")
    save(upernet, processor, root / "upernet")
    save(mobilevit, transformers.MobileViTImageProcessor(size=BOTH, do_center_crop=False), root / "mobilevit")
    for name in ("dpt", "upernet", "mobilevit"):
        export(root / name, root)
        keep_masks(root, name, own_mask(root / name))


def segformer(root: Path) -> None:
    small = {"hidden_sizes": [16, 32, 40, 64], "num_attention_heads": [1, 2, 4, 4], "decoder_hidden_size": 48}
    config = transformers.SegformerConfig(depths=[1, 1, 1, 1], **small, **NAMES)
    net = transformers.SegformerForSemanticSegmentation(config)
    train(net, lambda given: given.logits, steps=40)
    save(net, transformers.SegformerImageProcessor(size=BOTH), root / "segformer")
    prove_int8(root / "segformer", root)
    keep_masks(root, "segformer", own_mask(root / "segformer"))
    run_page("A Hugging Face folder", root, "segformer", "again")


def make_dpt() -> torch.nn.Module:
    vit = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
    neck = {"backbone_out_indices": [0, 1, 2, 3], "neck_hidden_sizes": [16, 16, 16, 16], "fusion_hidden_size": 16}
    config = transformers.DPTConfig(image_size=96, patch_size=16, is_hybrid=False, **vit, **neck, **NAMES)
    return transformers.DPTForSemanticSegmentation(config)


def make_upernet() -> torch.nn.Module:
    backbone = transformers.ConvNextConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 24, 32], out_features=["stage1", "stage2", "stage3", "stage4"]
    )
    config = transformers.UperNetConfig(
        backbone_config=backbone, hidden_size=32, use_auxiliary_head=True, auxiliary_in_channels=24, **NAMES
    )
    return transformers.UperNetForSemanticSegmentation(config)


def make_mobilevit() -> torch.nn.Module:
    config = transformers.MobileViTConfig(
        hidden_sizes=[24, 32, 40],
        neck_hidden_sizes=[8, 16, 24, 32, 40, 48, 64],
        aspp_out_channels=32,
        initializer_range=0.2,
        **NAMES,
    )
    return transformers.MobileViTForSemanticSegmentation(config)
