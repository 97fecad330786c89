"""Pages and tables as Markdown."""

from collections.abc import Iterable

NOTE = "<!-- Written by scripts/reference from the code; change the code, then run `make fix`. -->"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table; what would end a cell or begin a tag is escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(text: str) -> str:
    """Return text that may stand in a table; angle brackets inside code are left alone."""
    parts = text.replace("``", "`").replace("|", "\\|").split("`")
    return "`".join(
        part if place % 2 else part.replace("<", "&lt;") for place, part in enumerate(parts)
    )


def page(lines: Iterable[str]) -> str:
    """Return lines as a page that says where it comes from."""
    return "\n".join([NOTE, "", *lines]) + "\n"
