"""The rules of the list of events."""

from typing import Final

RULES: Final = """
**What is listed.** The events that make the number of a series, the one that happened last first, and of
one instant the one that arrived last first: those of the range and filter that have what the measure
needs. Of `sum` of `revenue` these are the events that have revenue, of `unique_people` those by somebody
known. `total` counts those of all pages, so of a count it is the number itself. An event counts once,
however often it was sent, and known robots are left out unless asked for.

**What is told.** Everything that is known of each: its times (`time` is when it happened as we believe
it, `time_rule` why), ids as they were sent, `person` as known by now, context, and properties with
their numbers exactly as sent.

**Pages.** A cursor holds the log position of its first page, so that no event is listed twice or left
out while others arrive.

**Example.** Of three visits on Monday, one of them by a robot, and a purchase of 9.90, the list of the
day has 3 events; that of the series `sum` of `revenue` has 1, the purchase, and says `9.9` without a
trace of binary fractions.

<!-- checked -->
```text
2026-11-02 09:00 ana visit
2026-11-02 09:05 bo  visit
2026-11-02 09:06 -   visit is_bot=true
2026-11-02 09:10 ana buy revenue=9.90

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}}
total = 3
events.*.event = ["buy", "visit", "visit"]

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "series": {"measure": "sum", "of": "revenue"}}
total = 1
events.0.revenue = 9.9
```

**Other tools.** Mixpanel cuts text to 255 bytes, Google Analytics to 100 characters without saying so
(both by their documented limits); Plausible's events can be had in its Enterprise plan alone. Here an
event shows what was sent, and what had to be repaired shows in `flags`.
""".strip()
