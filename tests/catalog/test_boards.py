"""What people make on the pages: named things with versions, annotations, and links."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.catalog.annotations import Note
from tallymark.catalog.catalog import Catalog
from tallymark.catalog.named import Draft, free_id
from tallymark.catalog.shares import Locked, ShareOrder
from tallymark.core.clock import MICROSECONDS
from tallymark.core.errors import NotFound, Refused, TallymarkError

NOW = 1_790_000_000_000_000
ANA = "ana@example.org"
BO = "bo@example.org"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog.in_folder(tmp_path)
    for name in ("shop", "blog"):
        opened.create_project(name, now=NOW)
    yield opened
    opened.close()


def draft(name: str, content: str = "{}", by: str = ANA) -> Draft:
    return Draft(name, "", content, by)


def test_what_is_kept_is_of_its_project_alone(catalog: Catalog) -> None:
    made = catalog.saved.add("shop", draft("Sign-ups per week"), now=NOW)

    assert (made.id, made.version, made.owner) == ("sign-ups-per-week", 1, ANA)
    assert catalog.saved.all("shop") == [made]
    assert catalog.saved.all("blog") == []
    assert catalog.saved.find("blog", made.id) is None
    with pytest.raises(NotFound):
        catalog.saved.remove("blog", made.id)
    with pytest.raises(NotFound):
        catalog.saved.change("blog", made.id, draft("x"), version=1, now=NOW)


def test_of_two_who_change_the_same_version_the_second_is_told_who_was_first(
    catalog: Catalog,
) -> None:
    made = catalog.dashboards.add("shop", draft("Board"), now=NOW)

    first = catalog.dashboards.change("shop", made.id, draft("Mine", "1"), version=1, now=NOW + 1)
    with pytest.raises(TallymarkError) as refused:
        catalog.dashboards.change("shop", made.id, draft("Yours", "2", BO), version=1, now=NOW + 2)

    assert first.version == 2
    assert refused.value.code == "CHANGED_MEANWHILE"
    assert ANA in refused.value.message
    assert catalog.dashboards.get("shop", made.id) == first


def test_of_many_at_once_exactly_one_changes_a_version(catalog: Catalog) -> None:
    made = catalog.saved.add("shop", draft("Board"), now=NOW)
    gate = threading.Barrier(8)

    def change(number: int) -> str:
        gate.wait()
        try:
            catalog.saved.change("shop", made.id, draft(f"n{number}"), version=1, now=NOW)
        except TallymarkError as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(8) as together:
        said = sorted(together.map(change, range(8)))
    assert said == ["CHANGED_MEANWHILE"] * 7 + ["done"]
    assert catalog.saved.get("shop", made.id).version == 2


def test_two_of_one_name_have_two_ids_also_when_saved_at_once(catalog: Catalog) -> None:
    with ThreadPoolExecutor(4) as together:
        made = list(
            together.map(lambda _: catalog.saved.add("shop", draft("Same"), now=NOW), range(4))
        )

    assert {one.id for one in made} == {"same", "same-2", "same-3", "same-4"}


@given(st.text(max_size=80), st.sets(st.text("ab-2", max_size=4), max_size=5))
@settings(max_examples=300, deadline=None)
def test_any_name_gives_an_id_that_can_be_typed(name: str, taken: set[str]) -> None:
    made = free_id(name, "saved question", taken)

    assert made not in taken
    assert made[0].isalpha()
    assert len(made) <= 63
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "\x00", "\ud800", "x" * 201, "a\u202eb"])
def test_a_name_that_cannot_be_shown_is_refused(catalog: Catalog, name: str) -> None:
    with pytest.raises(Refused):
        catalog.saved.add("shop", draft(name), now=NOW)


def test_annotations_are_listed_by_instant_and_forgotten_one_by_one(catalog: Catalog) -> None:
    kept = catalog.annotations
    late = kept.add("shop", Note(NOW + 5, "later", "note"), ANA, now=NOW)
    early = kept.add("shop", Note(NOW - 5, "release 2", "release"), BO, now=NOW)

    assert kept.all("shop") == [early, late]
    assert kept.all("blog") == []
    changed = kept.change("shop", late.id, Note(NOW - 9, "earlier", "incident"), now=NOW + 1)
    assert [one.text for one in kept.all("shop")] == ["earlier", "release 2"]
    assert (changed.owner, changed.updated_at) == (ANA, NOW + 1)
    for act in (lambda: kept.remove("blog", early.id), lambda: kept.get("blog", early.id)):
        with pytest.raises(NotFound):
            act()
    kept.remove("shop", early.id)
    assert [one.id for one in kept.all("shop")] == [late.id]


def order(**changed: object) -> ShareOrder:
    told = {
        "kind": "question", "target": "q", "label": "", "password": None, "locked": Locked(),
        "expires_at": NOW + 60 * MICROSECONDS, **changed,
    }  # fmt: skip
    return ShareOrder(**told)  # type: ignore[arg-type]


def test_a_link_is_found_by_its_token_until_it_expires_or_is_revoked(catalog: Catalog) -> None:
    share, token = catalog.shares.add("shop", order(), ANA, now=NOW)
    endless, other = catalog.shares.add("shop", order(expires_at=None), ANA, now=NOW)

    assert catalog.shares.by_token(token, now=NOW + 60 * MICROSECONDS - 1) == share
    with pytest.raises(TallymarkError) as expired:
        catalog.shares.by_token(token, now=NOW + 60 * MICROSECONDS)
    assert expired.value.code == "SHARE_ENDED"
    assert catalog.shares.by_token(other, now=NOW * 2) == endless
    with pytest.raises(NotFound):
        catalog.shares.revoke("blog", endless.id, now=NOW)
    assert catalog.shares.revoke("shop", endless.id, now=NOW + 1).revoked_at == NOW + 1
    assert catalog.shares.revoke("shop", endless.id, now=NOW + 2).revoked_at == NOW + 1
    with pytest.raises(TallymarkError):
        catalog.shares.by_token(other, now=NOW + 1)


def test_neither_the_token_nor_the_password_of_a_link_is_kept(
    catalog: Catalog, tmp_path: Path
) -> None:
    _, token = catalog.shares.add("shop", order(password="correct horse battery"), ANA, now=NOW)
    catalog.close()

    written = b"".join(one.read_bytes() for one in tmp_path.glob("catalog.db*"))
    assert len(token) == 32
    assert token.encode() not in written
    assert b"correct horse battery" not in written


def test_views_are_counted(catalog: Catalog) -> None:
    share, token = catalog.shares.add("shop", order(), ANA, now=NOW)

    for _ in range(3):
        catalog.shares.count_view(share.id, now=NOW + 7)

    found = catalog.shares.by_token(token, now=NOW)
    assert (found.views, found.viewed_at) == (3, NOW + 7)
