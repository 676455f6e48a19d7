"""What is read from TFLite beside LiteRT, the interpreter of TFLite, which lives in an environment of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import operations
import pytest
from installed_fixtures import PIP, make_environment
from people import RECORDED, SELFIE, picture
from shared_folder import FillOnce

from edgeseg.export.graphs.ort_session import make_run
from edgeseg.export.tflite.read_lite import read_lite

pytestmark = pytest.mark.long
LITERT = "ai-edge-litert==2.3.0"
ASK = """
import pathlib, sys
import numpy
from ai_edge_litert.interpreter import Interpreter

for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    interpreter = Interpreter(str(folder / "net.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], numpy.load(folder / "given.npy"))
    interpreter.invoke()
    numpy.save(folder / "found.npy", interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
"""


@pytest.fixture(scope="session")
def litert(fill_once: FillOnce) -> Path:
    """A Python that has LiteRT."""

    def fill(folder: Path) -> None:
        python = make_environment(folder / "venv") / "bin" / "python"
        command = [*PIP, "--python", python, "install", "--quiet", LITERT]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        (folder / "said").write_text("" if done.returncode == 0 else (done.stderr.strip() or "pip failed"))

    folder = fill_once("litert", fill)
    if said := (folder / "said").read_text():
        pytest.skip(f"pip cannot install {LITERT} here: {said.splitlines()[-1]}")
    return folder / "venv" / "bin" / "python"


def ask(python: Path, files: list[tuple[bytes, np.ndarray]], folder: Path) -> list[np.ndarray]:
    places = [folder / f"{number:04}" for number in range(len(files))]
    for place, (data, given) in zip(places, files, strict=True):
        place.mkdir()
        (place / "net.tflite").write_bytes(data)
        np.save(place / "given.npy", given)
    done = subprocess.run([python, "-c", ASK, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [np.load(place / "found.npy") for place in places]


def test_the_recorded_results_are_those_of_the_interpreter(litert, tmp_path):
    found = ask(litert, [operations.write(name) for name in operations.GRAPHS], tmp_path)
    with np.load(RECORDED / "operations.npz") as recorded:
        assert set(recorded) == set(operations.GRAPHS)
        for name, values in zip(operations.GRAPHS, found, strict=True):
            np.testing.assert_allclose(values, recorded[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_selfie_network_gives_the_same_probabilities(litert, data_dir, tmp_path):
    data, pictures = (data_dir / SELFIE).read_bytes(), [picture(data_dir, at) for at in range(0, 240, 30)]
    wanted = ask(litert, [(data, one) for one in pictures], tmp_path)
    run = make_run(read_lite(data, Path("selfie.tflite")).model)
    worst = 0.0
    for one, values in zip(pictures, wanted, strict=True):
        found = run(np.ascontiguousarray(one.transpose(0, 3, 1, 2)))[0].transpose(0, 2, 3, 1)
        worst = max(worst, float(np.abs(found - values).max()))
    print(f"largest difference of a probability: {worst:.1e}")
    assert worst < 1e-3
