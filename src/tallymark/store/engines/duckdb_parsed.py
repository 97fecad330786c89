"""Statements that need no parsing again: that is a fifth of what a question over few events costs."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import duckdb

_MOST: Final = 256
_LONGEST: Final = 64 * 1024

_parsed: OrderedDict[str, duckdb.Statement] = OrderedDict()
_lock = threading.Lock()


def execute(cursor: duckdb.DuckDBPyConnection, text: str, params: Sequence[Any] = ()) -> None:
    """Run one statement.

    Remembered is what the text means as grammar, not how it is run: that is planned each time, for
    the rows and parameters of that time.
    """
    cursor.execute(_statement(cursor, text), list(params))


def _statement(cursor: duckdb.DuckDBPyConnection, text: str) -> duckdb.Statement | str:
    with _lock:
        if text in _parsed:
            _parsed.move_to_end(text)
            return _parsed[text]
    if len(text) > _LONGEST:
        return text
    (parsed,) = cursor.extract_statements(text)
    with _lock:
        _parsed[text] = parsed
        if len(_parsed) > _MOST:
            _parsed.popitem(last=False)
    return parsed
