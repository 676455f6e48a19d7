"""Upsampling kinds against worked examples and torch itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgeseg.console.quiet import quiet
from edgeseg.models.upsampling import (
    MaxUnpooling,
    Transposed,
    enlarger,
    max_unpool,
    transposed_size,
    upsampler,
)
from edgeseg.runtime.engines.openvino_core import shared_core

INPUT = np.float32([[[[2, 4], [0, 1]]]])
KERNEL = np.float32([[3, 1], [1, 5]])
EXAMPLES = {
    (1, 0): [[6, 14, 4], [2, 17, 21], [0, 1, 5]],
    (1, 1): [[17]],
    (2, 0): [[6, 2, 12, 4], [2, 10, 4, 20], [0, 0, 3, 1], [0, 0, 1, 5]],
    (2, 1): [[10, 4], [0, 3]],
}


class Worked(nn.Module):
    """The lecture's transposed convolution."""

    def __init__(self, stride: int, padding: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(1, 1, 2, stride, padding, bias=False)
        self.conv.weight.data.copy_(torch.from_numpy(KERNEL))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


def in_torch(model: nn.Module) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(INPUT)).numpy()


def as_onnx(model: nn.Module, *inputs: torch.Tensor) -> bytes:
    with quiet():
        program = torch.onnx.export(model.eval(), inputs, dynamo=True, external_data=False, verbose=False)
    return program.model_proto.SerializeToString()


def in_onnxruntime(content: bytes, *inputs: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))[0]


def in_openvino(content: bytes, *inputs: np.ndarray) -> np.ndarray:
    core = shared_core()
    compiled = core.compile_model(core.read_model(content), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(list(inputs))[0])


@pytest.mark.parametrize(("stride", "padding"), EXAMPLES)
def test_a_transposed_convolution_is_the_worked_example_in_every_engine(stride: int, padding: int) -> None:
    wanted = np.float32([[EXAMPLES[stride, padding]]])
    assert wanted.shape[-1] == transposed_size(2, kernel=2, stride=stride, padding=padding)
    model = Worked(stride, padding)
    content = as_onnx(model, torch.from_numpy(INPUT))
    np.testing.assert_array_equal(in_torch(model), wanted)
    np.testing.assert_array_equal(in_onnxruntime(content, INPUT), wanted)
    np.testing.assert_array_equal(in_openvino(content, INPUT), wanted)


@pytest.mark.parametrize("size", [1, 5, 8])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 4])
@pytest.mark.parametrize("padding", [0, 1])
def test_the_formula_gives_the_size_that_torch_gives(size: int, stride: int, kernel: int, padding: int) -> None:
    wanted = transposed_size(size, kernel, stride, padding)
    if wanted < 1:
        return
    layer = nn.ConvTranspose2d(1, 1, kernel, stride, padding)
    assert layer(torch.zeros(1, 1, size, size)).shape == (1, 1, wanted, wanted)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_transposed_starts_as_bilinear_interpolation_inside_the_edge(scale: int) -> None:
    x = torch.randn(2, 3, 6, 7)
    found, wanted = Transposed(3, scale)(x), F.interpolate(x, scale_factor=float(scale), mode="bilinear")
    inside = (..., slice(scale, -scale), slice(scale, -scale))
    assert found.shape == wanted.shape
    assert torch.allclose(found[inside], wanted[inside], atol=1e-5)
    assert not torch.allclose(found, wanted, atol=1e-5)


def by_torch(x: torch.Tensor, pooled: torch.Tensor) -> torch.Tensor:
    _, indices = F.max_pool2d(pooled, 2, return_indices=True)
    return F.max_unpool2d(x, indices, 2)


@pytest.mark.parametrize("values", ["random", "ties", "constant", "infinite"])
def test_max_unpooling_is_torchs_bit_for_bit(values: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, 6, 7, generator=generator)
    pooled = torch.randn(2, 5, 12, 14, generator=generator)
    if values == "ties":
        pooled = pooled.round()
    if values == "constant":
        pooled = torch.zeros_like(pooled)
    if values == "infinite":
        pooled[pooled > 1], pooled[pooled < -1], x[x > 1] = torch.inf, -torch.inf, torch.inf
    found, wanted = max_unpool(x, pooled), by_torch(x, pooled)
    assert torch.equal(found.view(torch.int32), wanted.view(torch.int32))


def test_max_unpooling_of_the_pooled_keeps_the_maxima_and_nothing_else() -> None:
    pooled = torch.tensor([[[[1.0, 5], [3, 2]]]])
    assert max_unpool(torch.tensor([[[[7.0]]]]), pooled).tolist() == [[[[0, 7], [0, 0]]]]


class Unpool(nn.Module):
    def forward(self, x: torch.Tensor, pooled: torch.Tensor) -> torch.Tensor:
        return max_unpool(x, pooled)


def test_max_unpooling_exports_without_index_outputs_and_runs_in_every_engine() -> None:
    import onnx

    x, pooled = torch.randn(1, 3, 4, 5), torch.randn(1, 3, 8, 10).round()
    content = as_onnx(Unpool(), x, pooled)
    kinds = {node.op_type for node in onnx.load_from_string(content).graph.node}
    assert not kinds & {"MaxPool", "MaxUnpool", "Gather", "GatherND", "Scatter", "ScatterND", "ScatterElements"}
    wanted = by_torch(x, pooled).numpy()
    np.testing.assert_array_equal(in_onnxruntime(content, x.numpy(), pooled.numpy()), wanted)
    np.testing.assert_array_equal(in_openvino(content, x.numpy(), pooled.numpy()), wanted)


def test_unpooling_matches_channels_only_where_they_differ() -> None:
    assert isinstance(MaxUnpooling(8, 8).match, nn.Identity)
    assert MaxUnpooling(16, 8)(torch.zeros(1, 16, 2, 2), torch.zeros(1, 8, 4, 4)).shape == (1, 8, 4, 4)


@pytest.mark.parametrize(("kind", "mode"), [("nearest", "nearest"), ("bilinear", "bilinear")])
def test_interpolation_is_torchs(kind: str, mode: str) -> None:
    x = torch.randn(1, 2, 3, 4)
    assert torch.equal(upsampler(kind, 2, 2)(x, x), F.interpolate(x, scale_factor=2.0, mode=mode))


def test_the_last_step_has_nothing_to_unpool_and_is_bilinear() -> None:
    x = torch.randn(1, 2, 3, 4)
    assert torch.equal(enlarger("unpool", 2, 4)(x), F.interpolate(x, scale_factor=4.0, mode="bilinear"))
    assert torch.equal(enlarger("transposed", 2, 1)(x), x)
