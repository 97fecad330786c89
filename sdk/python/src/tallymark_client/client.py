"""The client a program holds: it names what happened, and never waits for the network."""

import atexit
import functools
import inspect
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from . import wire
from .sender import Sender
from .spool import Spool
from .transport import Transport
from .version import __version__

_AGENT = f"tallymark-client-python/{__version__}"
_LIBRARY = {"library": {"name": "tallymark-client", "version": __version__}}
_log = logging.getLogger("tallymark")
_MIB = 1024 * 1024

Number = int | float | Decimal
Properties = Mapping[str, Any] | None
F = TypeVar("F", bound=Callable[..., Any])


class Use:
    """A use under way; what is added to it goes along when it ends."""

    def __init__(self) -> None:
        self.properties: dict[str, Any] = {}

    def add(self, **properties: Any) -> None:
        """Add properties."""
        self.properties.update(properties)


class Client:
    """Sends uses to one project.

    ``key`` is a secret key (sk_), or a public one (pk_) where the program runs at its users'. Without
    arguments the environment is asked: TALLYMARK_URL and TALLYMARK_KEY.

    Calls only put events into a queue; a thread sends them in batches of ``batch``, or after
    ``seconds``. While the server is away they are tried again, and after a few attempts written to
    ``spool``, a folder, if one is given; the next start sends what is there. At most ``most_queued``
    wait in memory: what does not fit anywhere is dropped, counted in ``dropped`` and told to
    ``on_trouble`` (by default a warning in the log). Each event has an id from the moment it is
    queued, so one that is sent twice counts once.

    Programs that must not lose the last events call ``close``, or use the client in a ``with``; it is
    also closed when the interpreter ends. A client may be shared by threads and survives a fork: the
    child begins with an empty queue.
    """

    def __init__(  # noqa: PLR0913 - a program names the few it changes
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        batch: int = 200,
        seconds: float = 1.0,
        most_queued: int = 10_000,
        spool: str | Path | None = None,
        spool_bytes: int = 256 * _MIB,
        timeout: float = 10.0,
        close_seconds: float = 5.0,
        on_trouble: Callable[[str], None] | None = None,
        enabled: bool = True,
    ) -> None:
        url = url or os.environ.get("TALLYMARK_URL", "")
        key = key or os.environ.get("TALLYMARK_KEY", "")
        if enabled and not (url and key):
            raise ValueError("a client needs url and key, or TALLYMARK_URL and TALLYMARK_KEY")
        self._enabled = enabled
        self._close_seconds = close_seconds
        self._on_trouble = on_trouble or _log.warning
        self._bound: ContextVar[Mapping[str, Any]] = ContextVar(
            "tallymark_bound", default=MappingProxyType({})
        )
        self._sender: Sender | None = None
        if enabled:
            self._sender = Sender(
                Transport(url, key, timeout=timeout, agent=_AGENT),
                batch=batch,
                seconds=seconds,
                most=most_queued,
                spool=None if spool is None else Spool(Path(spool), spool_bytes),
                trouble=self.tell,
            )
            atexit.register(self.close)

    # What happened

    def track(
        self,
        name: str,
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        account: str | None = None,
        properties: Properties = None,
        revenue: Number | None = None,
        currency: str | None = None,
        **fields: Any,
    ) -> str:
        """Count a use and return its id.

        ``fields`` are any others of an event, such as ``session_id``, ``groups``, ``context``,
        ``consent``, ``time`` (an aware datetime; by default now) or ``id`` (the same id counts once).
        Raises ValueError for a datetime without a time zone and for a number that is none.
        """
        event = wire.present(
            name=str(name), user_id=user_id, anonymous_id=anonymous_id, account=account,
            properties=properties or None, revenue=wire.number(revenue), currency=currency, **fields,
        )  # fmt: skip
        event["context"] = {**_LIBRARY, **(event.get("context") or {})}
        return self._put(event)

    def page(
        self, url: str, *, title: str | None = None, referrer: str | None = None, **fields: Any
    ) -> str:
        """Count a view of a page and return its id."""
        page = wire.present(url=url, title=title, referrer=referrer)
        context = {**(fields.pop("context", None) or {}), "page": page}
        return self.track(fields.pop("name", "page_view"), kind="page", context=context, **fields)

    def meter(self, name: str, value: Number, *, unit: str | None = None, **fields: Any) -> str:
        """Count a quantity, such as bytes or tokens, exactly, and return its id; secret keys only."""
        return self.track(name, value=wire.number(value), unit=unit, **fields)

    # Who it was

    def identify(
        self,
        user_id: str,
        traits: Properties = None,
        *,
        anonymous_id: str | None = None,
        **fields: Any,
    ) -> str:
        """Say what is known of a user, and which anonymous id was theirs."""
        return self._put(
            {
                "type": "identify",
                **wire.present(user_id=user_id, anonymous_id=anonymous_id, traits=traits, **fields),
            }
        )

    def group(
        self,
        group_id: str,
        traits: Properties = None,
        *,
        group_type: str = "account",
        **fields: Any,
    ) -> str:
        """Say what is known of an account or another group, and, with ``user_id``, who belongs to it."""
        return self._put(
            {
                "type": "group",
                "group_id": group_id,
                "group_type": group_type,
                **wire.present(traits=traits, **fields),
            }
        )

    def alias(self, user_id: str, previous_id: str, **fields: Any) -> str:
        """Say that two ids of users are one person."""
        return self._put(
            {"type": "alias", **wire.present(user_id=user_id, previous_id=previous_id, **fields)}
        )

    def consent(
        self,
        choices: Mapping[str, Any],
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        **fields: Any,
    ) -> str:
        """Say what somebody chose, by purpose, when they choose it: ``{"product": "granted"}``.

        The choices are ``granted``, ``denied`` and ``withdrawn``; beside the purposes may stand
        ``policy_version``, ``ui_version``, ``at``, ``expires_at``, ``jurisdiction``, ``tcf`` and ``gpp``.
        Each yes, and each taken back, is kept as a proof.
        """
        who = wire.present(user_id=user_id, anonymous_id=anonymous_id)
        return self._put({"type": "consent", **who, "consent": dict(choices), **fields})

    # Around code

    @contextmanager
    def bound(self, **fields: Any) -> Iterator[None]:
        """Give every event of this block, and of what it calls or awaits, these fields."""
        token = self._bound.set({**self._bound.get(), **fields})
        try:
            yield
        finally:
            self._bound.reset(token)

    @contextmanager
    def timed(self, name: str, **fields: Any) -> "Iterator[Use]":
        """Count a block once it ends, with ``duration_ms``, ``ok`` and the kind of its error."""
        use, began = Use(), time.perf_counter()
        use.add(**(fields.pop("properties", None) or {}))
        try:
            yield use
        except BaseException as error:
            use.add(ok=False, error=type(error).__name__)
            raise
        else:
            use.properties.setdefault("ok", True)
        finally:
            use.add(duration_ms=Decimal(round((time.perf_counter() - began) * 1_000_000)) / 1_000)
            self.track(name, properties=use.properties, **fields)

    def counts(self, name: str | None = None, **fields: Any) -> Callable[[F], F]:
        """Return a decorator that counts each use of a function, of either kind, as ``timed`` does."""

        def decorate(function: F) -> F:
            named = name or function.__qualname__
            if inspect.iscoroutinefunction(function):

                @functools.wraps(function)
                async def counted_later(*args: Any, **kwargs: Any) -> Any:
                    with self.timed(named, **dict(fields)):
                        return await function(*args, **kwargs)

                return counted_later  # type: ignore[return-value]

            @functools.wraps(function)
            def counted(*args: Any, **kwargs: Any) -> Any:
                with self.timed(named, **dict(fields)):
                    return function(*args, **kwargs)

            return counted  # type: ignore[return-value]

        return decorate

    # Its own life

    @property
    def dropped(self) -> int:
        """How many events were dropped since the client was made, or since the fork."""
        return 0 if self._sender is None else self._sender.dropped

    def flush(self, timeout: float | None = None) -> bool:
        """Return once all that was queued is delivered or on disk; False if that took too long."""
        return True if self._sender is None else self._sender.flush(timeout)

    def close(self) -> None:
        """Deliver what is queued, for ``close_seconds`` at most; may be called more than once."""
        atexit.unregister(self.close)
        if self._sender is not None:
            self._sender.close(self._close_seconds)

    def __enter__(self) -> "Client":
        """Return the client itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close it."""
        self.close()

    def _put(self, event: dict[str, Any]) -> str:
        bound = self._bound.get()
        if bound:
            event = _merged(bound, event)
        moment = event.get("time")
        event["time"] = (
            int(time.time() * 1000)
            if moment is None
            else wire.instant(moment)
            if isinstance(moment, datetime)
            else moment
        )
        event["id"] = str(event.get("id") or uuid.uuid4())
        if self._sender is not None:
            self._sender.put(wire.as_json(event))
        return str(event["id"])

    def tell(self, message: str) -> None:
        """Tell of trouble, as the program asked to be told; never raises."""
        try:
            self._on_trouble(message)
        except Exception:  # noqa: BLE001 - a broken listener must not stop the sending
            _log.exception("on_trouble failed")


def _merged(bound: Mapping[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Return an event with what is bound around it; what it says itself goes before."""
    is_command = "type" in event
    around = {k: v for k, v in bound.items() if not is_command or k in ("user_id", "anonymous_id")}
    merged = {**around, **event}
    for name in ("properties", "context", "groups"):
        if isinstance(around.get(name), Mapping) and isinstance(event.get(name), Mapping):
            merged[name] = {**around[name], **event[name]}
    return merged
