"""The same promises on a real GPU with a real TensorRT: `make gpu` runs these where there is one."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from engine_contract import EngineContract
from linear_model import ArtifactMaker
from tensorrt_artifacts import for_tensorrt, why_no_gpu

from edgeseg.runtime.engines.engine import Engine, open_engine
from edgeseg.runtime.trt.cuda import load_cuda
from edgeseg.runtime.trt.slot import TensorRtSlot
from edgeseg.spec import ModelSpec

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(why_no_gpu()), reason=why_no_gpu())]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


class TestContract(EngineContract):
    @pytest.fixture(autouse=True)
    def _maker(self, tiny_artifact: ArtifactMaker, tmp_path: Path, engines: Path) -> None:
        self.make, self.folder, self.root = tiny_artifact, tmp_path, engines

    def open(self, spec: ModelSpec, confidence: bool = True, slots: int = 1) -> Engine:
        artifact = for_tensorrt(self.make("onnx", spec, confidence), self.folder)
        return open_engine(artifact, "cuda:0", slots, cache_dir=self.root)


def test_a_frame_is_one_graph_launch(tiny_artifact: ArtifactMaker, tmp_path: Path, engines: Path) -> None:
    slot = open_engine(for_tensorrt(tiny_artifact("onnx"), tmp_path), cache_dir=engines).open_slot()
    slot.run()
    slot.run()
    assert isinstance(slot, TensorRtSlot)
    assert slot.is_graph


def test_closing_gives_the_memory_back(tiny_artifact: ArtifactMaker, tmp_path: Path, engines: Path) -> None:
    artifact, cuda = for_tensorrt(tiny_artifact("onnx"), tmp_path), load_cuda()

    def free_after_use() -> int:
        engine = open_engine(artifact, cache_dir=engines)
        for _ in range(8):
            engine.open_slot().run()
        engine.close()
        del engine
        gc.collect()
        return int(cuda.call("cudaMemGetInfo")[0])

    free_after_use()
    first = free_after_use()
    assert min(free_after_use() for _ in range(5)) >= first - (8 << 20)
