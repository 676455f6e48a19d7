"""Run lengths as the COCO API writes them."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.datasets.shapes.run_length import decode_coco, read_compressed
from edgeseg.errors import DataError

coco_masks = pytest.importorskip("pycocotools.mask")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.97, 1.0])
def test_what_the_coco_api_encodes_is_decoded(share: float) -> None:
    mask = np.random.default_rng(1).random((211, 307)) < share
    code = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert np.array_equal(decode_coco({"size": code["size"], "counts": code["counts"].decode()}), mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_counts_that_are_not_compressed_are_decoded() -> None:
    counts = [5, 3, 4]
    expected = coco_masks.decode(coco_masks.frPyObjects({"size": [3, 4], "counts": counts}, 3, 4))
    assert np.array_equal(decode_coco({"size": [3, 4], "counts": counts}), expected > 0)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ({"size": [4, 4], "counts": ""}, "0 pixels for a mask of 16"),
        ({"size": [4, 4], "counts": [3, 2]}, "5 pixels for a mask of 16"),
        ({"size": [4, 4], "counts": [0, 10**6]}, "1000000 pixels"),
        ({"size": [4, 4], "counts": [-5, 21]}, "no list of whole numbers"),
        ({"size": [4, 4], "counts": [16.0]}, "no list of whole numbers"),
        ({"size": [4, 4], "counts": [True] * 16}, "no list of whole numbers"),
        ({"size": [4, 4], "counts": "\u00ff\u00ff"}, "no compressed code"),
        ({"size": [4, 4], "counts": "0PPPPPPPPPPPPPPPP"}, "no compressed code"),
        ({"size": [1 << 20, 1 << 20], "counts": [1]}, "for a mask of 1099511627776"),
        ({"size": [0, 4], "counts": []}, "without a size"),
        ({"size": "4x4", "counts": []}, "without a size"),
        ([1, 2], "without a size"),
    ],
)
def test_a_code_that_makes_no_mask_is_refused(code: object, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        decode_coco(code)


def test_a_count_that_does_not_end_is_refused() -> None:
    with pytest.raises(DataError, match="no compressed code"):
        read_compressed("P")
