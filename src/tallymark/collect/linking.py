"""From events and commands to claims on identity, and from what became of them to rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from tallymark.collect.rows import Columns, Loading, columns_of
from tallymark.core.event import Batch, Command, IdentityLink
from tallymark.core.sql import Sql, sql
from tallymark.identity.people import Claim, Keys, Link, Move, People
from tallymark.identity.placeholders import is_placeholder
from tallymark.store.engine import Rows

Numbered: TypeAlias = Sequence[tuple[int, Command, Batch]]
Fetch: TypeAlias = Callable[[Sql], Rows]

_RESTORE_ROWS = 500_000
_IS_PLAIN = Sql(
    "outcome = 'linked' AND how = 'identify' AND one_kind = 'anonymous' AND other_kind = 'user'"
)
_MOST_NOTED = 100_000
_LINK = ("seq", "one_key", "one_kind", "other_key", "other_kind", "how", "outcome", "reason")
_MOVE = ("seq", "actor_key", "was_key", "into_key", "is_folded")


class Noted:
    """The claims known to be refused or ignored already, so that each is kept once.

    A shared device repeats the same refused claim with every event.
    """

    def __init__(self) -> None:
        self._known: set[tuple[int, int, str]] = set()

    def new(self, links: Sequence[Link], fetch: Fetch) -> list[Link]:
        """Return the links without those that were kept before."""
        found: dict[tuple[int, int, str], Link] = {}
        kept = [link for link in links if link.outcome in ("linked", "retracted")]
        for link in links:
            noted = _noted(link)
            if link.outcome not in ("linked", "retracted") and noted not in self._known:
                found.setdefault(noted, link)
        if found:
            stored = _stored(found.values(), fetch)
            kept += [link for noted, link in found.items() if noted not in stored]
            self._remember(stored)
        return sorted(kept, key=lambda link: link.claim.seq)

    def commit(self, links: Iterable[Link]) -> None:
        """Remember what is kept now."""
        self._remember({_noted(link) for link in links if link.reason})

    def _remember(self, noted: set[tuple[int, int, str]]) -> None:
        if len(self._known) + len(noted) > _MOST_NOTED:
            self._known.clear()
        self._known |= noted


def claims_of(
    loading: Sequence[Loading],
    keys: tuple[Keys, Keys],
    commands: Numbered,
    actors: Mapping[str, int],
    people: People,
) -> list[Claim]:
    """Return what the load claims, in log order; ``keys`` are the users and anonymous ids of events.

    Events whose two ids are linked already are left out, unless a command of this load may undo it.
    """
    links = [(seq, one) for seq, one, _ in commands if isinstance(one, IdentityLink)]
    claims = [_commanded(seq, link, actors) for seq, link in links]
    users, anons = keys
    if any(link.how == "retract" for _, link in links):
        places = np.flatnonzero((users != 0) & (anons != 0)).tolist()
    else:
        places = people.unlinked(anons, users)
    for place in places:
        event = loading[place].event
        doubtful = is_placeholder(event.user_id or "") or is_placeholder(event.anonymous_id or "")
        claims.append(
            Claim(loading[place].seq, int(anons[place]), int(users[place]), is_placeholder=doubtful)
        )
    return sorted(claims, key=lambda claim: claim.seq)


def link_columns(links: Sequence[Link]) -> Columns:
    """Return the rows of ``identity_link``."""
    return columns_of(_LINK, [_link_row(link) for link in links])


def move_columns(
    moves: Sequence[Move],
    loading: Sequence[Loading],
    actor_keys: Keys,
    first_new_actor: int,
    told: Mapping[int, int],
) -> Columns:
    """Return the rows of ``person_override``: moves of actors that were known before.

    What is of this load is stored with the person as of its end, so only a question about a place
    within the load needs the moves of new actors, and only of those with an event, or something
    told of them (``told`` says where first), before they moved.
    """
    new = np.array([move.actor for move in moves if move.actor >= first_new_actor], dtype=np.int64)
    first = dict(told)
    for place in np.flatnonzero(np.isin(actor_keys, new)).tolist() if len(new) else ():
        actor, seq = int(actor_keys[place]), loading[place].seq
        first[actor] = min(seq, first.get(actor, seq))
    rows = [
        (move.seq, move.actor, move.was, move.into, move.actor >= first_new_actor)
        for move in moves
        if move.actor < first_new_actor or first.get(move.actor, move.seq) < move.seq
    ]
    return columns_of(_MOVE, rows)


def restore(people: People, fetch: Fetch) -> None:
    """Give the people every link that is stored.

    Nearly all are plain: those come as numbers only, because millions of them hold up a start.
    """
    rest: list[Link] = []
    for seqs, ones, others in _plain_links(fetch):
        rest += (
            Link(Claim(seqs[place], int(ones[place]), int(others[place])), "linked")
            for place in people.restore_plain(ones, others)
        )
    rows = fetch(
        sql(
            "SELECT seq, one_key, other_key, one_kind = 'user', other_kind = 'user', how, outcome"
            " FROM identity_link WHERE outcome IN ('linked', 'retracted') AND NOT ({plain})",
            plain=_IS_PLAIN,
        )
    ).rows
    rest += [Link(Claim(*claimed), outcome) for *claimed, outcome in rows]
    people.restore(sorted(rest, key=lambda link: link.claim.seq))


def _plain_links(fetch: Fetch) -> Iterator[tuple[list[int], Keys, Keys]]:
    after = -1
    while True:
        rows = fetch(
            sql(
                "SELECT seq, one_key, other_key FROM identity_link"
                " WHERE seq > {after} AND {plain} ORDER BY seq LIMIT {most}",
                after=after, plain=_IS_PLAIN, most=_RESTORE_ROWS,
            )
        ).rows  # fmt: skip
        if not rows:
            return
        seqs, ones, others = zip(*rows, strict=True)
        after = seqs[-1]
        yield list(seqs), np.array(ones, dtype=np.int64), np.array(others, dtype=np.int64)


def label(kind: str, name: str) -> str:
    """Return what tells actors apart: an id of one kind is not the same id of the other."""
    return f"{kind[0]}:{name}"


def _commanded(seq: int, link: IdentityLink, actors: Mapping[str, int]) -> Claim:
    ends = [(link.one_kind, link.one), (link.other_kind, link.other)]
    ends.sort(key=lambda end: (end[0] == "user", actors[label(*end)]))
    (one_kind, one), (other_kind, other) = ends
    return Claim(
        seq,
        actors[label(one_kind, one)],
        actors[label(other_kind, other)],
        one_kind == "user",
        other_kind == "user",
        link.how,
        is_placeholder(one) or is_placeholder(other),
    )


def _link_row(link: Link) -> tuple[int, int, str, int, str, str, str, str]:
    claim = link.claim
    kinds = ["user" if is_user else "anonymous" for is_user in (claim.one_is_user, claim.other_is_user)]  # fmt: skip
    return (
        claim.seq, claim.one, kinds[0], claim.other, kinds[1], claim.how, link.outcome, link.reason
    )  # fmt: skip


def _noted(link: Link) -> tuple[int, int, str]:
    return link.claim.one, link.claim.other, link.reason


def _stored(links: Iterable[Link], fetch: Fetch) -> set[tuple[int, int, str]]:
    """Return which of the links the store holds."""
    pairs = [(link.claim.one, link.claim.other) for link in links]
    rows = fetch(
        sql(
            "SELECT DISTINCT one_key, other_key, reason FROM identity_link"
            " SEMI JOIN (SELECT unnest({ones}::BIGINT[]) AS one_key,"
            " unnest({others}::BIGINT[]) AS other_key) AS asked USING (one_key, other_key)"
            " WHERE reason <> ''",
            ones=[one for one, _ in pairs],
            others=[other for _, other in pairs],
        )
    ).rows
    return {(one, other, reason) for one, other, reason in rows}
