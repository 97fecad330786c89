"""Which actor is which person: the ids that claims connect, within guards.

A claim says that two ids are one person. Each claim in turn is linked or refused by what was linked
before it, so people are a function of the log alone, wherever a load begins or ends. A person is
named by its first user, or its first anonymous id while it has no user.

Nearly every person is a *star*: one user, and anonymous ids linked to nobody but that user. A star
costs eight bytes an id. Whatever else links make is a *web*, of which every link is known.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from .books import Book

Keys: TypeAlias = npt.NDArray[np.int64]
How: TypeAlias = Literal["identify", "alias", "merge", "retract"]
Outcome: TypeAlias = Literal["linked", "retracted", "refused", "ignored"]
Reason: TypeAlias = Literal[
    "", "MERGE_REFUSED", "MERGE_LOOP", "ALIAS_FANOUT", "LINK_RETRACTED", "LINK_UNKNOWN", "ILLEGAL_ID"
]  # fmt: skip

# A slot says what an actor is: 0 alone, below 0 the user of a star with so many other ids, above 0
# a star's anonymous id and whose it is, from _WEB on part of a web and which.
_WEB = 1 << 62
# Up to so many stars it is quicker to look for each by itself.
_FEW = 16


class Claim(Struct, frozen=True, gc=False):
    """A claim at ``seq`` that two actors are one person, or, with ``retract``, that they are not.

    ``is_placeholder`` says that one of the ids names nobody.
    """

    seq: int
    one: int
    other: int
    one_is_user: bool = False
    other_is_user: bool = True
    how: How = "identify"
    is_placeholder: bool = False


class Link(Struct, frozen=True, gc=False):
    """What became of a claim."""

    claim: Claim
    outcome: Outcome
    reason: Reason = ""


class Move(Struct, frozen=True, gc=False):
    """At ``seq`` an actor that was one person became another."""

    seq: int
    actor: int
    was: int
    into: int


class People:
    """The person of every actor. Claims since the last ``commit`` can be taken back by ``rollback``.

    ``links`` and ``moves`` list what those claims did; a claim that only repeats a link did nothing.
    """

    def __init__(self, most_ids: int) -> None:
        self._most_ids = most_ids
        self._slots = np.zeros(1024, dtype=np.int64)
        # The same memory: single slots are read three times as fast this way.
        self._slot = self._slots.data
        self._slots_before: dict[int, int] = {}
        # Of webs: the members by person, the neighbours of each member, and which are users.
        self._webs: Book[int, frozenset[int]] = Book()
        self._near: Book[int, frozenset[int]] = Book()
        self._users: Book[int, bool] = Book()
        # Pairs that were told apart; only an explicit claim links them again.
        self._apart: Book[tuple[int, int], bool] = Book()
        # The stars that the claims at hand may need to know in full.
        self._touched: set[int] = set()
        self._stars: dict[int, list[int]] = {}
        self.links: list[Link] = []
        self.moves: list[Move] = []

    def claim(self, claims: Sequence[Claim]) -> None:
        """Decide claims, which must be in log order."""
        self._begin(claims)
        for claim in claims:
            if self._is_plain(claim):
                self._join_star(claim.seq, claim.one, claim.other)
                self.links.append(Link(claim, "linked"))
            elif (decided := self._decided(claim)) is not None:
                self.links.append(Link(claim, *decided))

    def restore_plain(self, anon_keys: Keys, user_keys: Keys) -> list[int]:
        """Take over stored links of an anonymous id by an identify; return the places left over.

        What is left over belongs to ``restore``, which must come after all of these.
        """
        self._reserve(int(max(anon_keys.max(initial=0), user_keys.max(initial=0))))
        fits = (self._slots[anon_keys] == 0) & (self._slots[user_keys] <= 0)
        first = np.zeros(len(anon_keys), dtype=bool)
        first[np.unique(anon_keys, return_index=True)[1]] = True
        fits &= first
        self._slots[anon_keys[fits]] = user_keys[fits]
        np.subtract.at(self._slots, user_keys[fits], 1)
        return np.flatnonzero(~fits).tolist()

    def restore(self, links: Sequence[Link]) -> None:
        """Take over all other stored links and retractions, in log order."""
        self._begin([link.claim for link in links])
        for link in links:
            if link.outcome == "linked":
                self._link(link.claim)
            elif link.outcome == "retracted":
                self._unlink(link.claim)
        self.commit()

    def unlinked(self, anon_keys: Keys, user_keys: Keys) -> list[int]:
        """Return the places where an anonymous id may not be linked to the user beside it yet.

        A key of 0 means that there is no such id, so there is nothing to link.
        """
        self._reserve(int(anon_keys.max(initial=0)))
        both = (anon_keys != 0) & (user_keys != 0)
        return np.flatnonzero(both & (self._slots[anon_keys] != user_keys)).tolist()

    def persons(self, actor_keys: Keys) -> Keys:
        """Return the person of each actor, itself if it is linked to nobody; 0 of 0."""
        self._reserve(int(actor_keys.max(initial=0)))
        slots = self._slots[actor_keys]
        return np.where(slots <= 0, actor_keys, slots & (_WEB - 1))

    def person(self, actor_key: int) -> int:
        """Return the person of one actor."""
        self._reserve(actor_key)
        slot = self._slot[actor_key]
        return actor_key if slot <= 0 else slot & (_WEB - 1)

    def commit(self) -> None:
        """Keep what the claims did."""
        self._slots_before = {}
        for book in (self._webs, self._near, self._users, self._apart):
            book.keep()
        self._end()

    def rollback(self) -> None:
        """Take back what the claims did."""
        for actor, slot in self._slots_before.items():
            self._slot[actor] = slot
        self._slots_before = {}
        for book in (self._webs, self._near, self._users, self._apart):
            book.undo()
        self._end()

    def _begin(self, claims: Sequence[Claim]) -> None:
        self._touched = {key for claim in claims for key in (claim.one, claim.other)}
        self._stars = {}
        self._reserve(max(self._touched, default=0))

    def _end(self) -> None:
        self._touched, self._stars = set(), {}
        self.links, self.moves = [], []

    def _is_plain(self, claim: Claim) -> bool:
        """Whether it makes an anonymous id that is alone one of a star, as most claims do.

        What ``_decided`` would find out too, in a tenth of the time.
        """
        return (
            self._slot[claim.one] == 0
            and 1 - self._most_ids < self._slot[claim.other] <= 0
            and claim.other_is_user
            and not claim.one_is_user
            and claim.how == "identify"
            and not claim.is_placeholder
            and _pair(claim) not in self._apart
        )

    def _decided(self, claim: Claim) -> tuple[Outcome, Reason] | None:
        """Do what a claim says, if it may be done; None if it says nothing new."""
        if ignored := self._why_ignored(claim):
            return "ignored", ignored
        if claim.how == "retract":
            self._unlink(claim)
            return "retracted", ""
        if self._is_linked(claim):
            return None
        if refused := self._why_refused(claim):
            return "refused", refused
        self._link(claim)
        return "linked", ""

    def _why_ignored(self, claim: Claim) -> Reason:
        if claim.is_placeholder:
            return "ILLEGAL_ID"
        if claim.one == claim.other:
            return "MERGE_LOOP"
        if claim.how == "retract" and not self._is_linked(claim):
            return "LINK_UNKNOWN"
        return ""

    def _why_refused(self, claim: Claim) -> Reason:
        if claim.how == "identify" and _pair(claim) in self._apart:
            return "LINK_RETRACTED"
        if self.person(claim.one) == self.person(claim.other):
            return ""
        if not _names_users(claim) and self._has_users(claim):
            return "MERGE_REFUSED"
        if self._size(claim.one) + self._size(claim.other) > self._most_ids:
            return "ALIAS_FANOUT"
        return ""

    def _is_linked(self, claim: Claim) -> bool:
        if self._slot[claim.one] >= _WEB:
            return claim.one in self._near and claim.other in self._near[claim.one]
        return bool(self._slot[claim.one] == claim.other or self._slot[claim.other] == claim.one)

    def _has_users(self, claim: Claim) -> bool:
        """Whether both sides are identified already."""
        ends = ((claim.one, claim.one_is_user), (claim.other, claim.other_is_user))
        return all(self._has_user(actor, is_user=is_user) for actor, is_user in ends)

    def _has_user(self, actor: int, *, is_user: bool) -> bool:
        slot = self._slot[actor]
        if slot >= _WEB:
            return slot - _WEB in self._users
        return is_user or slot != 0

    def _size(self, actor: int) -> int:
        slot = self._slot[actor]
        if slot >= _WEB:
            return len(self._webs[slot - _WEB])
        centre = slot if slot > 0 else actor
        return 1 - self._slot[centre]

    def _link(self, claim: Claim) -> None:
        if claim.how != "identify":
            self._apart.drop(_pair(claim))
        one, other = self._slot[claim.one], self._slot[claim.other]
        if one == 0 and other <= 0 and claim.other_is_user and not claim.one_is_user:
            self._join_star(claim.seq, claim.one, claim.other)
        elif other == 0 and one <= 0 and claim.one_is_user and not claim.other_is_user:
            self._join_star(claim.seq, claim.other, claim.one)
        else:
            self._join_webs(claim)

    def _join_star(self, seq: int, leaf: int, centre: int) -> None:
        self._set(leaf, centre)
        self._set(centre, self._slot[centre] - 1)
        if centre in self._stars:
            self._stars[centre].append(leaf)
        self.moves.append(Move(seq, leaf, leaf, centre))

    def _join_webs(self, claim: Claim) -> None:
        one = self._web_of(claim.one, is_user=claim.one_is_user)
        other = self._web_of(claim.other, is_user=claim.other_is_user)
        self._near.put(claim.one, self._near[claim.one] | {claim.other})
        self._near.put(claim.other, self._near[claim.other] | {claim.one})
        if one == other:
            return
        members = self._webs[one] | self._webs[other]
        stays = self._name_of((one, other))
        goes = other if stays == one else one
        self._rename(claim.seq, self._webs[goes], goes, stays)
        self._webs.drop(goes)
        self._webs.put(stays, members)

    def _web_of(self, actor: int, *, is_user: bool) -> int:
        """Return the person of an actor, after making it a web if it is none."""
        slot = self._slot[actor]
        if slot >= _WEB:
            return slot - _WEB
        centre = slot if slot > 0 else actor
        leaves = self._leaves(centre) if slot else []
        self._webs.put(centre, frozenset((centre, *leaves)))
        self._near.put(centre, frozenset(leaves))
        if is_user or slot:
            self._users.put(centre, True)
        for member in (centre, *leaves):
            self._set(member, _WEB + centre)
        for leaf in leaves:
            self._near.put(leaf, frozenset((centre,)))
        return centre

    def _unlink(self, claim: Claim) -> None:
        self._apart.put(_pair(claim), True)
        if self._slot[claim.one] == claim.other:
            self._leave_star(claim.seq, claim.one, claim.other)
        elif self._slot[claim.other] == claim.one:
            self._leave_star(claim.seq, claim.other, claim.one)
        else:
            self._split_web(claim)

    def _leave_star(self, seq: int, leaf: int, centre: int) -> None:
        self._set(leaf, 0)
        self._set(centre, self._slot[centre] + 1)
        if centre in self._stars:
            self._stars[centre].remove(leaf)
        self.moves.append(Move(seq, leaf, centre, leaf))

    def _split_web(self, claim: Claim) -> None:
        self._near.put(claim.one, self._near[claim.one] - {claim.other})
        self._near.put(claim.other, self._near[claim.other] - {claim.one})
        reached = self._reached(claim.one)
        if claim.other in reached:
            return
        was = self._slot[claim.one] - _WEB
        rest = self._webs[was] - reached
        self._webs.drop(was)
        for part in (reached, rest):
            name = self._name_of(part)
            self._webs.put(name, part)
            if name != was:
                self._rename(claim.seq, part, was, name)
            if len(part) == 1:
                self._leave_web(name)

    def _leave_web(self, actor: int) -> None:
        for book in (self._webs, self._near, self._users):
            book.drop(actor)
        self._set(actor, 0)

    def _reached(self, start: int) -> frozenset[int]:
        found, waiting = {start}, [start]
        while waiting:
            new = self._near[waiting.pop()] - found
            found |= new
            waiting += new
        return frozenset(found)

    def _name_of(self, members: Iterable[int]) -> int:
        # Keys are allotted in the order of the log, so the smallest was seen first.
        return min(members, key=lambda actor: (actor not in self._users, actor))

    def _rename(self, seq: int, members: Iterable[int], was: int, name: int) -> None:
        for member in sorted(members):
            self._set(member, _WEB + name)
            self.moves.append(Move(seq, member, was, name))

    def _set(self, actor: int, slot: int) -> None:
        self._slots_before.setdefault(actor, self._slot[actor])
        self._slot[actor] = slot

    def _leaves(self, centre: int) -> list[int]:
        """Return the anonymous ids of a star, found together with those of all stars at hand.

        Only the ids point to their user, so finding them means reading every slot once.
        """
        if centre not in self._stars:
            wanted = {centre} | {
                slot if 0 < (slot := self._slot[key]) < _WEB else key
                for key in self._touched
            }  # fmt: skip
            self._stars = {key: [] for key in wanted}
            known = [key for key in wanted if self._slot[key] < 0]
            for leaf in self._pointing_to(known):
                self._stars[self._slot[leaf]].append(leaf)
        return self._stars[centre]

    def _pointing_to(self, users: Sequence[int]) -> list[int]:
        if len(users) <= _FEW:
            found = [np.flatnonzero(self._slots == user) for user in users]
            return np.concatenate(found).tolist() if found else []
        is_wanted = np.zeros(len(self._slots), dtype=bool)
        is_wanted[users] = True
        is_leaf = (self._slots > 0) & (self._slots < _WEB)
        return np.flatnonzero(is_leaf & is_wanted[np.where(is_leaf, self._slots, 0)]).tolist()

    def _reserve(self, actor_key: int) -> None:
        if actor_key >= len(self._slots):
            grown = np.zeros(max(actor_key + 1, 2 * len(self._slots)), dtype=np.int64)
            grown[: len(self._slots)] = self._slots
            self._slots = grown
            self._slot = self._slots.data


def _names_users(claim: Claim) -> bool:
    """Whether a claim says of two users, by their own ids, that they are one person."""
    return claim.how != "identify" and claim.one_is_user and claim.other_is_user


def _pair(claim: Claim) -> tuple[int, int]:
    return min(claim.one, claim.other), max(claim.one, claim.other)
