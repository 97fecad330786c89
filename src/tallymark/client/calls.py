"""Calls of a server's routes: what every part of the client is made of."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from tallymark.core.errors import Refused

from .transport import Request, Transport

_LONG_TIMEOUT_SECONDS: Final = 24 * 3600
DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


class Calls:
    """One connection and the project it is about."""

    def __init__(self, transport: Transport, project: str | None) -> None:
        self._transport = transport
        self.project = project
        self._encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_plain)

    def _get(self, path: str, **query: Any) -> Any:
        return DECODER.decode(self._bytes(path, **query))

    def _bytes(self, path: str, **query: Any) -> bytes:
        given = {name: value for name, value in query.items() if value is not None}
        asked = path + (f"?{urlencode(given)}" if given else "")
        return self._call("GET", asked, is_repeatable=True)

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return DECODER.decode(self._call("POST", path, body, is_repeatable=False))

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        is_repeatable: bool,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        request = Request(
            method,
            path,
            None if body is None else self._encoder.encode(body),
            {"Content-Type": "application/json", **self._scope(None), **(headers or {})},
            is_repeatable=is_repeatable,
            timeout_seconds=None if is_repeatable else _LONG_TIMEOUT_SECONDS,
        )
        return self._transport.answer(request).body

    def _scope(self, project: str | None) -> dict[str, str]:
        chosen = project or self.project
        return {} if chosen is None else {"Tallymark-Project": chosen}

    def _named(self, project: str | None) -> str:
        chosen = project or self.project
        if chosen is None:
            raise Refused(
                "No project is named.",
                code="PROJECT_UNKNOWN",
                hint="Pass project=… to connect() or to this call.",
            )
        return quote(chosen, safe="")


def address(*parts: str) -> str:
    """Return the path of a route made of names."""
    return "/tm/v1/" + "/".join(quote(part, safe="") for part in parts)


def _plain(value: Any) -> Any:
    """Return what JSON can say of values that pandas and numpy put into rows."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if callable(getattr(value, "item", None)):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form; give text, a number or a list")
