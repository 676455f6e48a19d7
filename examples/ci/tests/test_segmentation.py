"""What a team asks of its network; `pytest --edgeseg-update` once, then `pytest`."""


def test_it_segments_as_well_as_we_need(assert_iou):
    assert_iou(min={"mIoU": 0.9, "cell": 0.9}, max_drop=0.5)


def test_its_masks_are_those_we_looked_at(assert_masks_match):
    assert_masks_match("golden", min_agreement=0.98)


def test_it_is_as_fast_as_the_one_it_replaces(assert_latency):
    assert_latency(max_ratio=1.06)
