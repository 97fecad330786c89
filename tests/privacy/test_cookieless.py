"""Visitors' ids: the same for a day, then nobody's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from tallymark.core.clock import DAY, MICROSECONDS
from tallymark.privacy.cookieless import Salts, Visit, site_of

# 2026-11-25T12:00:00Z
NOON = 20_782 * DAY + DAY // 2
VISIT = Visit("shop", "example.com", "203.0.113.9", "Firefox")


def test_the_same_visitor_has_the_same_id_all_day_and_another_one_the_next(tmp_path: Path) -> None:
    salts = Salts(tmp_path)

    morning = salts.visitor(VISIT, NOON - DAY // 4)
    evening = salts.visitor(VISIT, NOON + DAY // 4)
    next_day = salts.visitor(VISIT, NOON + DAY)

    assert morning == evening != next_day
    assert morning.startswith("d_")
    assert len(morning) == 18


@pytest.mark.parametrize(
    "other",
    [
        structs.replace(VISIT, project="other"),
        structs.replace(VISIT, site="example.org"),
        structs.replace(VISIT, ip="203.0.113.10"),
        structs.replace(VISIT, user_agent="Chrome"),
        # Without lengths in between these two would be one: ("shop", "example.com") and
        Visit("shopexample.co", "m", "203.0.113.9", "Firefox"),
    ],
)
def test_another_project_site_address_or_agent_is_another_visitor(
    tmp_path: Path, other: Visit
) -> None:
    salts = Salts(tmp_path)

    assert salts.visitor(other, NOON) != salts.visitor(VISIT, NOON)


def test_a_household_has_one_network_and_a_mapped_address_is_the_address(tmp_path: Path) -> None:
    salts = Salts(tmp_path)

    def of(ip: str) -> str:
        return salts.visitor(structs.replace(VISIT, ip=ip), NOON)

    assert of("2001:db8:1:2::1") == of("2001:db8:1:2:ffff::9") != of("2001:db8:1:3::1")
    assert of("::ffff:203.0.113.9") == of("203.0.113.9")


def test_a_restart_keeps_the_day_and_processes_agree(tmp_path: Path) -> None:
    here = Salts(tmp_path).visitor(VISIT, NOON)
    again = Salts(tmp_path).visitor(VISIT, NOON + 60 * MICROSECONDS)
    program = (
        "import sys; from pathlib import Path; from tallymark.privacy.cookieless import *;"
        f"print(Salts(Path(sys.argv[1])).visitor({VISIT!r}, {NOON}))"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
        for _ in range(3)
    ]

    assert here == again
    assert {child.communicate()[0].decode().strip() for child in others} == {here}


def test_many_that_start_a_day_together_make_one_salt(tmp_path: Path) -> None:
    salts = [Salts(tmp_path) for _ in range(20)]

    assert len({one.visitor(VISIT, NOON) for one in salts}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["2026-11-25"]


def test_a_deleted_salt_never_comes_back_even_if_the_clock_does(tmp_path: Path) -> None:
    first = Salts(tmp_path).visitor(VISIT, NOON)
    Salts(tmp_path).visitor(VISIT, NOON + DAY)

    set_back = Salts(tmp_path).visitor(VISIT, NOON)

    assert [path.name for path in tmp_path.iterdir()] == ["2026-11-25"]
    assert set_back != first


def test_yesterdays_salt_is_gone_from_the_disk_when_its_day_is_over(tmp_path: Path) -> None:
    salts = Salts(tmp_path)
    salts.visitor(VISIT, NOON)
    (yesterday,) = tmp_path.iterdir()

    salts.purge(NOON + DAY)

    assert not yesterday.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_session_that_crosses_midnight_keeps_its_id_and_no_other_does(tmp_path: Path) -> None:
    salts = Salts(tmp_path)
    midnight = NOON + DAY // 2
    other = structs.replace(VISIT, ip="203.0.113.10")
    before = salts.visitor(VISIT, midnight - 60 * MICROSECONDS)
    idle = salts.visitor(other, midnight - DAY // 4)

    after = salts.visitor(VISIT, midnight + 60 * MICROSECONDS)
    late = salts.visitor(other, midnight + 60 * MICROSECONDS)

    assert after == before
    assert late != idle


def test_a_salt_is_for_its_owner_alone(tmp_path: Path) -> None:
    Salts(tmp_path / "salts").visitor(VISIT, NOON)

    assert oct((tmp_path / "salts").stat().st_mode & 0o777) == "0o700"
    (path,) = (tmp_path / "salts").iterdir()
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert len(path.read_bytes()) == 32
    assert os.getpid()


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("www.example.co.uk", "example.co.uk"),
        ("Shop.Example.com.", "example.com"),
        ("a.b.github.io", "b.github.io"),
        ("localhost", "localhost"),
        ("", ""),
        (None, ""),
    ],
)
def test_sub_domains_join_and_shared_suffixes_do_not(host: str | None, site: str) -> None:
    assert site_of(host) == site
