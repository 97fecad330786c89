"""What the events of one client have in common, read once for all that tell the same.

An SDK throws what it knows and what the program says into one heap, each time in the same order, and
most of what it knows stays the same. So the names of a heap are sorted once for all heaps with the same
names, and what is made of some values is made once for all with the same values. Of values nothing is
remembered beyond the request, of names only those of small heaps.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Struct, structs

from tallymark.core.event import Context

Heap: TypeAlias = dict[str, Any]
Values: TypeAlias = tuple[Any, ...]
Made = TypeVar("Made")
Told: TypeAlias = tuple[Context, Heap]
"""Where a use took place, and what stays a property."""

# Fewer events are read as quickly one by one.
FROM_EVENTS: Final = 4
# Values are equal if they were written so: True is not 1 here, and 1.0 not 1.00.
_as_key: Final = msgspec.json.Encoder(decimal_format="number").encode
_ORDERS_REMEMBERED: Final = 1024
# Of all names of a heap together.
_LONGEST_REMEMBERED: Final = 4096


class Order(Struct, frozen=True):
    """The names of a heap by what is done with them.

    ``longest`` is the size of the longest; ``asks`` tells whether one of them asks for a closer look at
    the whole event.
    """

    names: tuple[str, ...]
    judged: tuple[str, ...]
    judged_of: Callable[[Heap], Values]
    moving: tuple[tuple[str, str], ...]
    own: tuple[str, ...]
    own_of: Callable[[Heap], Values]
    free: tuple[str, ...]
    longest: int
    asks: bool


class Names:
    """What a protocol's names mean, whoever sends them.

    ``judged`` tell of the client and its surroundings and are read together. ``moving`` are texts of the
    context's fields that differ from event to event. ``others`` are no properties. Whatever else begins
    with ``own`` is the SDK's and is looked at by itself; all the rest is the program's. An event with one
    of ``asking`` is to be read as a whole.
    """

    def __init__(
        self,
        *,
        judged: frozenset[str],
        moving: Mapping[str, str],
        others: frozenset[str],
        own: str,
        asking: frozenset[str] = frozenset(),
    ) -> None:
        self._judged = judged.difference(moving)
        self._moving = moving
        self._others = others
        self._own = own
        self._asking = asking
        self._remembered = lru_cache(maxsize=_ORDERS_REMEMBERED)(self._sorted)

    def sorted(self, names: tuple[str, ...]) -> Order:
        """Return the names of a heap by what is done with them."""
        is_small = sum(map(len, names)) <= _LONGEST_REMEMBERED
        return self._remembered(names) if is_small else self._sorted(names)

    def _sorted(self, names: tuple[str, ...]) -> Order:
        judged = tuple(name for name in names if name in self._judged)
        moving = tuple((name, self._moving[name]) for name in names if name in self._moving)
        known = {*self._judged, *self._moving, *self._others}
        kept = [name for name in names if name not in known]
        own = tuple(name for name in kept if name.startswith(self._own))
        return Order(
            names, judged, _getter(judged), moving, own, _getter(own),
            free=tuple(name for name in kept if not name.startswith(self._own)),
            longest=max((len(name.encode("utf-8", "replace")) for name in names), default=0),
            asks=not self._asking.isdisjoint(names),
        )  # fmt: skip


class Alike:
    """Takes the heaps of one request apart.

    ``judge`` makes a context of the judged names and tells what of them stays a property; ``look`` gives
    what may be kept of the SDK's own names. Both go by nothing but what they are given, so what was made
    by ``others`` of them can be used too.
    """

    def __init__(
        self,
        names: Names,
        judge: Callable[[Heap], Told],
        look: Callable[[Heap], Heap],
        others: "Alike | None" = None,
    ) -> None:
        self._names = names
        self._judge = judge
        self._look = look
        self._orders: dict[tuple[str, ...], Order] = {}
        self._told: dict[tuple[str, ...], dict[bytes, Told]] = (
            {} if others is None else others._told
        )
        self._looks: dict[tuple[str, ...], dict[bytes, Heap]] = (
            {} if others is None else others._looks
        )

    def order(self, given: Heap) -> Order:
        """Return how the names of a heap are sorted."""
        names = tuple(given)
        found = self._orders.get(names)
        if found is None:
            found = self._orders[names] = self._names.sorted(names)
            self._told.setdefault(found.judged, {})
            self._looks.setdefault(found.own, {})
        return found

    def apart(self, order: Order, given: Heap) -> Told:
        """Return where a use took place, and what stays a property beside that."""
        moved: dict[str, str] = {}
        for name, field in order.moving:
            said = given[name]
            if said is None:
                continue
            if type(said) is not str or not (said := said.strip()):
                # What is no text may be a property.
                moved.clear()
                places = {*order.judged, *(name for name, _ in order.moving)}
                context, rest = self._judge({n: given[n] for n in order.names if n in places})
                break
            moved[field] = said
        else:
            context, rest = _made(
                self._told[order.judged], self._judge, order.judged, order.judged_of(given)
            )
        if moved:
            context = structs.replace(context, **moved)
        kept = {name: given[name] for name in order.free}
        if order.own:
            looked = _made(self._looks[order.own], self._look, order.own, order.own_of(given))
            kept.update(looked)
        return context, kept | rest if rest else kept


def _made(
    made: dict[bytes, Made], make: Callable[[Heap], Made], names: tuple[str, ...], values: Values
) -> Made:
    """Return what is made of the values of some names; of the same values the same."""
    key = _as_key(values)
    found = made.get(key)
    if found is None:
        found = made[key] = make(dict(zip(names, values, strict=True)))
    return found


def _getter(names: tuple[str, ...]) -> Callable[[Heap], Values]:
    match names:
        case ():
            return lambda _: ()
        case (name,):
            return lambda heap: (heap[name],)
        case _:
            return itemgetter(*names)
