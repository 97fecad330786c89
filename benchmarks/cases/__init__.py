"""Questions that are measured: each module gives ``CASES``, its SQL by hand lies in ``baselines/``."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct


class Case(Struct, frozen=True, kw_only=True):
    """One question, and the same by hand.

    ``by_hand`` gets a connection, since and until in microseconds; ``comparable`` turns our answer
    into what it gives. With ``merged`` a tenth of the people became others late in the log. An
    ``is_rounded`` answer agrees to six places only.
    """

    name: str
    insight: str
    question: Mapping[str, Any]
    by_hand: Callable[..., Any]
    comparable: Callable[[Any], Any]
    merged: bool = False
    is_rounded: bool = False
