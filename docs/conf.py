"""How Sphinx builds the pages of this folder; ``make docs`` runs it with warnings as errors."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

import edgeseg

DOCS = Path(__file__).resolve().parent
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")
SHOWN = {
    "overview": "README.md",
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "camvid": "examples/camvid/README.md",
    "cells": "edgeseg/assets/cells.md",
}
"""Pages whose text is that of a file elsewhere in the repository."""

project = "edgeseg"
copyright = "the edgeseg authors, Apache-2.0"
version = release = edgeseg.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
source_suffix = {".md": "markdown"}

# Links between pages name headings as GitHub does, and GitHub shows the same files.
myst_heading_anchors = 4

# Rooms import torch and the converters inside functions; what names them at its top is shown without them.
autodoc_mock_imports = ["torch", "accelerate", "onnx", "onnxscript", "nncf", "openvino", "onnxruntime", "matplotlib"]
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
add_module_names = False
maximum_signature_line_length = 100
napoleon_numpy_docstring = False
napoleon_use_param = False
napoleon_custom_sections = [("Attributes", "params_style")]

html_theme = "furo"
html_title = f"edgeseg {release}"
html_show_copyright = False
html_show_sphinx = False


def show_repository_files(_app: Sphinx, page: str, source: list[str]) -> None:
    """Put a repository file's text in the page that shows it, and lead links on any page to such pages."""
    folder = DOCS
    if page in SHOWN:
        file = DOCS.parent / SHOWN[page]
        folder, source[0] = file.parent, file.read_text(encoding="utf-8")
    elif "/" in page:
        folder = DOCS / Path(page).parent
    pages = {(DOCS.parent / file).resolve(): DOCS / f"{name}.md" for name, file in SHOWN.items()}

    def lead(match: re.Match[str]) -> str:
        target = (folder / match[1]).resolve()
        return os.path.relpath(pages.get(target, target), (DOCS / page).parent).replace(os.sep, "/")

    source[0] = LINK.sub(lead, source[0])


def setup(app: Sphinx) -> None:
    """Register the hook of this file."""
    app.connect("source-read", show_repository_files)
