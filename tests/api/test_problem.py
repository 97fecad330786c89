"""What is told of a failure."""

import msgspec
import pytest

from tallymark.api.problem import problem, problem_response
from tallymark.core.errors import CODES, NotAllowed, Refused, TallymarkError, Unavailable


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_told_with_its_status_meaning_and_fix(code: str) -> None:
    response = problem_response(
        TallymarkError("It is so.", code=code), "r-1", retry_after_seconds=5
    )

    told = msgspec.json.decode(response.body)
    known = CODES[code]
    assert response.status_code == told["status"] == known.status
    assert told == {
        "type": f"urn:tallymark:error:{code}", "title": known.meaning, "status": known.status,
        "detail": "It is so.", "code": code, "hint": known.fix, "request_id": "r-1",
    }  # fmt: skip


def test_half_a_surrogate_pair_in_a_message_is_replaced() -> None:
    told = problem(Refused("bad \ud800", path="$.\udfff", hint="\ud800"), "r")

    assert (told.detail, told.path, told.hint) == ("bad ?", "$.?", "?")


def test_when_to_come_again_is_the_errors_own_or_the_settings() -> None:
    own = problem_response(Unavailable("x", retry_after_seconds=9), "r", retry_after_seconds=5)
    other = problem_response(Unavailable("x"), "r", retry_after_seconds=5)

    assert (own.headers["retry-after"], other.headers["retry-after"]) == ("9", "5")


def test_a_missing_key_is_told_how_to_be_given() -> None:
    error = NotAllowed("x", code="AUTH_MISSING")

    response = problem_response(error, "r", retry_after_seconds=5)

    assert response.headers["www-authenticate"] == 'Bearer realm="tallymark"'
