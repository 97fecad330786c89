"""Each thing that can be wrong with a file of a plan is told, with its key and how to mend it."""

from decimal import Decimal
from pathlib import Path

import pytest
from tests.schema.plans import CHECKOUT, event, folder, plan

from tallymark.core.errors import Refused
from tallymark.schema.files import files_of, read_folder, read_plan, read_texts, write_folder
from tallymark.schema.plan import Plan, decode_plan, encode_plan
from tallymark.schema.yaml_file import LARGEST_FILE, read_yaml


def problems(*texts: str, **files: str) -> list[tuple[str, str]]:
    return [(one.key, one.what) for one in folder(*texts, **files).problems]


def test_the_example_of_the_specification_is_a_plan() -> None:
    (found,) = plan(CHECKOUT).events

    assert (found.event, found.version, found.status) == ("checkout_completed", "2-1-0", "live")
    assert found.properties["amount"].minimum == 0
    assert found.properties["email"].treat == "hmac"
    assert found.on.invalid == "quarantine"
    assert found.monitors is not None
    assert found.monitors.null_rate == {"amount": Decimal("0.01")}


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        ("event: a", "version", "it is missing."),
        ("version: 1-0-0", "event", "it is missing."),
        (event(version="'1.0'"), "version", "'1.0' is no version."),
        (event(version="1-0-x"), "version", "'1-0-x' is no version."),
        (event().replace("event: e", "event: ' '"), "event", "the name is empty, too long or not all visible."),
        (event(colour="red"), "colour", "there is no such key."),
        (event("a: {type: string, colour: red}"), "properties.a.colour", "there is no such key."),
        (event("a: {minimum: 1}"), "properties.a.type", "it is missing."),
        (event("a: {type: text}"), "properties.a.type", "Invalid enum value 'text'."),
        (event("a: {type: string, minimum: 1}"), "properties.a.minimum", "string has no minimum."),
        (event("a: {type: number, maximum: '1'}"), "properties.a.maximum", "it is no number."),
        (event("a: {type: number, minimum: 2, maximum: 1}"), "properties.a.minimum", "it is above the maximum."),
        (event("a: {type: object, enum: [1]}"), "properties.a.enum", "object cannot be listed."),
        (event("a: {type: string, enum: [1]}"), "properties.a.enum", "1 is no string."),
        (event("a: {type: integer, enum: [true]}"), "properties.a.enum", "True is no integer."),
        (event("a: {type: string, enum: [x, x]}"), "properties.a.enum", "a value stands twice."),
        (event(f"a: {{type: integer, enum: {list(range(1001))}}}"), "properties.a.enum", "it has 1001 values."),
        (event("a: {type: string}", monitors="{drift: {b: 1}}"), "monitors.drift.b", "there is no such property."),
        (event("a: {type: string}", monitors="{drift: {a: 0}}"), "monitors.drift.a", "it is no number above 0."),
        (event("a: {type: integer, pattern: x}"), "properties.a.pattern", "integer has no pattern."),
        (event("a: {type: string, pattern: '(?=x)'}"), "properties.a.pattern", "The pattern '(?=x)' has a group that looks around, or has a name or flags, at character 3."),
        (event("a: {type: string, items: {type: string}}"), "properties.a.items", "string has no items."),
        (event("a: {type: array, items: {type: string, required: true}}"), "properties.a.items.required", "a member of a list is never missing."),
        (event("a: {type: array, items: {type: string, minimum: 1}}"), "properties.a.items.minimum", "string has no minimum."),
        (event("a: {type: number, treat: hmac}"), "properties.a.treat", "a treatment leaves text."),
        (event("a: {type: string, treat: hmac, enum: [x]}"), "properties.a.treat", "what was treated fits no list or pattern."),
        (event("a: {type: string, treat: drop, required: true}"), "properties.a.treat", "what is dropped cannot be required."),
        (event("a: {type: array, items: {type: string, treat: hmac}}"), "properties.a.items.treat", "members of a list cannot be treated."),
        (event("a: {type: string, keep: 30d}"), "properties.a.keep", "nothing ends the life of one property, so it would be kept on."),
        (event("a: {type: array, items: {type: string, keep: 30d}}"), "properties.a.items.keep", "nothing ends the life of one property, so it would be kept on."),
        (event("a: {type: string, pii: much}"), "properties.a.pii", "Invalid enum value 'much'."),
        (event("a: {$ref: 'http://127.0.0.1/schema'}"), "properties.a.$ref", "there is no such key."),
        (event("a: {type: string, $ref: 'http://127.0.0.1/schema'}"), "properties.a.$ref", "there is no such key."),
        (event(purpose="fun"), "purpose", "Invalid enum value 'fun'."),
        (event(status="lively"), "status", "Invalid enum value 'lively'."),
        (event(on="{invalid: shout}"), "on.invalid", "Invalid enum value 'shout'."),
        (event(on="{missing_required: strip}"), "on.missing_required", "there is nothing to strip."),
        (event(monitors="{freshness: soon}"), "monitors.freshness", "'soon' is no duration."),
        (event(monitors="{volume: {vs: yesterday, mad: 0}}"), "monitors.volume.mad", "it is no number above 0."),
        (event("a: {type: string}", monitors="{null_rate: {b: 0.1}}"), "monitors.null_rate.b", "there is no such property."),
        (event("a: {type: string}", monitors="{null_rate: {a: 2}}"), "monitors.null_rate.a", "it is no share."),
        (event("a: {type: string}", examples="[{a: 1}]"), "examples[0]", "a must be text, not a whole number. (SCHEMA_TYPE)"),
        (event("a: {type: string}", counterexamples="[{a: x}]"), "counterexamples[0]", "it is valid."),
        ("just text", "file", "Expected `object`, got `str`."),
    ],
)  # fmt: skip
def test_a_problem_names_the_key(text: str, key: str, what: str) -> None:
    assert (key, what) in problems(text)


