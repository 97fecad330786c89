"""Formulas against exact fractions."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.core.errors import InvalidQuery
from tallymark.insights.formula import evaluate, parse

VALUES: dict[str, int | Decimal | None] = {"A": 7, "B": Decimal("0.5"), "C": 0, "D": None}
numbers = st.integers(-(10**12), 10**12) | st.decimals(-(10**6), 10**6, places=9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A", 7),
        ("A + B * 2", 8),
        ("(A + B) * 2", 15),
        ("A - B - 1", Decimal("5.5")),
        ("A / B / 2", 7),
        ("-A + 10", 3),
        ("--A", 7),
        ("A*-B", Decimal("-3.5")),
        ("1 / 3", Decimal("0.333333333")),
        ("2 / 3", Decimal("0.666666667")),
        ("0.000000001 / 2", Decimal("0.000000001")),
        ("-0.000000001 / 2", Decimal("-0.000000001")),
        (" A/B*100 ", 1400),
        ("A / C", None),
        ("C / C", None),
        ("A + D", None),
        ("D * 0", None),
    ],
)
def test_a_formula_is_ordinary_arithmetic(text: str, expected: Any) -> None:
    assert evaluate(parse(text, "ABCD"), VALUES) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "A +", "A B", "(A", "A)", "()", "E", "a", "A ** 2", "A // 2", "A % 2", "1.", ".5", "1e5",
        "A; DROP TABLE event", "__import__('os')", "A.real", "AB", "٣", "(" * 30 + "A" + ")" * 30,
        "-" * 30 + "A", "A+" * 120 + "A",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuery):
        parse(text, "ABCD")


def test_a_number_nobody_can_use_is_none() -> None:
    assert evaluate(parse("*".join(["A"] * 90), "A"), {"A": 10**12}) is None


@st.composite
def formulas(draw: st.DrawFn, depth: int = 0) -> str:
    if depth > 3 or draw(st.booleans()):
        return draw(st.sampled_from(["A", "B", "C", "2", "0.5", "100"]))
    left, right = draw(formulas(depth=depth + 1)), draw(formulas(depth=depth + 1))
    return f"({left} {draw(st.sampled_from('+-*/'))} {right})"


def exactly(text: str, values: dict[str, Fraction]) -> Fraction | None:
    """Return the value of a formula in full parentheses."""
    text = text.removeprefix("(").removesuffix(")") if text.startswith("(") else text
    depth = 0
    for place, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0 and char in "+-*/":
            left = exactly(text[:place].strip(), values)
            right = exactly(text[place + 1 :].strip(), values)
            if left is None or right is None or (char == "/" and right == 0):
                return None
            match char:
                case "+":
                    return left + right
                case "-":
                    return left - right
                case "*":
                    return left * right
            return left / right
    return values[text] if text in values else Fraction(text)


@given(formulas(), st.fixed_dictionaries({"A": numbers, "B": numbers, "C": st.just(0)}))
def test_agrees_with_fractions_to_the_ninth_place(text: str, values: dict[str, Any]) -> None:
    found = evaluate(parse(text, "ABC"), values)

    expected = exactly(text, {name: Fraction(value) for name, value in values.items()})
    if expected is None:
        assert found is None
    elif found is None:
        assert abs(expected) >= 10**38
    else:
        # Sixty digits are kept on the way, so only the last place of a huge number may differ.
        assert abs(Fraction(found) - expected) <= max(
            Fraction(1, 2 * 10**9), abs(expected) / 10**30
        ) + Fraction(1, 10**15)


def test_rounds_half_away_from_zero() -> None:
    with localcontext(rounding=ROUND_HALF_UP):
        for thousandth in range(-20, 21):
            value = Decimal(thousandth) / 10**10
            found = evaluate(parse("A / 10000000000", "A"), {"A": thousandth})
            assert found == value.quantize(Decimal("1e-9"))
