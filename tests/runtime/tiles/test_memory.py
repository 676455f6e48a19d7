"""Memory stays where it is when a picture has nine times the pixels."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiles_nets import MakeNet, make_scene

rasterio = pytest.importorskip("rasterio", reason="the extra `geo` is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
MEASURED = """
import re, sys
from pathlib import Path
from edgeseg.cli import main
code = main(sys.argv[1:])
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
sys.exit(code)
"""


def write_large(path: Path, side: int) -> Path:
    """Write a square tiled TIFF, block by block."""
    block = np.ascontiguousarray(make_scene(512, 512).transpose(2, 0, 1))
    shape = {"height": side, "width": side, "count": 3, "dtype": "uint8", "photometric": "rgb"}
    with rasterio.open(path, "w", driver="GTiff", tiled=True, blockxsize=512, blockysize=512, **shape) as out:
        for _, window in out.block_windows(1):
            out.write(block[:, : window.height, : window.width], window=window)
    return path


def measure(artifact: Path, picture: Path) -> tuple[int, dict[str, Any]]:
    """Peak resident memory in MB, and the summary."""
    words = ["run", str(artifact), "--source", str(picture), "--tile", "--save-masks", str(picture.parent / "masks")]
    words += ["--save", str(picture.parent / f"{picture.stem}-drawn.tif"), "--json"]
    done = subprocess.run([sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=True)
    summary, peak = done.stdout.strip().splitlines()
    return int(peak), json.loads(summary)


@pytest.mark.long
@pytest.mark.skipif(
    not Path("/proc/self/status").is_file(), reason="only Linux tells the peak of a process's memory there"
)
def test_a_picture_of_144_megapixels_takes_little_more_memory_than_one_of_16(make_net: MakeNet, tmp_path: Path) -> None:
    artifact = make_net(512, 512).path
    small, _ = measure(artifact, write_large(tmp_path / "small.tif", 4096))
    large, summary = measure(artifact, write_large(tmp_path / "large.tif", 12288))
    assert summary["pixels"] == 12288**2
    # Rows of three times the width are held, and the cache of GDAL is full: not the 430 MB of its pixels.
    assert large - small < 200, (small, large)
    with rasterio.open(tmp_path / "masks" / "large.tif") as file:
        assert file.shape == (12288, 12288)
