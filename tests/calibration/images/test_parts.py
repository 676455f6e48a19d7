"""Which pictures calibrate, which choose, which prove: none does two of these."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
from fitted import SPEC, write_dataset

from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.images.parts import choose_parts, leave_out_calibrated, reserve
from edgeseg.calibration.quantization import Quantization
from edgeseg.errors import DataError
from edgeseg.pixel_digest import pixel_digest
from edgeseg.proof.samples import samples_from


def evidence(data, eval_data=None, **settings):
    """What calibrates and what proves, as a person asks for it, and what was said about it."""
    said = []
    asked = Quantization(data, eval_data or data, **settings)
    images = asked.choose_images(SPEC, (), warn=said.append)
    return images, asked.choose_samples(SPEC, images, said.append), said


def pixels(images, samples):
    return {pixel_digest(item.read()) for item in images.items}, {pixel_digest(one.read()[0]) for one in samples}


def photos(folder, count):
    """A plain folder of numbered pictures."""
    root = write_dataset(folder / "made", train=count, val=1)
    return root / "images" / "train"


@pytest.mark.parametrize("count", [2, 9, 40, 61, 100])
def test_no_picture_of_a_plain_folder_calibrates_and_proves(tmp_path, count):
    images, samples, _ = evidence(photos(tmp_path, count))
    calibrating, proving = pixels(images, samples)
    assert calibrating
    assert proving
    assert not calibrating & proving
    assert len(calibrating) + len(proving) == count
    assert abs(len(calibrating) - len(proving)) <= max(1, count // 4)


def test_no_picture_of_a_data_folder_with_one_split_calibrates_and_proves(tmp_path):
    root = write_dataset(tmp_path / "d", train=40, val=1)
    shutil.rmtree(root / "images" / "val")
    images, samples, _ = evidence(root)
    assert (images.split, samples.split, samples.labelled) == ("train", "train", True)
    calibrating, proving = pixels(images, samples)
    assert (len(calibrating), len(proving)) == (20, 20)
    assert not calibrating & proving


def test_one_picture_cannot_do_both(tmp_path):
    with pytest.raises(DataError, match=r"is the only image: it cannot calibrate and prove as well.*`eval_data`"):
        evidence(photos(tmp_path, 1))


def test_a_large_folder_calibrates_on_pictures_that_nobody_proves_on(tmp_path):
    folder = photos(tmp_path, 30)
    images, samples, _ = evidence(folder, count=5)
    calibrating, proving = pixels(images, samples)
    assert len(calibrating) == 5
    assert not calibrating & proving


def test_a_copy_under_another_name_is_the_same_picture(tmp_path):
    root = write_dataset(tmp_path / "d", train=6, val=4)
    train, val = (sorted((root / "images" / split).iterdir()) for split in ("train", "val"))
    again = cv2.imread(str(train[2]))
    for path in (val[1], root / "images" / "val" / "other.bmp"):
        cv2.imwrite(str(path), again)
    shutil.copyfile(root / "masks" / "train" / train[2].name, root / "masks" / "val" / "other.png")
    images, samples, said = evidence(root)
    calibrating, proving = pixels(images, samples)
    assert not calibrating & proving
    assert len(samples) == 3
    assert any(f"2 images of {root} calibrate and prove nothing: {val[1].name}, other.bmp." in one for one in said)


def test_where_every_picture_calibrates_there_is_no_proof(tmp_path):
    folder = photos(tmp_path, 6)
    images = load_set(folder, SPEC, 100)
    with pytest.raises(DataError, match=r"Every one of the 6 images .* also calibrates"):
        Quantization(images, folder).choose_samples(SPEC, images)


def test_whole_drives_are_kept_apart(tmp_path):
    folder = photos(tmp_path, 24)
    for at, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"{'north' if at < 12 else 'south'}_{at:03}.png")
    images, samples, _ = evidence(folder)
    drives = [{name.partition("_")[0] for name in names} for names in ([i.name for i in images.items],
                                                                      [s.name for s in samples])]  # fmt: skip
    assert sorted(map(sorted, drives)) == [["north"], ["south"]]


def test_two_sources_with_nothing_in_common_are_left_as_they_are(tmp_path):
    root = write_dataset(tmp_path / "d", train=5, val=4)
    one, other = (root / "images" / split for split in ("train", "val"))
    assert reserve(list(one.iterdir()), list(other.iterdir()), 100) is None
    images, samples, said = evidence(one, other)
    assert (len(images), len(samples)) == (5, 4)
    assert not any("prove nothing" in one for one in said)


class TestChoosing:
    def test_a_method_is_chosen_on_images_that_neither_calibrate_nor_prove(self, tmp_path):
        root = write_dataset(tmp_path / "d", train=20, val=8)
        images, proof = load_set(root, SPEC, 10), samples_from(root, SPEC)
        parts = choose_parts(images, proof)
        assert (parts.choosing.split, parts.choosing.labelled, len(parts.choosing), parts.note) == (
            "train", True, 10, "",
        )  # fmt: skip
        assert {one.name for one in parts.choosing}.isdisjoint(path.name for path in images.images)
        assert parts.proving is proof

    def test_where_all_of_them_calibrate_they_choose_as_well(self, data):
        proof = samples_from(data, SPEC)
        parts = choose_parts(load_set(data, SPEC, 12), proof)
        assert (parts.choosing.split, len(parts.choosing), parts.proving) == ("train", 12, proof)

    def test_where_they_have_no_masks_half_of_the_proof_chooses(self, tmp_path):
        root = write_dataset(tmp_path / "d", train=10, val=24)
        shutil.rmtree(root / "masks" / "train")
        parts = choose_parts(load_set(root, SPEC, 10), samples_from(root, SPEC))
        assert parts.are_apart
        assert "Half of the images" in parts.note
        names = [{one.name for one in part} for part in (parts.choosing, parts.proving)]
        assert names[0].isdisjoint(names[1])
        assert min(map(len, names)) >= 8

    def test_where_there_are_too_few_the_note_says_what_that_means(self, tmp_path):
        root = write_dataset(tmp_path / "d", train=10, val=8)
        shutil.rmtree(root / "masks" / "train")
        parts = choose_parts(load_set(root, SPEC, 10), samples_from(root, SPEC))
        assert not parts.are_apart
        assert "those that chose also prove it" in parts.note

    def test_plain_folders_choose_on_what_calibrates(self, tmp_path):
        images, samples, _ = evidence(photos(tmp_path, 20))
        parts = choose_parts(images, samples)
        assert {one.name for one in parts.choosing} == {path.name for path in images.images}
        assert not parts.choosing.labelled


def test_what_proves_never_chooses_under_another_name(tmp_path):
    root = write_dataset(tmp_path / "d", train=20, val=8)
    train, val = (sorted((root / "images" / split).iterdir()) for split in ("train", "val"))
    for split in ("images", "masks"):
        shutil.copyfile(root / split / "train" / train[5].name, root / split / "val" / val[0].name)
    images, proof = load_set(root, SPEC, 1, seed=3), samples_from(root, SPEC)
    assert images.images[0].name != train[5].name
    chosen = {pixel_digest(one.read()[0]) for one in choose_parts(images, proof).choosing}
    assert chosen.isdisjoint(pixel_digest(one.read()[0]) for one in proof)


def test_what_is_left_out_is_named_and_the_rest_stays(tmp_path):
    folder = photos(tmp_path, 9)
    samples = samples_from(folder, SPEC)
    left, told = leave_out_calibrated(samples, load_set(folder, SPEC, 5))
    assert len(left) == 4
    assert told.startswith("5 images of")
    assert "and 2 more" in told
    assert np.array_equal(left.items[0].read()[0], cv2.imread(str(folder / left.items[0].name)))
