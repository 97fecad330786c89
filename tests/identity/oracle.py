"""Who is who after a history of claims, found by walking every link anew for each question."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

Actor = tuple[str, str]
How = Literal["identify", "alias", "merge", "retract"]


class Said(Struct, frozen=True):
    """A claim on two ids, each of which is a kind and a name."""

    one: Actor
    other: Actor
    how: How = "identify"


class Known:
    """The links that hold, decided claim by claim; ``seen`` lists actors in order of appearance."""

    def __init__(self, most_ids: int) -> None:
        self.most_ids = most_ids
        self.links: set[frozenset[Actor]] = set()
        self.apart: set[frozenset[Actor]] = set()
        self.seen: list[Actor] = []
        self.outcomes: list[tuple[Said, str, str]] = []

    def see(self, *actors: Actor) -> None:
        """Note that ids were seen, so that it is known which came first."""
        self.seen += [actor for actor in actors if actor not in self.seen]

    def ids(self, actor: Actor) -> set[Actor]:
        """Return every id of the person an actor belongs to."""
        found, before = {actor}, set[Actor]()
        while found != before:
            before = set(found)
            found |= {end for link in self.links if link & before for end in link}
        return found

    def person(self, actor: Actor) -> Actor:
        """Return the id a person is named by: the first user, else the first id."""
        return min(self.ids(actor), key=lambda one: (one[0] != "user", self.seen.index(one)))

    def claim(self, said: Said) -> None:
        """Decide one claim."""
        outcome = self._decided(said)
        if outcome is not None:
            self.outcomes.append((said, *outcome))

    def _decided(self, said: Said) -> tuple[str, str] | None:
        pair = frozenset((said.one, said.other))
        reason = self._reason(said, pair)
        if reason in {"ILLEGAL_ID", "MERGE_LOOP", "LINK_UNKNOWN"}:
            return "ignored", reason
        if said.how == "retract":
            self.links.remove(pair)
            self.apart.add(pair)
            return "retracted", ""
        if pair in self.links:
            return None
        if reason:
            return "refused", reason
        self.links.add(pair)
        self.apart -= {pair} if said.how != "identify" else set()
        return "linked", ""

    def _reason(self, said: Said, pair: frozenset[Actor]) -> str:
        one, other = self.ids(said.one), self.ids(said.other)
        is_explicit = said.how != "identify" and said.one[0] == said.other[0] == "user"
        holds = (any(kind == "user" for kind, _ in ids) for ids in (one, other))
        is_retract = said.how == "retract"
        rules = (
            ("ILLEGAL_ID", "undefined" in (said.one[1], said.other[1])),
            ("MERGE_LOOP", said.one == said.other),
            ("LINK_UNKNOWN", is_retract and pair not in self.links),
            ("", is_retract),
            ("LINK_RETRACTED", said.how == "identify" and pair in self.apart),
            ("", one == other),
            ("MERGE_REFUSED", not is_explicit and all(holds)),
            ("ALIAS_FANOUT", len(one) + len(other) > self.most_ids),
        )
        return next((reason for reason, is_so in rules if is_so), "")


def decided(claims: Sequence[Said], most_ids: int) -> Known:
    """Return what is known after all claims."""
    known = Known(most_ids)
    for said in claims:
        known.see(said.one, said.other)
        known.claim(said)
    return known
