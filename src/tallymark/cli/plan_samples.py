"""Events that came already, to try a plan on or to make one from."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from tallymark.client import Client
from tallymark.core.errors import Refused
from tallymark.schema.infer import Sample

_PAGE: Final = 1_000
_MOST_NAMES: Final = 100


def samples(
    client: Client, last: str, most: int, names: Sequence[str] | None = None
) -> Iterator[Sample]:
    """Yield the newest events of each name, at most so many of each."""
    if most < 1:
        raise Refused("--most must be at least 1.", path="most")
    for name in names or event_names(client, last):
        question: dict[str, Any] = {"series": {"event": name}, "range": last, "include_bots": True}
        cursor: str | None = None
        left = most
        while left > 0:
            page = client.ask("events", **question, limit=min(_PAGE, left), cursor=cursor).data
            for one in page["events"]:
                yield Sample(one["event"], one["properties"])
            left -= len(page["events"])
            cursor = page["cursor"]
            if cursor is None:
                break


def event_names(client: Client, last: str) -> list[str]:
    """Return the names of the events that came, those with most first."""
    answer = client.ask(
        "trends", series=[{"measure": "count"}], range=last, breakdown=["event"],
        top=_MOST_NAMES, include_bots=True,
    )  # fmt: skip
    groups = (line["breakdown"] for line in answer.data["lines"])
    return [group[0] for group in groups if group and group[0] is not None]
