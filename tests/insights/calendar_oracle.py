"""Days, weeks and months told from local dates alone, unlike the edges that the insights use."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from tallymark.core.clock import moment


def unit_of(instant_us: int, interval: str, zone: str, week_start: str = "monday") -> date:
    """Return the first date of the local day, week or month in which an instant lies."""
    day = moment(instant_us).astimezone(ZoneInfo(zone)).date()
    if interval == "month":
        return day.replace(day=1)
    if interval == "week":
        while day.strftime("%A").lower() != week_start:
            day -= timedelta(days=1)
    return day


def unit_before(first: date, interval: str, week_start: str = "monday") -> date:
    """Return the first date of the unit before one."""
    day = first - timedelta(days=1)
    if interval == "month":
        return day.replace(day=1)
    return first - timedelta(days=7) if interval == "week" else day
