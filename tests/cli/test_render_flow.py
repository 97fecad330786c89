from typing import Any

from tallymark.cli.render_flow import flow_lines


def answer(*tree: tuple[int, str, int], **changed: Any) -> dict[str, Any]:
    return {
        "unit": "session", "count": "uniques", "walks": 1200, "start": "signup", "end": None,
        "tree": [{"level": level, "name": name, "kind": "node", "count": count} for level, name, count in tree],
        **changed,
    }  # fmt: skip


def test_a_tree_indents_each_step_below_the_one_it_goes_on_from() -> None:
    assert flow_lines(answer((0, "signup", 1200), (1, "open", 900), (2, "buy", 90), (1, "Drop-off", 300))) == [
        "1,200 sessions from signup",
        "",
        "step        sessions  of the step before  of all",
        "──────────  ────────  ──────────────────  ───────",
        "signup         1,200  100.0 %             100.0 %",
        "└ open           900  75.0 %              75.0 %",
        "  └ buy           90  10.0 %              7.5 %",
        "└ Drop-off       300  25.0 %              25.0 %",
    ]  # fmt: skip


def test_a_walk_to_an_end_says_that_it_is_told_backwards() -> None:
    lines = flow_lines(answer((0, "buy", 2), start=None, end="buy", walks=2, count="occurrences"))

    assert lines[0] == "2 walks to buy, told from there backwards"


def test_control_characters_of_a_name_are_shown_and_not_obeyed() -> None:
    assert "\x1b" not in "\n".join(flow_lines(answer((0, "\x1b[31mred", 1))))


def test_nobody_has_no_tree() -> None:
    assert flow_lines(answer(walks=0)) == ["0 sessions from signup"]


def test_a_long_tree_is_cut_and_says_so() -> None:
    lines = flow_lines(answer(*((0, f"n{n}", 1) for n in range(100))))

    assert lines[-1] == "… and 40 more branches; --json gives all"
