"""HTML and SVG written so that text can never become markup."""

from __future__ import annotations

from html import escape

from edgeseg.console.terminal import visible_lines


class Markup(str):
    """Text that is markup already; every other string is escaped where it enters a tag."""

    __slots__ = ()


_VOID = frozenset({"meta", "img", "br", "hr"})


def tag(element: str, /, *children: str, **attributes: object) -> Markup:
    """``<element attributes>children</element>``.

    Args:
        element: its name.
        children: :class:`Markup`, or text that is escaped.
        attributes: None leaves one out. A trailing underscore is dropped (``class_``), others become hyphens.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    ending = "" if element in _VOID else f"{join(*children)}</{element}>"
    return Markup(f"<{element}{written}>{ending}")


def join(*children: str) -> Markup:
    """Children one after the other, text escaped."""
    return Markup("".join(child if isinstance(child, Markup) else _escape(child) for child in children))


def _escape(text: str) -> str:
    """Text order and control characters are shown as they are, so that a name cannot reorder a line of figures."""
    return escape(visible_lines(text))
