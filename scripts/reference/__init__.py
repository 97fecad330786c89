"""Writes the reference pages that are made from the code; a test fails when one of them is old."""

from collections.abc import Callable
from pathlib import Path

from . import commands, definitions, registered, routes

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def pages() -> dict[str, str]:
    """Return the text of every generated page, by its path under docs/reference."""
    fixed: dict[str, Callable[[], str]] = {
        "cli.md": commands.command_page,
        "definitions.md": definitions.definition_page,
        "errors.md": registered.errors,
        "fields.md": registered.event_fields,
        "files.md": registered.files,
        "filters.md": registered.filters,
        "http.md": routes.route_page,
        "insights/README.md": registered.insight_list,
        "listeners.md": registered.listeners,
        "protocols.md": registered.protocols,
        "settings.md": registered.settings,
        "sql.md": registered.sql_views,
        "store.md": registered.store,
    }
    made = {path: make() for path, make in fixed.items()}
    for name, insight in registered.insights().items():
        made[f"insights/{name}.md"] = registered.insight_page(insight)
    return made


def write() -> None:
    """Write every page."""
    for path, text in pages().items():
        target = REFERENCE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
