"""Scoring and drawing a network on the val split, from image file to mask like ``evaluate``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from edgeseg.image import UInt8, unfit
from edgeseg.metrics.confusion import Confusion
from edgeseg.metrics.multilabel import make_confusion
from edgeseg.multilabel import pack_planes
from edgeseg.spec import ModelSpec
from edgeseg.training.data.folder import FolderDataset


@dataclass(frozen=True)
class Validator:
    """Runs a network over a dataset of whole images."""

    dataset: FolderDataset
    accelerator: Accelerator

    def confusion(self, model: nn.Module, progress: Callable[[range], Iterable[int]] = iter) -> Confusion:
        """Count over all images, at the masks' own size; every process takes its share.

        ``progress`` passes the indices of images on, as a progress bar does.
        """
        result = make_confusion(self.dataset.spec.task, self.dataset.spec.num_classes)
        mine = range(self.accelerator.process_index, len(self.dataset), self.accelerator.num_processes)
        for index in progress(mine):
            result.update(self.labels(model, index), self.dataset.raw(index)[1])
        counts = torch.from_numpy(result.counts).to(self.accelerator.device)
        reduced: Any = self.accelerator.reduce(counts, "sum")
        result.counts = reduced.cpu().numpy()
        return result

    @torch.no_grad()
    def labels(self, model: nn.Module, index: int) -> UInt8:
        """Predict HW uint8 labels of one image at its own size."""
        spec = self.dataset.spec
        image = self.dataset.raw(index)[0]
        batch = self.dataset[0, index][0][None].to(self.accelerator.device, memory_format=torch.channels_last)
        with self.accelerator.autocast():
            logits = model.eval()(batch)[0]
        return unfit(labels_of(logits, spec), spec, (image.shape[0], image.shape[1]))

    def samples(self, model: nn.Module, count: int) -> list[tuple[UInt8, UInt8, UInt8]]:
        """Return (image, truth, labels) of ``count`` images spread over the split."""
        chosen = np.linspace(0, len(self.dataset) - 1, min(count, len(self.dataset))).astype(int)
        return [(*self.dataset.raw(int(i)), self.labels(model, int(i))) for i in chosen]


def labels_of(logits: torch.Tensor, spec: ModelSpec) -> UInt8:
    """Turn (K, H, W) logits into HW uint8 labels, without any threshold of the spec."""
    if spec.task == "multilabel":
        return pack_planes((logits >= 0).cpu().numpy())
    labels = logits[0] >= 0 if spec.task == "binary" else logits.argmax(0)
    return np.asarray(labels.to(torch.uint8).cpu().numpy(), np.uint8)
