"""What a report says of the pictures that a network learned from."""

from __future__ import annotations

from edgeseg.files.trained_on import MOST_DIGESTS, compare_training, list_sequences, record_training


def write(folder, names, salt=""):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(f"{salt}{name}")
    return [folder / name for name in names]


def test_copies_of_training_pictures_are_found_under_other_names(tmp_path):
    learned = write(tmp_path / "train", ["a_1.png", "a_2.png", "b_1.png"])
    trained = record_training(learned)
    assert (trained["pictures"], trained["sequences"]) == (3, ["a_", "b_"])
    proof = write(tmp_path / "val", ["c_1.png", "d_1.png"])
    proof[0].write_bytes(learned[1].read_bytes())
    assert compare_training(trained, proof) == (
        "By its record the network learned from 3 images. Of those that prove, 1 of 2 are among them."
    )


def test_pictures_of_the_same_drives_are_said(tmp_path):
    trained = record_training(write(tmp_path / "t", ["0016E5_00390.png", "0001TP_006690.png"]))
    proof = write(tmp_path / "v", ["0016E5_07959.png", "0016E5_07961.png"], salt="other")
    assert "2 of 2 share a sequence with them (0016E5_)." in compare_training(trained, proof)
    elsewhere = write(tmp_path / "w", ["Seq05VD_f00000.png"])
    assert compare_training(trained, elsewhere).endswith("none is among them.")


def test_numbers_alone_are_no_sequence(tmp_path):
    trained = record_training(write(tmp_path / "t", ["0001.png", "0002.png"]))
    assert "share a sequence" not in compare_training(trained, write(tmp_path / "v", ["0101.png"]))


def test_a_network_that_does_not_say_is_told_from_one_that_does(tmp_path):
    proof = write(tmp_path / "v", ["0016E5_07959.png"])
    told = compare_training(None, proof, ["0016E5_00390.png", "0001TP_006690.png"])
    assert told.startswith("The network does not say what it was trained on")
    assert told.endswith("By the data folder's own training split: 1 of 1 share a sequence with them (0016E5_).")
    assert "split" not in compare_training(None, proof)


def test_of_very_many_pictures_the_sequences_are_kept(tmp_path):
    names = [tmp_path / f"drive{i % 3}_{i:06}.png" for i in range(MOST_DIGESTS + 1)]
    trained = record_training(names)
    assert (trained["pictures"], trained["digests"], len(trained["sequences"])) == (MOST_DIGESTS + 1, [], 3)
    assert list_sequences(["beach.png"]) == []
