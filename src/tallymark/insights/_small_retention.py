"""What is not told of retention: cohorts of few, and cells in which few came back or few did not."""

from collections.abc import Sequence

from msgspec.structs import replace

from ._small_parts import FEW, fits, is_small, without
from .numbers import ratio
from .rates import state_of
from .retention import Cell, CohortRow, GroupRows, RetentionData
from .uncertainty import wilson


def retention(data: RetentionData, least: int) -> RetentionData:
    """Tell the cohorts and cells of enough people, and the curve of those that are told."""
    groups = [_group(one, data, least) for one in data.groups if not _is_few(one, data, least)]
    left_out = data.cookieless_left_out
    return replace(
        data,
        groups=groups,
        cookieless_left_out=FEW if is_small(left_out, least) else left_out,
        warnings=[],
    )


def _is_few(group: GroupRows, data: RetentionData, least: int) -> bool:
    # The name of a group of few would tell of them, too.
    return bool(data.breakdown) and is_small(group.people, least)


def _group(group: GroupRows, data: RetentionData, least: int) -> GroupRows:
    rows = [_row(one, least, is_nested=data.criterion != "on") for one in group.cohorts]
    if data.overall == "people":
        is_told = rows == group.cohorts and _is_once(group, least)
        whole = [] if is_told else ["people"]
        overall = group.overall if is_told else [_none(one) for one in group.overall]
        return without(replace(group, cohorts=rows, overall=overall), *whole)
    if rows == group.cohorts:
        return group
    people = sum(one.people for one in rows if one.people is not FEW)
    overall = [_whole(one, place, rows) for place, one in enumerate(group.overall)]
    return replace(group, people=people or FEW, overall=overall, cohorts=rows)


def _row(row: CohortRow, least: int, *, is_nested: bool) -> CohortRow:
    if is_small(row.people, least):
        return replace(row, people=FEW, cells=[_none(one) for one in row.cells])
    told: list[int] = []
    cells = []
    for cell in row.cells:
        if cell.returned is None:
            cells.append(cell)
            continue
        beside = [row.people, cell.people, *(told if is_nested else ())]
        may = fits(cell.returned, beside, least) and not is_small(row.people - cell.people, least)
        cells.append(cell if may else _none(cell))
        told += [cell.returned] if may else []
    return replace(row, cells=cells)


def _is_once(group: GroupRows, least: int) -> bool:
    """Whether the row in which each person counts once gives away nobody beside the cohorts."""
    told = [group.people]
    for cell in group.overall:
        if cell.returned is None:
            continue
        if not fits(cell.returned, (cell.people,), least) or not fits(cell.people, told, least):
            return False
        told.append(cell.people)
    return all(fits(one.people, (group.people,), least) for one in group.cohorts)


def _whole(cell: Cell, place: int, rows: Sequence[CohortRow]) -> Cell:
    """Return the number of all cohorts, of those alone that are told."""
    some = [row.cells[place] for row in rows]
    told = [one for one in some if one.is_complete and one.returned is not FEW]
    people = sum(one.people for one in told)
    returned = sum(one.returned or 0 for one in told)
    if cell.returned is None:
        return cell
    if not people:
        return _none(cell)
    is_dependent = cell.state == "not_independent"
    interval = None if is_dependent else wilson(returned, people)
    state = cell.state if is_dependent else state_of(interval)
    value = None if cell.value is None else FEW
    return replace(
        cell, people=people, returned=returned, rate=ratio(returned, people), interval=interval,
        state=state, value=value,
    )  # fmt: skip


def _none(cell: Cell) -> Cell:
    if cell.returned is None:
        return without(cell, "people")
    value = None if cell.value is None else FEW
    told = without(cell, "people", "returned", "rate")
    return replace(told, interval=None, state="not_told", value=value)
