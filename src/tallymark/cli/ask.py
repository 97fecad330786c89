"""``tallymark ask <insight>``: flags for every field of the insight's question, made from its schema."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from tallymark.client import Answer
from tallymark.core.errors import InvalidQuery, TallymarkError
from tallymark.core.registry import discover
from tallymark.insights.insight import Insight

from .ask_progress import followed
from .conditions import field_name, parse_exclusion, parse_filter, parse_step
from .connection import add_connection_flags, open_client
from .lazy_parser import LazyParser
from .main import COMMANDS, Subparsers
from .render import answer_csv, answer_lines

# Fields that have flags of their own, easier to write than their JSON.
_SPECIAL: Final = frozenset({
    "range", "filter", "include_bots", "series", "breakdown", "formulas", "metrics", "cohorts",
    "segments", "steps", "exclusions", "hold_constant", "properties",
})  # fmt: skip
# Flags that may be repeated, for fields that are lists of names or filters.
_LISTS: Final = (
    ("metric", "NAME", "named metric, as a further line; may be repeated"),
    ("cohort", "NAME", "cohort by its name; may be repeated"),
    ("segment", "FILTER", "people or events to hold beside others, such as: plan = pro; may be repeated"),
)  # fmt: skip
# Lists of fields, each with the flag that gives one of them.
_FIELD_LISTS: Final = {"hold_constant": "--hold-constant", "properties": "--property"}
# Fields that name a field, of which a custom property may be written by its bare name.
_FIELDS: Final = frozenset({"by", "of"})
# Fields that list events, of which each name may have a flag of its own.
_NAMED: Final = {"features": "feature", "goals": "goal", "key_events": "key-event"}
_OF_NOTHING: Final = frozenset({"count", "unique_people", "unique_accounts", "sessions"})
_FILTER_HELP: Final = (
    "only events such as: plan = pro and country in (DE, FR); may be repeated; signs = != > >= < <="
    " ~, words in, contains, starts with, ends with, between, exists, is missing, in cohort, and, or, not"
)


def add_parser(subparsers: Subparsers) -> None:
    """Add the command with a sub-command for every insight."""
    parser = subparsers.add_parser(
        "ask", help=COMMANDS["ask"], description=COMMANDS["ask"],
        epilog="A custom property may be written by its bare name: plan means properties.plan."
        " person.plan is the plan of the person at the event, person.plan@now the one of now.",
    )  # fmt: skip
    insights = parser.add_subparsers(
        dest="insight", metavar="INSIGHT", required=True, parser_class=LazyParser
    )
    for insight in discover("tallymark.insights", Insight).values():
        insights.add_parser(
            insight.name, help=insight.summary, description=insight.summary,
            flags=partial(_add_flags, insight=insight),
        )  # fmt: skip
    about = "Ask a saved question; also written @NAME. What is given replaces parts of it."
    _add_saved_flags(insights.add_parser("saved", help=about, description=about))


def run(args: argparse.Namespace) -> int:
    """Ask, wait for the answer and print it."""
    if args.insight == "saved":
        name, question = f"@{args.name}", _changed(args)
    else:
        insight = discover("tallymark.insights", Insight)[args.insight]
        name = insight.name
        question = (
            _whole_question(args) if args.question is not None else question_of(insight, args)
        )
    with open_client(args, must_exist=True) as client, followed(args) as question_id:
        answer = client.ask(
            name,
            as_of=args.as_of,
            question_id=question_id,
            definitions_at=args.definitions_at,
            **question,
        )
    print(_rendered(answer, args), end="")
    return 0


def question_of(insight: Insight, args: argparse.Namespace) -> dict[str, Any]:
    """Return the question that the flags mean; what was not given is left to the insight."""
    question: dict[str, Any] = {}
    for name in insight.question.__struct_fields__:
        if name not in _SPECIAL and (value := getattr(args, name, None)) is not None:
            given = value() if isinstance(value, partial) else value
            question[name] = field_name(given) if name in _FIELDS else given
    question |= _changed(args)
    for flag in ("metrics", "cohorts"):
        if getattr(args, flag, None):
            question[flag] = getattr(args, flag)
    if getattr(args, "segments", None):
        question["segments"] = [{"filter": parse_filter(text)} for text in args.segments]
    if getattr(args, "breakdown", None):
        question["breakdown"] = [field_name(name) for name in args.breakdown]
    if getattr(args, "formula", None):
        question["formulas"] = args.formula
    question |= _steps(args) | _named_events(insight, args)
    if "series" in insight.question.__struct_fields__:
        series = _series(args)
        question["series"] = series if _is_many(insight) else series[0]
    return question


def parsed_question(arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return the insight and the question that the arguments after ``ask`` mean."""
    parser = argparse.ArgumentParser(prog="tallymark")
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["ask", *arguments])
    insight = discover("tallymark.insights", Insight)[args.insight]
    return insight.name, question_of(insight, args)


