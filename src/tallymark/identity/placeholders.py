"""Text that clients send when they have no id. To believe it would merge strangers into one person."""

from typing import Final

PLACEHOLDERS: Final = frozenset(
    {
        "", "null", "(null)", "undefined", "none", "nil", "nan", "0", "-1", "true", "false",
        "unknown", "anonymous", "guest", "n/a", "not set", "(not set)", "[object object]",
        "00000000-0000-0000-0000-000000000000",
    }
)  # fmt: skip
LONGEST: Final = max(map(len, PLACEHOLDERS))


def is_placeholder(text: str) -> bool:
    """Whether an id names nobody, whatever its case and the spaces around it."""
    return text.strip().lower() in PLACEHOLDERS
