"""The page of what a project defines by name."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tallymark.insights.definitions import TYPES, KindName
from tallymark.insights.expression import FUNCTIONS
from tallymark.insights.membership import Cohort, Member, Near
from tallymark.insights.virtual import Part, VirtualEvent

from .markdown import page, table
from .schema import fields, kind, summary

_ABOUT: dict[KindName, tuple[str, str]] = {
    "events": (
        (
            "A question that names it means all of its events. In a file an event without a filter may be"
            " written as its bare name."
        ),
        "events:\n  - export\n  - {event: share, filter: plan = pro}",
    ),
    "properties": (
        "Used as `computed.<name>` wherever a field is; an [expression](#expressions) says what it is.",
        "type: number\nvalue: revenue - properties.cost",
    ),
    "cohorts": (
        (
            "Used as `in cohort <name>` in a filter, as `cohort.<name>` in a breakdown, and asked about with"
            " [cohorts](insights/cohorts.md), whose page says what each of the parts means."
        ),
        (
            "who:\n  op: and\n  members:\n    - {op: did, event: export, at_least: 3, range: 14d}\n"
            "    - {op: not, member: {op: did, event: cancel}}"
        ),
    ),
    "metrics": (
        (
            "Named in `metrics` of a question, or by `--metric`. In a file a single series need not be a"
            " list."
        ),
        "series:\n  - {measure: sum, of: revenue}\n  - {measure: unique_people}\nformula: A / B",
    ),
    "questions": (
        "Asked with `tallymark ask @<name>` or `POST /tm/v1/ask/saved/<name>`.",
        "insight: trends\nquestion:\n  range: 8w\n  interval: week\n  metrics: [revenue_by_person]",
    ),
}


def definition_page() -> str:
    """Return the page: each kind with its fields and an example, then expressions."""
    text = [
        "# Definitions",
        "",
        "What a project defines by name, in YAML files of one definition each: a folder for each kind,",
        "each file named like what it defines, unless it says `name`. `tallymark apply` makes them hold;",
        "[how to define things as code](../how-to/define-things-as-code.md) shows it. Any definition may",
        "have a `description`. A filter is written as on the command line, or as in",
        "[the reference](filters.md).",
    ]
    for name, struct in TYPES.items():
        about, example = _ABOUT[name]
        text += ["", f"## {name}", "", about, "", "```yaml", example, "```", "", _plain(fields(struct))]  # fmt: skip
        if struct is VirtualEvent:
            text += ["", "**Each of `events`**", "", _plain(fields(Part))]
        if struct is Cohort:
            text += ["", *_members()]
    text += ["", *_expressions()]
    return page(text)


def _members() -> list[str]:
    schemas: Mapping[str, Any] = msgspec.json.schema_components([Member, Near], ref_template="#{name}")[1]  # fmt: skip
    rows = []
    for schema in schemas.values():
        parts = schema.get("properties", {})
        names = [name for name in parts if name != "op"]
        if "op" in parts and {"members", "member", "ids", "event", "insight", "cohort"} & set(names) and "field" not in names:  # fmt: skip
            rows.append((f"`{parts['op']['enum'][0]}`", ", ".join(f"`{name}`" for name in names), summary(schema)))  # fmt: skip
    rows.append(("`has`", "`filter`", "Those of whom some event satisfies this."))
    did = schemas["Did"]["properties"]
    near = schemas["Near"]["properties"]
    return [
        "**Who is a member**",
        "",
        table(("op", "takes", "chooses"), rows),
        "",
        "**Of `did`**",
        "",
        table(("field", "type", "meaning"), _rows(did)),
        "",
        "**Of `near`**",
        "",
        table(("field", "type", "meaning"), _rows(near)),
    ]


def _plain(text: str) -> str:
    """Return tables without links to what has no heading here; who is a member has a table below."""
    text = re.sub(r"(?m)^(\| `who` \|)[^|]*", r"\1 see below ", text)
    text = text.replace("[Series](#series)", "[Series](insights/segments.md#series)")
    text = text.replace("../filters.md", "filters.md")
    return re.sub(r"\[(\w+)\]\(#\w+\)", r"\1", text)


def _rows(parts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (f"`{name}`", _plain(kind(one)), one.get("description", ""))
        for name, one in parts.items()
        if name != "op"
    ]


def _expressions() -> list[str]:
    rows = [
        (f"`{name}`", ", ".join(takes) + (" …" if is_repeated else ""), gives)
        for name, (takes, gives, is_repeated) in FUNCTIONS.items()
    ]
    return [
        "## Expressions",
        "",
        'An expression is made of fields, numbers, `"text"`, `true` and `false`; `+ - * /`; `= != < <= >',
        ">=`; `and`, `or`, `not`; `exists` and `is missing` after a field; and functions. Each part is a",
        "text, a number or a truth, which is checked when it is pushed. A custom property may be of any",
        "type: what stands around it says which is meant, or `text(…)`, `number(…)`, `truth(…)` around it.",
        "",
        "What is calculated from something missing is missing. Comparisons are true or false: nothing",
        "equals what is missing, and `!=` holds of it. A product or quotient is rounded to nine places,",
        "half away from zero; one with twenty digits before the point, and what is divided by zero, is",
        "missing. `before` and `after` are the part of a text before or after another, missing if that is",
        "not in it; `coalesce` is the first that is not missing.",
        "",
        table(("function", "takes", "gives"), rows),
    ]
