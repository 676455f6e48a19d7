"""An artifact opens only when every byte of it is what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeseg.artifact import MANIFEST, Artifact, writing_artifact
from edgeseg.errors import ArtifactError, OutputError, TamperedError
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("a", "b"), 32, 48)
Edit = Callable[[dict[str, Any]], object]


def manifest() -> dict[str, Any]:
    return {"name": "net", "precision": "fp32", "format": "openvino", "outputs": ["labels"], "spec": SPEC}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "net-fp32-openvino"
    with writing_artifact(target, manifest()) as staged:
        (staged / "model.xml").write_text("<net/>", encoding="utf-8")
        (staged / "model.bin").write_bytes(bytes(1000))
    return target


def rewritten(path: Path, edit: Edit) -> Path:
    """The manifest with ``edit`` applied and its own digest made right again, as a forger would."""
    values = json.loads((path / MANIFEST).read_text())
    edit(values)
    body = {key: value for key, value in values.items() if key != "digest"}
    values["digest"] = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    (path / MANIFEST).write_text(json.dumps(values))
    return path


class TestOpen:
    @pytest.mark.parametrize("name", ["", "model.xml", "model.bin", MANIFEST])
    def test_a_directory_or_any_file_in_it_opens(self, path: Path, name: str) -> None:
        artifact = Artifact.open(path / name)
        assert (artifact.spec, artifact.model_path, artifact.size_bytes) == (SPEC, path / "model.xml", 1006)

    def test_what_the_desktop_leaves_behind_does_no_harm(self, path: Path) -> None:
        before = Artifact.open(path)
        (path / ".DS_Store").write_bytes(b"x")
        assert Artifact.open(path) == before

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match=r"no artifact .*gone"):
            Artifact.open(tmp_path / "gone")

    def test_a_bare_model_file_says_how_to_make_an_artifact(self, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_bytes(b"onnx")
        with pytest.raises(ArtifactError, match=r"bare file.*edgeseg\.export_model\('.*model\.onnx'\)"):
            Artifact.open(tmp_path / "model.onnx")

    def test_a_folder_that_is_no_artifact(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match=rf"has no {MANIFEST}"):
            Artifact.open(tmp_path)


class TestTampering:
    @pytest.mark.parametrize("name", ["model.xml", "model.bin"])
    def test_one_changed_byte_names_the_file(self, path: Path, name: str) -> None:
        data = bytearray((path / name).read_bytes())
        data[-1] ^= 1
        (path / name).write_bytes(data)
        with pytest.raises(TamperedError, match=rf"{name} was changed"):
            Artifact.open(path)

    def test_a_truncated_file_names_it(self, path: Path) -> None:
        (path / "model.bin").write_bytes(bytes(500))
        with pytest.raises(TamperedError, match=r"model\.bin was changed"):
            Artifact.open(path)

    def test_an_edited_figure_in_the_manifest_is_noticed(self, path: Path) -> None:
        text = (path / MANIFEST).read_text()
        (path / MANIFEST).write_text(text.replace('"fp32"', '"int8"'))
        with pytest.raises(TamperedError, match=rf"{MANIFEST} was changed"):
            Artifact.open(path)

    def test_a_missing_file_names_it(self, path: Path) -> None:
        (path / "model.bin").unlink()
        with pytest.raises(TamperedError, match=r"model\.bin is missing"):
            Artifact.open(path)

    def test_an_added_file_names_it(self, path: Path) -> None:
        (path / "weights.data").write_bytes(b"more")
        with pytest.raises(TamperedError, match=r"weights\.data was added"):
            Artifact.open(path)

    def test_a_link_is_no_file_even_to_the_same_bytes(self, path: Path, tmp_path: Path) -> None:
        (path / "model.bin").rename(tmp_path / "elsewhere.bin")
        (path / "model.bin").symlink_to(tmp_path / "elsewhere.bin")
        with pytest.raises(TamperedError, match=r"model\.bin is missing or not a plain file"):
            Artifact.open(path)

    def test_a_linked_manifest_is_none(self, path: Path, tmp_path: Path) -> None:
        (path / MANIFEST).rename(tmp_path / MANIFEST)
        (path / MANIFEST).symlink_to(tmp_path / MANIFEST)
        with pytest.raises(ArtifactError, match=rf"has no {MANIFEST}"):
            Artifact.open(path)

    @pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/model.xml", "..", ""])
    def test_names_that_leave_the_directory_are_refused(self, path: Path, name: str) -> None:
        rewritten(path, lambda values: values["files"].update({name: "0" * 64}))
        with pytest.raises(TamperedError, match="not a plain file name"):
            Artifact.open(path)


class TestManifest:
    def test_a_newer_format_says_upgrade(self, path: Path) -> None:
        rewritten(path, lambda values: values.update(format_version=2))
        with pytest.raises(ArtifactError, match=r"artifact format 2; this edgeseg reads up to 1\. Upgrade"):
            Artifact.open(path)

    @pytest.mark.parametrize("text", ["", "{", "\x00\x01", "[" * 100_000, '{"format_version": ' + "9" * 5000 + "}"])
    def test_what_is_not_json_is_refused(self, path: Path, text: str) -> None:
        (path / MANIFEST).write_text(text)
        with pytest.raises(ArtifactError, match=rf"{MANIFEST} (cannot be read as JSON|is not text)"):
            Artifact.open(path)

    def test_bytes_that_are_no_text_are_refused(self, path: Path) -> None:
        (path / MANIFEST).write_bytes(b"\xff\xfe\xfd")
        with pytest.raises(ArtifactError, match=r"edgeseg\.json is text in UTF-16"):
            Artifact.open(path)

    @pytest.mark.parametrize("text", ["[]", "1", "null", "{}", '{"format_version": true}', '{"format_version": "1"}'])
    def test_json_that_is_no_manifest_is_refused(self, path: Path, text: str) -> None:
        (path / MANIFEST).write_text(text)
        with pytest.raises(ArtifactError, match="no format_version"):
            Artifact.open(path)

    def test_a_huge_manifest_is_not_even_read(self, path: Path) -> None:
        with (path / MANIFEST).open("r+b") as stream:
            stream.truncate(1 << 40)
        with pytest.raises(ArtifactError, match="larger than"):
            Artifact.open(path)

    @pytest.mark.parametrize(
        ("edit", "found"),
        [
            (lambda v: v.pop("spec"), "spec"),
            (lambda v: v.pop("outputs"), "outputs"),
            (lambda v: v.update(outputs=3), "incomplete"),
            (lambda v: v.update(outputs="labels"), "outputs must be"),
            (lambda v: v.update(outputs=["labels", ["x"]]), "incomplete|outputs must be"),
            (lambda v: v.update(outputs=["confidence"]), "outputs must be labels"),
            (lambda v: v.update(spec={"task": "binary"}), "incomplete"),
            (lambda v: v.update(spec=[]), "JSON object"),
            (lambda v: v.update(format="tflite"), "known format"),
            (lambda v: v.update(format=["onnx"]), "incomplete|known format"),
            (lambda v: v.update(format="onnx"), "known format"),
            (lambda v: v.update(precision="int4"), "int4"),
            (lambda v: v.update(measured=[1]), "measured must be an object"),
            (lambda v: v.update(files={}), "lists no files"),
            (lambda v: v.update(files=["model.xml"]), "lists no files"),
        ],
    )
    def test_a_manifest_that_makes_no_sense_is_refused(self, path: Path, edit: Edit, found: str) -> None:
        with pytest.raises(ArtifactError, match=found):
            Artifact.open(rewritten(path, edit))


class TestWriting:
    def test_measured_values_may_be_added_inside_the_block(self, tmp_path: Path) -> None:
        values = manifest()
        with writing_artifact(tmp_path / "net", values) as staged:
            (staged / "model.xml").write_text("<net/>")
            values["measured"] = {"miou": 0.5}
        assert Artifact.open(tmp_path / "net").measured == {"miou": 0.5}

    def test_a_failed_export_leaves_the_old_artifact_as_it_was(self, path: Path) -> None:
        before = sorted(path.parent.iterdir())
        with pytest.raises(UnicodeEncodeError), writing_artifact(path, manifest()) as staged:
            (staged / "model.xml").write_text("half \ud800")
        assert Artifact.open(path).size_bytes == 1006
        assert sorted(path.parent.iterdir()) == before

    def test_a_new_export_replaces_the_old_artifact_whole(self, path: Path) -> None:
        with writing_artifact(path, manifest()) as staged:
            (staged / "model.xml").write_text("<new/>")
        assert sorted(p.name for p in path.iterdir()) == [MANIFEST, "model.xml"]

    def test_what_somebody_put_into_an_artifact_is_never_deleted_with_it(self, path: Path) -> None:
        (path / "notes.txt").write_text("which camera this is for")
        with (
            pytest.raises(OutputError, match=r"notes\.txt is not part of the artifact"),
            writing_artifact(path, manifest()),
        ):
            pytest.fail("it is said before the work")
        assert (path / "notes.txt").read_text() == "which camera this is for"
        (path / "notes.txt").unlink()
        with writing_artifact(path, manifest()) as staged:
            (staged / "model.xml").write_text("<net2/>", encoding="utf-8")
            (staged / "model.bin").write_bytes(bytes(10))
        assert Artifact.open(path).model_path.read_text() == "<net2/>"

    def test_a_folder_of_other_things_is_never_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos/holiday.jpg").write_bytes(b"x")
        with pytest.raises(OutputError, match="is not an artifact"), writing_artifact(tmp_path / "photos", manifest()):
            pass
        assert (tmp_path / "photos/holiday.jpg").exists()
