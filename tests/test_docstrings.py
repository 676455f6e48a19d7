"""Every public function, method and class says what it does: a function in an imperative sentence.

Ruff's D rules see that a docstring is there; they know too few words to see that it begins with a verb.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from house import package_folders

WORDS = """
Add Allocate Alternate Answer Append Ask Begin Blend Bound Bring Build Call Capture Cast Change Check Choose Clean
Close Colour Compare Compile Complete Compute Convert Convolve Copy Correct Count Cover Create Cut Decline Decode
Delete Describe
Digest Dim Do Double Draw Drop Encode End Enlarge Enter Estimate Even Exit Expand Export Fetch Fill Find Finish
Fold Follow
Forget Gather Give Go Group Guess Hand Hide Hold Import Infer Join Judge Keep Kill Lay Leave Let List Load Lock
Look Make Map
Measure Mix Move Multiply Name Note Number Open Order Outline Paint Pair Parse Pass Pick Preallocate Predict Prepare
Print
Put Quantise Queue Quote Raise Read Rebuild Record Redact Refuse Release Remove Render Replace Report Resize Return
Reword Round Run Say Scale Score Segment Send Serialise Set Share Show Silence Split Spread Start Stop Strip Sum
Summarise Supervise Take Tell Throw Tile Time Trace Train Translate Try Turn Unmap View Wait Weigh Widen Word Wrap
Write Yield Blur Reduce Publish Receive Encode Sign Connect Observe
"""
"""Imperatives that docstrings begin with so far; a new one is added here, when it is one."""
VERBS = frozenset(WORDS.split())

FILES = [path for folder in package_folders().values() for path in sorted(folder.glob("*.py"))]
Public = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def find_public(node: ast.AST) -> Iterator[Public]:
    """All that is public in a module: branches too, and not what is inside functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Public):
            if not child.name.startswith("_"):
                yield child
                if isinstance(child, ast.ClassDef):
                    yield from find_public(child)
        elif isinstance(child, ast.If | ast.Try):
            yield from find_public(child)


def is_property(node: Public) -> bool:
    return any(re.search(r"property\b|\.setter\b", ast.unparse(decorator)) for decorator in node.decorator_list)


def find_faults(path: Path) -> Iterator[str]:
    """What is public in a file and has no docstring, no sentence at its beginning, or no verb there."""
    for node in find_public(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{path}:{node.lineno} {node.name}"
        text = ast.get_docstring(node)
        if not text:
            yield f"{where} has no docstring"
            continue
        if not re.search(r"[.:?]$", text.split("\n\n")[0]):
            yield f"{where} begins with no sentence"
        if isinstance(node, ast.ClassDef) or is_property(node):
            continue
        word = text.split()[0].strip(",.:;")
        if word not in VERBS:
            yield f"{where} begins with {word!r}, not with a verb"


def test_everything_public_has_a_docstring_and_functions_begin_with_a_verb() -> None:
    assert not [fault for path in FILES for fault in find_faults(path)]


def test_the_check_itself_sees_what_it_is_for(tmp_path: Path) -> None:
    path = tmp_path / "checked.py"
    path.write_text(
        "class A:\n    def bare(self): ...\n    @property\n    def noun(self):\n        'Its name.'\n"
        "def participle():\n    'Searched files.'\ndef verb():\n    'Find files.'\ndef open_ended():\n    'Find'\n",
        encoding="utf-8",
    )
    told = [fault.split(" ", 1)[1] for fault in find_faults(path)]
    assert told == [
        "A has no docstring",
        "bare has no docstring",
        "participle begins with 'Searched', not with a verb",
        "open_ended begins with no sentence",
    ]
