"""A disk that fills while an artifact is written is one sentence, whichever library meets it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ASSET = Path(__file__).parents[2] / "edgeseg/assets/cells.pt"
SCRIPT = """
mount -t tmpfs -o size={size} tmpfs {out} || exit 77
{python} -m edgeseg export {asset} --format {kind} --out {out} >/dev/null
echo "EXIT $? LEFT $(ls -A {out} | wc -l)"
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare(1) here for a small disk")
@pytest.mark.parametrize(("kind", "size"), [("onnx", "200k"), ("openvino", "480k"), ("openvino", "64k")])
def test_a_disk_that_fills_is_one_sentence_and_nothing_is_left(tmp_path: Path, kind: str, size: str) -> None:
    script = SCRIPT.format(size=size, out=tmp_path, python=sys.executable, asset=ASSET, kind=kind)
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("no user namespaces here")
    assert "The disk is full" in done.stderr
    assert "basic_ios" not in done.stderr
    assert done.stdout.split() == ["EXIT", "2", "LEFT", "0"]
