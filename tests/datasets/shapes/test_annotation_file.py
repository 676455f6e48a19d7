"""Files of annotations come from anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeseg.datasets.shapes.annotation_file import peek, read_json, read_json_object, read_points, read_xml
from edgeseg.datasets.shapes.picture_files import PictureFiles, find_inside
from edgeseg.errors import DataError


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_json_is_read_with_and_without_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    assert read_json_object(write(tmp_path / "a.json", '{"é": 1}', encoding)) == {"é": 1}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a": 1,}', "a.json is no JSON: .* line 1"),
        ("[" * 200_000, "a.json cannot be read as JSON"),
        ('{"a": ' + "9" * 5000 + "}", "a.json cannot be read as JSON"),
        ("[1]", "holds a JSON list where an object"),
        ("null", "holds a JSON null where an object"),
    ],
)
def test_what_is_no_json_object_is_refused_by_file(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        read_json_object(write(tmp_path / "a.json", text))


def test_a_file_larger_than_its_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="larger than 100 bytes"):
        read_json(write(tmp_path / "a.json", f'"{"a" * 200}"'), most_bytes=100)


def test_an_xml_file_that_would_grow_is_refused(tmp_path: Path) -> None:
    laughs = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><annotations>&c;</annotations>'
    with pytest.raises(DataError, match="document type"):
        read_xml(write(tmp_path / "a.xml", f'<?xml version="1.0"?>{laughs}'))


def test_an_xml_file_is_read_with_a_byte_order_mark_and_a_broken_one_refused(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="utf-8"?><annotations><image name="é"/></annotations>'
    tree = read_xml(write(tmp_path / "a.xml", text, "utf-8-sig"))
    assert [image.get("name") for image in tree.iter("image")] == ["é"]
    with pytest.raises(DataError, match=r"a\.xml is no XML"):
        read_xml(write(tmp_path / "a.xml", text[:-5]))


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "..\\secret.png", "sub/../../secret.png", "link.png", "linked/secret.png", "", "sub", "a\0.png"],
)
def test_no_name_in_a_file_leads_out_of_the_data_folder(tmp_path: Path, name: str) -> None:
    root = tmp_path / "set"
    (root / "sub").mkdir(parents=True)
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    for path in (tmp_path / "secret.png", outside / "secret.png"):
        path.write_bytes(b"secret")
    os.symlink(tmp_path / "secret.png", root / "link.png")
    os.symlink(outside, root / "linked")
    assert find_inside(root, root, name) is None
    assert PictureFiles(root).find(name, (root,)) is None


def test_names_with_backslashes_and_of_other_machines_are_found_by_their_end(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    picture = tmp_path / "images" / "Foto 1 é.png"
    picture.write_bytes(b"")
    assert find_inside(tmp_path, tmp_path / "labels", "..\\images\\Foto 1 é.png") == picture
    for name in ("C:\\Users\\me\\images\\Foto 1 é.png", "/home/me/images/Foto 1 é.png", "other/Foto 1 é.png"):
        assert PictureFiles(tmp_path).find(name, (tmp_path,)) == picture


def test_of_two_pictures_of_one_name_the_folder_decides(tmp_path: Path) -> None:
    for folder in ("train", "val"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(b"")
    pictures = PictureFiles(tmp_path)
    assert pictures.find("val/1.png", ()) == tmp_path / "val" / "1.png"
    assert pictures.find("1.png", ()) is None


@pytest.mark.parametrize("values", [[1, 2, 3], ["a", "b"], None, [[1, 2], [3]], {"a": 1}])
def test_points_that_are_no_pairs_of_numbers_are_refused(values: object) -> None:
    with pytest.raises(DataError, match=r"points that are no list of numbers|two a point"):
        read_points(values)


def test_the_beginning_of_a_file_that_is_not_there_matches_nothing(tmp_path: Path) -> None:
    assert not peek(tmp_path / "nowhere.json", "a")