def test_a_problem_names_file_key_and_remedy_in_one_line() -> None:
    (problem,) = folder(event(ownr="x")).problems

    assert str(problem) == "events/0.yaml: ownr: there is no such key. Did you mean 'owner'?"


def test_an_event_stands_once_in_a_version_and_a_model() -> None:
    assert problems(event(), event()) == [
        ("version", "events/0.yaml is the same event and version.")
    ]
    assert problems(event(), event(version="1-2-0")) == [("version", "events/0.yaml is the same event and MODEL.")]  # fmt: skip
    assert problems(event(), event(version="2-0-0")) == []


def test_the_plan_as_a_whole_says_what_becomes_of_other_events() -> None:
    assert plan(plan="on: {unplanned_event: quarantine}").on.unplanned_event == "quarantine"
    assert problems(plan="on: {unplanned_event: strip}") == [("on.unplanned_event", "Invalid enum value 'strip'.")]  # fmt: skip


def test_lists_nest_eight_deep_and_no_deeper() -> None:
    def nested(levels: int) -> str:
        return "{type: array, items: " * levels + "{type: string}" + "}" * levels

    assert problems(event(f"a: {nested(7)}")) == []
    ((key, what),) = problems(event(f"a: {nested(8)}"))
    assert (key.count("items"), what) == (8, "it is nested too deeply.")


def test_an_event_has_at_most_500_properties() -> None:
    many = ", ".join(f"p{n}: {{type: string}}" for n in range(501))

    assert ("properties", "there are 501.") in problems(event(many))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"a: &x [1]\nb: [*x, *x]", "anchors and aliases are not allowed in line 1"),
        (b"&a [*a]", "anchors and aliases are not allowed"),
        (b"a: !!python/object/apply:os.system [true]", "tags are not allowed"),
        (b"!!map {a: 1}", "tags are not allowed"),
        (b"a: 1\na: 2", "the key 'a' stands twice in line 2"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"{a: " * 50_000, "it is nested too deeply"),
        (b"? [a]\n: 1", "a key is not text"),
        (b"1: 2", "a key is not text"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"a\0b", "it holds characters that YAML does not allow"),
        (b'a: "\\0"', "text holds NUL or half a character"),
        (b'a: "\\ud800"', "text holds NUL or half a character"),
        (b"a: " + b"9" * 5_000, "a number is too long"),
        (b"--- 1\n--- 2", "but found another document"),
        (b"a: b: c", "mapping values are not allowed here"),
        (b"a: [", "expected the node content"),
        (b"x" * (LARGEST_FILE + 1), "more than 262,144"),
    ],
)
def test_hostile_yaml_is_refused_in_a_sentence(content: bytes, what: str) -> None:
    with pytest.raises(Refused) as caught:
        read_yaml(content, "events/a.yaml")

    assert what in caught.value.message
    assert caught.value.message.startswith("events/a.yaml: ")
    assert [one.file for one in read_texts({"events/a.yaml": content}).problems] == [
        "events/a.yaml"
    ]


def test_plain_words_numbers_and_dates_are_what_they_look_like() -> None:
    text = (
        b"{a: no, b: on, c: 12:30, d: 2026-01-01, e: 0.1, f: 017, g: true, h: ~, i: 2-1-0, on: 1}"
    )

    assert read_yaml(text, "a") == {
        "a": "no", "b": "on", "c": "12:30", "d": "2026-01-01", "e": Decimal("0.1"), "f": "017",
        "g": True, "h": None, "i": "2-1-0", "on": 1,
    }  # fmt: skip


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    odd = event("a: {type: string, enum: ['no', '1', 'true', '~', '', '2026-01-01', 'ü: #']}").replace("event: e", "event: 'No: 1'")  # fmt: skip
    numbers = event(
        "n: {type: number, minimum: 0.10, maximum: 1e3, enum: [1, 0.5]}", version="2-0-0"
    )
    made = plan(CHECKOUT, odd, numbers, event(), plan="on: {unplanned_event: reject}")

    names = write_folder(made, tmp_path / "plan")

    assert sorted(names) == ["events/checkout_completed.yaml", "events/e-2.yaml", "events/e.yaml", "events/no_1.yaml", "plan.yaml"]  # fmt: skip
    assert read_plan(tmp_path / "plan") == made
    assert decode_plan(encode_plan(made)) == made
    assert encode_plan(decode_plan(encode_plan(made))) == encode_plan(made)
    with pytest.raises(Refused, match="there already"):
        write_folder(made, tmp_path / "plan")


def test_a_folder_with_a_problem_is_no_plan(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "a.yaml").write_text(event(colour="red", size="x"))
    (tmp_path / "events" / "notes.txt").write_text("not read")

    with pytest.raises(Refused, match=r"events/a\.yaml: colour: there is no such key") as caught:
        read_plan(tmp_path)

    assert caught.value.code == "PLAN_INVALID"
    with pytest.raises(Refused, match="no folder"):
        read_folder(tmp_path / "nowhere")


def test_an_empty_folder_is_an_empty_plan(tmp_path: Path) -> None:
    assert read_plan(tmp_path) == Plan()
    assert files_of(Plan()) == {}
