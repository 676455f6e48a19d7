"""Any input size works: padded to the stride and cropped inside the network.

That the exported file does the same is told by ``test_every_model.py``, which exports at such a size.
"""

from __future__ import annotations

import pytest
import torch
from exported_nets import build_net

from edgeseg.models.registry import MODELS


@pytest.mark.parametrize("name", [name for name in MODELS if name != "unet-valid"])
def test_the_padding_is_zeros_at_the_bottom_and_right_and_nothing_else(name: str) -> None:
    model = build_net(name)
    image = torch.randn(1, 3, 37, 53, generator=torch.Generator().manual_seed(0))
    high, wide = (-(-side // model.stride) * model.stride for side in (37, 53))
    larger = torch.zeros(1, 3, high, wide)
    larger[..., :37, :53] = image
    with torch.no_grad():
        assert torch.equal(model(image), model(larger)[..., :37, :53])