def _named_events(insight: Insight, args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields that are made of names of events."""
    found: dict[str, Any] = {
        name: named for name in _NAMED if (named := getattr(args, f"each_{name}", None)) is not None
    }
    if "step" in insight.question.__struct_fields__ and args.event:
        found["step"] = {"event": args.event}
    return found


def _changed(args: argparse.Namespace) -> dict[str, Any]:
    """Return the parts of a question that any insight has, as far as they were given."""
    question: dict[str, Any] = {}
    if (asked := _range(args)) is not None:
        question["range"] = asked
    if args.filter:
        parts = [parse_filter(text) for text in args.filter]
        question["filter"] = parts[0] if len(parts) == 1 else {"op": "and", "filters": parts}
    if args.include_bots:
        question["include_bots"] = True
    return question


def _add_saved_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the saved question")
    _add_output(parser)
    _add_range(parser)
    parser.add_argument("--filter", metavar="TEXT", action="append", help=_FILTER_HELP)
    parser.add_argument("--include-bots", action="store_true", help="also count known robots")
    add_connection_flags(parser)


def _add_output(parser: argparse.ArgumentParser) -> None:
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print the whole answer as JSON")
    output.add_argument("--csv", action="store_true", help="print the flat table as CSV")
    parser.add_argument("--as-of", metavar="MOMENT", help="as an earlier answer was, whatever came since: its provenance's as_of, or a log position")  # fmt: skip
    parser.add_argument("--definitions-at", metavar="N", type=int, help="version of the project's definitions to ask with (default: the newest); 0 for none")  # fmt: skip


def _add_flags(parser: argparse.ArgumentParser, insight: Insight) -> None:
    _add_output(parser)
    parser.add_argument(
        "-q",
        "--question",
        metavar="JSON",
        help="the whole question as JSON, or @FILE, or - for stdin",
    )
    properties = _properties(insight)
    if "range" in properties:
        _add_range(parser)
    if "series" in properties:
        _add_series(parser, is_many=_is_many(insight))
    if "step" in properties:
        parser.add_argument("--event", metavar="NAME", action="append", help="event that is a step, any of those named (default: any event)")  # fmt: skip
    for name in _NAMED.keys() & properties.keys():
        parser.add_argument(f"--{_NAMED[name]}", metavar="NAME", dest=f"each_{name}", action="append", help=f"one of the {name.replace('_', ' ')}, by the name of an event")  # fmt: skip
    if "breakdown" in properties:
        parser.add_argument("--breakdown", metavar="FIELD", action="append", help="a line for each value of this; up to three")  # fmt: skip
    _add_lists(parser, insight, properties)
    parser.add_argument("--filter", metavar="TEXT", action="append", help=_FILTER_HELP)
    parser.add_argument("--include-bots", action="store_true", help="also count known robots")
    for name, about in properties.items():
        if name not in _SPECIAL:
            _add_field(parser, name, about)
    add_connection_flags(parser)


def _add_lists(
    parser: argparse.ArgumentParser, insight: Insight, properties: Mapping[str, Any]
) -> None:
    for name, metavar, about in _LISTS:
        if f"{name}s" in properties:
            parser.add_argument(f"--{name}", dest=f"{name}s", metavar=metavar, action="append", help=about)  # fmt: skip
    if "steps" in properties:
        _add_steps(parser, insight)
    if "exclusions" in properties:
        parser.add_argument("--exclude", metavar="STEP", type=_read_by(parse_exclusion), action="append", help="what must not happen between the steps, written as a step; after its events it may say 'between 1 and 2'; may be repeated")  # fmt: skip
    for name, flag in _FIELD_LISTS.items():
        if name in properties:
            parser.add_argument(flag, metavar="FIELD", dest=name, action="append", help=f"{_described(properties[name])} May be repeated.")  # fmt: skip


def _add_range(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--last", metavar="LENGTH", help="such as 30d, 12h, 8w, 6mo, today or last_month"
    )
    parser.add_argument("--since", metavar="TIME", help="first instant or local date")
    parser.add_argument("--until", metavar="TIME", help="first instant or local date left out")


def _add_series(parser: argparse.ArgumentParser, *, is_many: bool) -> None:
    each = "; each one is a line" if is_many else ""
    parser.add_argument("--event", metavar="NAME", action="append", help=f"event to measure{each} (default: any event)")  # fmt: skip
    if not is_many:
        return
    parser.add_argument("--measure", metavar="MEASURE", action="append", help="count (default), unique_people, unique_accounts, sessions, per_person, or sum, avg, min, max, median, p90, p95, p99 of a number, as in p95:duration_ms")  # fmt: skip
    parser.add_argument("--of", metavar="FIELD", help="number to measure, where --measure names none")  # fmt: skip
    parser.add_argument("--formula", metavar="TEXT", action="append", help="line calculated from lines A, B …, as in 'A / B * 100'")  # fmt: skip


def _add_steps(parser: argparse.ArgumentParser, insight: Insight) -> None:
    parser.add_argument("--step", metavar="STEP", dest="steps", type=_read_by(parse_step), action="append", help="what happened, such as: signup, or: purchase where plan = pro; repeat it for each step, in order")  # fmt: skip
    if "optional" in _step_parts(insight):
        parser.add_argument("--optional-step", metavar="STEP", dest="steps", type=_read_by(_optional_step), action="append", help="a step that may be left out; among the others, in order")  # fmt: skip


def _add_field(parser: argparse.ArgumentParser, name: str, about: Mapping[str, Any]) -> None:
    kinds = _kinds(about)
    flag = f"--{name.replace('_', '-')}"
    text = _described(about)
    options: dict[str, Any] = {"dest": name, "help": text}
    if _is_step(about):
        parser.add_argument(flag, type=_read_by(parse_step), metavar="STEP", **options)
    elif kinds == {"boolean"} and not about.get("default"):
        parser.add_argument(flag, action="store_true", default=None, **options)
    elif kinds <= {"boolean", "null"}:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, **options)
    elif kinds <= {"string", "null"}:
        choices = _choices(about)
        options["help"] = f"{text} {', '.join(choices)}" if choices else text
        parser.add_argument(flag, choices=choices or None, metavar="NAME", **options)
    elif kinds <= {"integer", "null"}:
        parser.add_argument(flag, type=int, metavar="N", **options)
    else:
        parser.add_argument(flag, type=_json_or_text, metavar="VALUE", **options)


def _described(about: Mapping[str, Any]) -> str:
    return str(about.get("description", "")).replace("%", "%%")


def _is_step(about: Mapping[str, Any]) -> bool:
    """Whether a field takes something that happened, by itself or by the name of an event."""
    return any(part.get("$ref") == "#/$defs/Step" for part in about.get("anyOf", [about]))


def _step_parts(insight: Insight) -> set[str]:
    """Return the fields of a step of an insight's question."""
    schema = msgspec.json.schema(insight.question)
    items = _properties(insight)["steps"]["items"]
    refs = [
        part["$ref"].rpartition("/")[2] for part in items.get("anyOf", [items]) if "$ref" in part
    ]
    return {field for ref in refs for field in schema["$defs"][ref]["properties"]}


def _read_by(read: Callable[[str], Any]) -> Callable[[str], Callable[[], Any]]:
    """Return how a flag is kept until it is read, so that its errors are those of a question."""
    return lambda text: partial(read, text)


def _optional_step(text: str) -> dict[str, Any]:
    return {**parse_step(text), "optional": True}


def _steps(args: argparse.Namespace) -> dict[str, Any]:
    """Return the parts of a question that flags of steps give."""
    found: dict[str, Any] = {}
    if getattr(args, "steps", None):
        found["steps"] = [read() for read in args.steps]
    if getattr(args, "exclude", None):
        found["exclusions"] = [read() for read in args.exclude]
    for field in _FIELD_LISTS:
        if getattr(args, field, None):
            found[field] = [field_name(name) for name in getattr(args, field)]
    return found


def _kinds(about: Mapping[str, Any]) -> set[str]:
    """Return the JSON types a field takes; ``other`` for anything that has parts."""
    if "anyOf" in about:
        return {kind for one in about["anyOf"] for kind in _kinds(one)}
    if "enum" in about:
        return {"string"}
    kind = about.get("type", "other")
    return set(kind) if isinstance(kind, list) else {kind}


def _choices(about: Mapping[str, Any]) -> list[str]:
    parts = about.get("anyOf", [about])
    return [str(choice) for one in parts for choice in one.get("enum", ())]


def _properties(insight: Insight) -> dict[str, Any]:
    schema = msgspec.json.schema(insight.question)
    found: dict[str, Any] = schema["$defs"][insight.question.__name__]["properties"]
    return found


def _is_many(insight: Insight) -> bool:
    """Whether a question has several series, not just the one whose rows are listed."""
    return bool(_properties(insight)["series"].get("type") == "array")


def _json_or_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _range(args: argparse.Namespace) -> Any:
    last, since, until = (getattr(args, name, None) for name in ("last", "since", "until"))
    if last is not None:
        if since is not None or until is not None:
            raise InvalidQuery("Give either --last, or --since and --until.", path="range")
        return last
    if since is None and until is None:
        return None
    return {name: text for name, text in (("since", since), ("until", until)) if text is not None}


def _series(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return one line for each event and measure, in the order in which they were given."""
    if not hasattr(args, "measure"):
        return [{"event": args.event}] if args.event else [{}]
    found = []
    for event in args.event or [None]:
        for asked in args.measure or ["count"]:
            measure, _, of = asked.partition(":")
            of = of or ("" if measure in _OF_NOTHING else args.of or "")
            line: dict[str, Any] = {"measure": measure}
            if event is not None:
                line["event"] = event
            if of:
                line["of"] = of if of in {"value", "revenue"} else field_name(of)
            found.append(line)
    return found


def _whole_question(args: argparse.Namespace) -> dict[str, Any]:
    text: str = args.question
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text("utf-8")
        question = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode(text)
    except (OSError, UnicodeDecodeError) as error:
        raise TallymarkError(f"The question cannot be read: {error}.", code="FILE_UNREADABLE") from error  # fmt: skip
    except msgspec.DecodeError as error:
        raise InvalidQuery(f"The question is no JSON object: {error}.") from error
    return question


def _rendered(answer: Answer, args: argparse.Namespace) -> str:
    if args.csv:
        return answer_csv(answer)
    if args.json:
        whole = {
            "data": answer.data,
            "view": answer.view,
            "table": {"columns": answer.columns, "rows": answer.rows},
            "question": answer.question,
            "provenance": answer.provenance,
        }
        return msgspec.json.Encoder(decimal_format="number").encode(whole).decode() + "\n"
    return "\n".join(answer_lines(answer)) + "\n"
