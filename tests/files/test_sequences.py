"""Pictures that were taken one after the other, as their names tell it."""

from __future__ import annotations

from edgeseg.files.sequences import block_frames, group_frames, sequence_of


def test_camvid_s_drives_are_told_apart():
    names = ["0001TP_006690.jpg", "0016E5_07959.jpg", "0001TP_006720.jpg", "Seq05VD_f00000.png"]
    assert group_frames(names) == [[0, 2], [1], [3]]
    assert sequence_of("Seq05VD_f00030.png") == ("Seq05VD_f.png", 30)


def test_folders_and_times_tell_sequences_too():
    assert group_frames(["a/1.png", "b/1.png", "a/2.png"]) == [[0, 2], [1]]
    names = ["20231004_153022.jpg", "20231004_153023.jpg", "20231005_101500.jpg"]
    assert group_frames(names) == [[0, 1], [2]]


def test_frames_are_in_the_order_of_their_numbers_and_not_of_their_digits():
    assert group_frames(["f_10.png", "f_9.png"]) == [[1, 0]]


def test_pictures_without_numbers_stand_for_themselves():
    blocks = block_frames([f"{word}.jpg" for word in ("beach", "forest", "road")])
    assert (blocks.of, blocks.count) == ((0, 1, 2), 3)


def test_one_long_drive_is_cut_into_runs_of_neighbours():
    blocks = block_frames([f"0016E5_{i:05}.jpg" for i in range(7959, 8161, 2)])
    assert (blocks.count, blocks.sequences) == (21, 1)
    assert list(blocks.of) == sorted(blocks.of)
    assert max(blocks.of.count(block) for block in range(21)) == 5


def test_a_run_never_crosses_from_one_drive_into_another():
    blocks = block_frames([f"a_{i}.png" for i in range(31)] + [f"b_{i}.png" for i in range(33)])
    assert set(blocks.of[:31]).isdisjoint(blocks.of[31:])
    assert blocks.sequences == 2


def test_many_drives_are_a_block_each():
    names = [f"drive{name}_{i:03}.png" for name in "abcdefghij" for i in range(9)]
    blocks = block_frames(names)
    assert blocks.count == 10
    assert blocks.of == tuple(i // 9 for i in range(90))


def test_few_pictures_still_make_eight_blocks():
    assert [block_frames([f"{i}.png" for i in range(count)]).count for count in (1, 5, 8, 12, 16, 24)] == [
        1, 5, 8, 12, 8, 8,
    ]  # fmt: skip
