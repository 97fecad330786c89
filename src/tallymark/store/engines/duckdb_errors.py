"""What the engine's errors mean to whoever asked: damage, shortage, a limit, a question that makes no sense."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from tallymark.core.errors import Broken, QuestionStopped, Refused, Unavailable
from tallymark.store.engine import Limits
from tallymark.store.engines.duckdb_reading import CursorReading, cancelled

_RE2 = "If a filter has a pattern, check it: RE2 knows no look-around."
TRANSIENT = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException)


@contextmanager
def damage_is_told(project: str) -> Iterator[None]:
    """Tell damage as Broken, and a file that another process holds as Unavailable."""
    try:
        yield
    except duckdb.Error as error:
        if "lock on file" in str(error):
            raise Unavailable(
                f"The store of {project!r} is held by another process.", code="STORE_AWAY"
            ) from error
        if is_damage(error):
            raise Broken(f"The store of {project!r} is damaged.", code="STORE_DAMAGED") from error
        raise


@contextmanager
def shortage_is_told() -> Iterator[None]:
    """Tell what passes, such as a full disk, as Unavailable."""
    try:
        yield
    except TRANSIENT as error:
        if is_damage(error) or "lock on file" in str(error):
            raise
        raise Unavailable(first_line(error)) from None


def is_damage(error: BaseException) -> bool:
    """Whether an error means that the file is not what was written."""
    if isinstance(error, duckdb.FatalException | duckdb.SerializationException):
        return True
    text = str(error).lower()
    return any(word in text for word in ("corrupt", "checksum", "not a valid duckdb"))


@contextmanager
def telling(limits: Limits, reading: CursorReading) -> Iterator[None]:
    """Tell a question that was stopped, or cannot be computed, in the asker's terms."""
    try:
        yield
    except duckdb.InterruptException:
        if reading.is_stopped():
            raise cancelled() from None
        raise QuestionStopped(
            f"The question was stopped after {limits.seconds:g} seconds.",
            hint="Shorten the range, filter more, or raise `question_seconds`.",
        ) from None
    except duckdb.OutOfMemoryException:
        raise QuestionStopped(
            "The question needs more memory than it may take.",
            hint="Shorten the range, filter more, or raise `question_memory_bytes`.",
        ) from None
    except duckdb.OutOfRangeException:
        raise Refused(
            "A number of the answer has more than 38 digits.",
            code="QUERY_INVALID",
            hint="Shorten the range, or filter out the largest numbers.",
        ) from None
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        _, _, what = first_line(error).rpartition(" Error: ")
        _, _, what = what.rpartition("ValueError: ")
        raise Refused(f"It cannot be computed: {what}.", code="QUERY_INVALID", hint=_RE2) from None
    except duckdb.IOException as error:
        if is_damage(error):
            raise
        raise Unavailable("The store cannot be read now.", code="STORE_AWAY") from None


def first_line(error: Exception) -> str:
    """Return the line of an error that says what is wrong."""
    return str(error).partition("\n")[0]
