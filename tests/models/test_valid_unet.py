"""U-Net as first published: sizes of the paper, mirrored context, tiles without seams."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from model_contract import randomised, tiny

from edgeseg.errors import UserError
from edgeseg.models.valid_unet import ValidUNet, overlap_tile


def net(upsampling: str = "transposed") -> ValidUNet:
    model = randomised(tiny("unet-valid", upsampling=upsampling))
    assert isinstance(model, ValidUNet)
    return model


def test_572_pixels_give_388_with_92_of_context_as_in_the_paper() -> None:
    model = net()
    assert (model.input_size(388), model.margin) == (572, 92)
    assert model.logits(torch.zeros(1, 3, 188, 204)).shape == (1, 4, 4, 20)


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear", "transposed", "unpool"])
def test_the_arithmetic_of_sizes_is_that_of_the_network(upsampling: str) -> None:
    model = net(upsampling)
    for least in (1, 40):
        size = model.output_size(least)
        side = model.input_size(size)
        assert least <= size < least + 16
        assert model.logits(torch.zeros(1, 3, side, side)).shape[-2:] == (size, size)


def test_a_size_it_cannot_give_is_refused_with_the_next_one() -> None:
    with pytest.raises(UserError, match="cannot give 400 pixels; the next it can is 404"):
        net().input_size(400)


@pytest.mark.parametrize("size", [(5, 7), (30, 1), (120, 100)])
def test_the_surroundings_are_the_mirror_image(size: tuple[int, int]) -> None:
    model = net()
    image = torch.randn(1, 1, *size)
    height, width = (model.output_size(side) for side in size)
    found = model.surround(image, height, width)[0, 0].numpy()
    after = [model.input_size(out) - model.margin - side for out, side in zip((height, width), size, strict=True)]
    np.testing.assert_array_equal(found, np.pad(image[0, 0].numpy(), [(92, after[0]), (92, after[1])], mode="reflect"))


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear", "transposed", "unpool"])
def test_tiles_leave_no_seam(upsampling: str) -> None:
    model = net(upsampling)
    image = torch.randn(1, 3, 45, 70, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, tiled = model(image), overlap_tile(model, image, 32)
    assert tiled.shape == whole.shape
    assert whole.std() > 1e-3
    assert torch.allclose(tiled, whole, atol=1e-4 * float(whole.abs().max()))


def test_a_tile_between_strides_is_refused() -> None:
    with pytest.raises(UserError, match="multiple of 16 pixels; found 40"):
        overlap_tile(net(), torch.zeros(1, 3, 64, 64), 40)
