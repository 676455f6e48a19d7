"""Columns stand below their headings, whatever is in them."""

from __future__ import annotations

from edgeseg.console.text_table import format_table


def test_names_stand_to_the_left_and_figures_to_the_right() -> None:
    assert format_table([["class", "IoU", ""], ["a long name", "0.5", "x"], ["b", "12.25", ""]]) == (
        "class          IoU\na long name    0.5  x\nb            12.25"
    )


def test_columns_are_as_wide_and_indented_as_asked() -> None:
    assert format_table([["a", "b"], ["c", "d"]], left=(0, 1), least=4, indent="> ") == "> a  b\n> c  d"
    assert format_table([["a", "b"], ["c", "d"]], least=4) == "a     b\nc     d"
