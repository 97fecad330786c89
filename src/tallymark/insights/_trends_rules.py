"""The rules of trends, as people read them."""

from typing import Final

RULES: Final = """
**A bucket** holds the events from its first instant up to, but not including, the first instant of
the next one: a local minute, hour, day, week, month, quarter or year in the time zone asked for. A day
has 23 or 25 hours when the clocks change. A bucket that is not over, or only partly asked for, is
marked incomplete.

**A person** is whoever the ids are known to be by now, also where the events came before the link, and
counts once in a bucket and once in the `total`, however many buckets they are in. So totals of people
are no sums of buckets; counts and sums are. Known robots are left out unless asked for.

**Numbers** are exact. `avg` is of the events that have the number, a percentile lies between the two
values next to its rank (type 7 of Hyndman and Fan, 1996), `per_person` divides by the people with a
chosen event. What divides is rounded once, to nine places. How a number is spread over people tells
[distribution](distribution.md), who keeps and who changes a value [property_lifecycle](property_lifecycle.md).

**The groups** of a breakdown are those with the greatest totals of the series `top_by`, of
`group_count` that there are; all others together are Other, in which a person counts once.

### Numbers that reach beyond their bucket

- `window: "7d"` counts over the 7 local days that end with the last day of the bucket, both included:
  of Friday the 7th those from Saturday the 1st 00:00 up to Saturday the 8th 00:00. `dau`, `wau` and
  `mau` are 1, 7 and 30 days, by the usual names of daily, weekly and monthly active people. By week or
  month the window ends with the last day of the bucket; while that is not over, with today.
- `window: "week"`, `"month"`, `"quarter"` or `"year"` counts over the calendar unit in which that day
  lies, all of it. With an interval of the same length this is the plain number.
- `cumulative` counts from the start of the range to the end of the bucket: a running total, in which
  a person counts once, on the day they came first.
- `moving_average: 7` is the mean of the numbers of 7 buckets, this one and the 6 before, also where
  those lie before the range. Buckets are taken whole; one that is not over has no mean and is averaged
  into none. It has no total.

A window reaches back before the range, never beyond its end. `windows` in the answer says what each
number covers and whether it is incomplete. The `total` is always of the range itself.

**Example.** Ana comes on Friday and Tuesday, Bo on Tuesday, twice, Cy on Thursday. From Monday to
Thursday:

| | Mon | Tue | Wed | Thu | total |
|---|---|---|---|---|---|
| people | 0 | 2 | 0 | 1 | 3 |
| people, `window: "3d"` | 0 | 2 | 2 | 3 | 3 |
| people, `window: "5d"` | 1 | 2 | 2 | 3 | 3 |
| people, cumulative | 0 | 2 | 2 | 3 | 3 |
| events | 0 | 3 | 0 | 1 | 4 |
| events, `moving_average: 2` | 0 | 1.5 | 1.5 | 0.5 | |

Friday lies four days before Tuesday, so the five days that end on Monday still have Ana.

<!-- checked -->
```text
2026-10-30 10:00 ana open
2026-11-03 10:00 ana open
2026-11-03 11:00 bo  open x2
2026-11-05 10:00 cy  open

ask {"range": {"since": "2026-11-02", "until": "2026-11-06"}, "series": [
  {"measure": "unique_people"}, {"measure": "unique_people", "window": "3d"},
  {"measure": "unique_people", "window": "5d"}, {"measure": "unique_people", "cumulative": true},
  {"measure": "count"}, {"measure": "count", "moving_average": 2}]}
lines.0.values = [0, 2, 0, 1]
lines.1.values = [0, 2, 2, 3]
lines.2.values = [1, 2, 2, 3]
lines.3.values = [0, 2, 2, 3]
lines.4.values = [0, 3, 0, 1]
lines.5.values = [0, 1.5, 1.5, 0.5]
lines.*.total = [3, 3, 3, 3, 4, null]
```

### How other tools differ

`semantics` makes `dau`, `wau` and `mau` what they are in a tool; days that are given as such stay what
they are.

- `ga4`: a month is 28 days (Google, *Active users*).
- `mixpanel`: a month is 30 days that end with the bucket, also by month: December is 2 to 31 December
  (Mixpanel, *Insights*), so somebody active only on 1 December is in the total and in no bucket. This
  is our rule too.
- `posthog`: a month is 30 days, and an event at the very midnight that begins a window is left out, while
  one at the midnight that ends it counts (`aggregation_operations.py`: later than the first midnight,
  not later than the last).

Plausible adds up the visitors of days, as it does not know them again on the next; GA4 estimates
people with HyperLogLog. Here a person of several days is one, and no number is an estimate.
""".strip()
