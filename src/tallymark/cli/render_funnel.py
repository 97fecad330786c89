"""A funnel as text: a bar for each step, counts, shares, and how long it took."""

from decimal import Decimal
from typing import Any, Final

from .render import aligned, sparkline

_WIDTH: Final = 24
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_WHO: Final = {"person": "people", "account": "accounts", "session": "sessions"}
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_MOST_GROUPS: Final = 30
_ATTEMPT: Final = {
    "any": "Any try counts: a later one may convert where the first did not (attempt = any).",
    "first": "Only the first try counts, whatever comes later (attempt = first).",
}


def funnel_lines(data: dict[str, Any]) -> list[str]:
    """Return a funnel for the terminal; shares of nobody whose window is over are so far, with ``*``."""
    funnels = [data["total"], *data["groups"][:_MOST_GROUPS]]
    is_so_far = any(not one["complete_entered"] and one["entered"] for one in funnels)
    rules = data["rules"]
    who = _WHO[rules["by"]] if rules["count"] == "uniques" else "tries"
    heads = ["step", "", who, "of first", "of previous", "dropped", "median"]
    rows = [row for one in funnels for row in _rows(one, data)]
    lines = aligned([*data["breakdown"], *heads], rows)
    if len(data["groups"]) > _MOST_GROUPS:
        lines.append(
            f"… and {len(data['groups']) - _MOST_GROUPS:,} more groups; --csv or --json gives all"
        )
    if is_so_far:
        lines.append("* so far: none of these had their whole window yet")
    lines += ["", _ATTEMPT[rules["attempt"]], *_times(data["total"])]
    if data["buckets"] is not None:
        lines += ["", *_over_time(funnels, data)]
    if data["removed"]:
        lines.append(f"{data['removed']:,} {who} did what is excluded and are in no step.")
    return lines


def bar(part: int, whole: int, width: int = _WIDTH) -> str:
    """Return a bar of as much of its width as a part is of the whole, in eighths of a letter."""
    eighths = part * width * 8 // whole if whole else 0
    if part and whole and not eighths:
        eighths = 1
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def percent(share: Decimal | int | None) -> str:
    """Return a share as a percentage with one decimal."""
    return "–" if share is None else f"{Decimal(share) * 100:.1f} %"


def length(seconds: Decimal | int | None) -> str:
    """Return a length of time in its two largest units, such as 2 h 5 min."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{Decimal(seconds):.2f} s" if seconds else "0 s"
    left = int(seconds)
    parts: list[str] = []
    for name, size in _UNITS:
        if left >= size or parts:
            parts.append(f"{left // size} {name}")
            left %= size
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if not part.startswith("0 "))


def _rows(one: dict[str, Any], data: dict[str, Any]) -> list[list[Any]]:
    group = _group(one, data)
    first, previous = one["steps"][0]["count"], 0
    rows = []
    for step in one["steps"]:
        before = one["steps"][previous]["count"]
        if one["complete_entered"] or not one["entered"]:
            shares = [percent(step["of_first"]), percent(step["of_previous"])]
        else:
            shares = [
                f"{percent(_share(step['count'], first))} *",
                f"{percent(_share(step['count'], before))} *",
            ]
        is_first = step["step"] == 1
        rows.append([
            *group,
            f"{step['label']} (optional)" if step["is_optional"] else step["label"],
            bar(step["count"], first),
            step["count"],
            shares[0],
            "" if is_first else shares[1],
            None if is_first else step["dropped"],
            "" if is_first else length(step["from_previous"]["median"]),
        ])  # fmt: skip
        if not step["is_optional"]:
            previous = step["step"] - 1
    return rows


def _share(part: int, whole: int) -> Decimal | None:
    return Decimal(part) / whole if whole else None


def _group(one: dict[str, Any], data: dict[str, Any]) -> list[Any]:
    if not data["breakdown"]:
        return []
    if one is data["total"]:
        return ["all", *[""] * (len(data["breakdown"]) - 1)]
    if one["is_other"]:
        return ["Other"] * len(data["breakdown"])
    return ["(none)" if value is None else value for value in one["breakdown"] or ()]


def _times(total: dict[str, Any]) -> list[str]:
    taken = total["time_to_convert"]
    if not taken["count"]:
        return ["Nobody converted."]
    counts = [one["count"] for one in total["histogram"]]
    last = total["histogram"][-1]["high"]
    within = [f"median {length(taken['median'])}", f"mean {length(taken['mean'])}"]
    return [
        f"Converted within: {', '.join(within)}, 90 % in {length(taken['p90'])}",
        f"0 s {sparkline(counts)} {length(last)}",
    ]


def _over_time(funnels: list[dict[str, Any]], data: dict[str, Any]) -> list[str]:
    """Return how the rate went by when one entered; a gap where nobody's window is over."""
    heads = [*data["breakdown"], "rate by when one entered", "from", "to"]
    rows = []
    for one in funnels:
        rates = [bucket["rate"] for bucket in one["over_time"]]
        known = [rate for rate in rates if rate is not None]
        ends = [percent(min(known)), percent(max(known))] if known else ["–", "–"]
        rows.append([*_group(one, data), sparkline(rates), *ends])
    return aligned(heads, rows)
