"""Pictures that were taken one after the other, as their names tell it."""

from __future__ import annotations

from edgeseg.files.sequences import cut_in_runs, group_frames, halve, sequence_of


def test_camvid_s_drives_are_told_apart():
    names = ["0001TP_006690.jpg", "0016E5_07959.jpg", "0001TP_006720.jpg", "Seq05VD_f00000.png"]
    assert group_frames(names) == [[0, 2], [1], [3]]
    assert sequence_of("Seq05VD_f00030.png") == ("Seq05VD_f", 30)


def test_folders_and_times_tell_sequences_too():
    assert group_frames(["a/1.png", "b/1.png", "a/2.png"]) == [[0, 2], [1]]
    names = ["20231004_153022.jpg", "20231004_153023.jpg", "20231005_101500.jpg"]
    assert group_frames(names) == [[0, 1], [2]]


def test_frames_are_in_the_order_of_their_numbers_and_not_of_their_digits():
    assert group_frames(["f_10.png", "f_9.png"]) == [[1, 0]]


def test_one_long_drive_is_cut_into_runs_of_neighbours():
    groups = group_frames([f"0016E5_{i:05}.jpg" for i in range(7959, 8161, 2)])
    runs = cut_in_runs(groups)
    assert (len(groups), len(runs)) == (1, 21)
    assert [at for run in runs for at in run] == list(range(101))
    assert max(map(len, runs)) == 5


def test_a_run_never_crosses_from_one_drive_into_another():
    runs = cut_in_runs(group_frames([f"a_{i}.png" for i in range(31)] + [f"b_{i}.png" for i in range(33)]))
    assert all(max(run) < 31 or min(run) >= 31 for run in runs)


def test_few_frames_still_make_eight_runs():
    counts = [len(cut_in_runs(group_frames([f"{i}.png" for i in range(count)]))) for count in (1, 5, 8, 12, 16, 24)]
    assert counts == [1, 5, 8, 12, 8, 8]


def test_two_views_of_one_moment_stay_together():
    names = [f"Image_{i:02}{side}.jpg" for i in range(1, 11) for side in "LR"]
    first, second = halve(names)
    assert {names[at][:8] for at in first}.isdisjoint(names[at][:8] for at in second)


def test_halves_are_whole_drives_where_there_are_some():
    names = [f"a_{i}.png" for i in range(30)] + [f"b_{i}.png" for i in range(20)] + [f"c_{i}.png" for i in range(12)]
    first, second = halve(names)
    assert {names[at][0] for at in first}.isdisjoint(names[at][0] for at in second)
    assert sorted(first + second) == list(range(62))
    assert 20 <= len(first) <= 42


def test_one_drive_is_parted_in_runs():
    first, second = halve([f"f_{i:03}.png" for i in range(61)])
    assert (len(first), len(second)) == (31, 30) or abs(len(first) - len(second)) <= 8
    neighbours = sum(at + 1 in set(second) for at in first)
    assert neighbours <= 6, "only at the ends of runs"


def test_pictures_without_a_sequence_are_dealt_out():
    first, second = halve(["beach.jpg", "forest.jpg", "road.jpg", "sea.jpg"])
    assert (len(first), len(second)) == (2, 2)
    assert halve(["one.png"]) == ([0], [])
