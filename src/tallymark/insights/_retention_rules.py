"""What the numbers of retention mean, as its page of the reference says it."""

from typing import Final

RULES: Final = """
A **cohort** is everybody who did the start event in one interval of the range. A cell is how many of
them are retained in one **bucket** after it: `returned` of `people`, and `rate` is their share.

### Who is in a cohort

| `cohort` | who |
|---|---|
| `first_matching` | whoever's first event that satisfies the filters lies in the interval; all events ever are looked at, not only those of the range |
| `first_ever` | whoever's first event of that name, with or without the filters, lies in the interval, if that very event satisfies them |
| `recurring` | everybody with such an event in the interval; somebody may be in many cohorts |

Each person starts once in a cohort, at their first such event in it. Only what happens later counts as
a return: an event of the same instant is none, so bucket 0 of "opened, then opened again" is not
everybody.

### Which bucket a return lies in

| `clock` | bucket 1 of days | of weeks, of months |
|---|---|---|
| `calendar` | the next local date, also if that is a minute later or 25 hours long | the next calendar week, the next calendar month |
| `rolling` | from 24 h up to 48 h after the start | from 7 d up to 14 d, from 30 d up to 60 d |
| `rounded` | the same, counted from the full UTC hour of the start | the same, counted in local dates from that of the start |

`brackets` are buckets of several intervals: `[1, 6, 7]` are day 0, days 1–6 and days 7–13.

### Who is retained

`on`: who came back in the bucket. `on_or_after`: in it or at any time later, up to now, so it never
grows from one bucket to the next. `on_or_before`: in it or an earlier one. `streak`: in it and in each
one before; where start and return are the same event, the start itself counts for bucket 0.

### An example

| | 24 Oct | 25 Oct | 26 Oct | 27 Oct |
|---|---|---|---|---|
| ana | signs up, opens for 2.50, opens for 0.25 | opens for 1.00 | | |
| bo | signs up | | | opens for 4.00 |
| cy | | | signs up | |

From signing up to opening, by day, of the cohort of 24 October (2 people):

| | day 0 | day 1 | day 2 | day 3 |
|---|---|---|---|---|
| `on` | 1 (50 %) | 1 (50 %) | 0 | 1 (50 %) |
| `on_or_after` | 2 | 2 | 1 | 1 |
| `on_or_before` | 1 | 1 | 1 | 2 |
| `streak` | 1 | 1 | 0 | 0 |
| `sum` of revenue, `on` | 2.75 | 1.00 | 0 | 4.00 |
| `per_person`, `on_or_before` | 1.375 | 1.875 | 1.875 | 3.875 |

The last line is what a person was worth by then. Sums are exact.

<!-- checked -->
```text
2026-10-24 09:00 ana signup
2026-10-24 09:10 ana open revenue=2.50
2026-10-24 09:20 ana open revenue=0.25
2026-10-24 10:00 bo  signup
2026-10-25 09:00 ana open revenue=1.00
2026-10-26 09:00 cy  signup
2026-10-27 10:00 bo  open revenue=4.00

ask {"range": {"since": "2026-10-24", "until": "2026-10-28"}, "start": "signup", "returning": "open", "buckets": 4}
groups.0.cohorts.0.people = 2
groups.0.cohorts.0.cells.*.returned = [1, 1, 0, 1]

ask {"range": {"since": "2026-10-24", "until": "2026-10-28"}, "start": "signup", "returning": "open", "buckets": 4, "criterion": "on_or_after"}
groups.0.cohorts.0.cells.*.returned = [2, 2, 1, 1]

ask {"range": {"since": "2026-10-24", "until": "2026-10-28"}, "start": "signup", "returning": "open", "buckets": 4, "criterion": "streak"}
groups.0.cohorts.0.cells.*.returned = [1, 1, 0, 0]

ask {"range": {"since": "2026-10-24", "until": "2026-10-28"}, "start": "signup", "returning": "open", "buckets": 4, "measure": "sum", "of": "revenue"}
groups.0.cohorts.0.cells.*.value = [2.75, 1, 0, 4]

ask {"range": {"since": "2026-10-24", "until": "2026-10-28"}, "start": "signup", "returning": "open", "buckets": 4, "criterion": "on_or_before", "measure": "per_person", "of": "revenue"}
groups.0.cohorts.0.cells.*.value = [1.375, 1.875, 1.875, 3.875]
```

### What is not over

A cell is complete when its bucket is over for everybody who may be in the cohort, and when the whole
interval was asked for. Other cells hold what is counted so far, and are marked; cells that have not
begun are null, never 0. The row of all cohorts adds up complete cells only, in the numerator and in
the denominator: of three people who had a day 1, with one retained, and one whose day 1 is today,
day 1 is 1 of 3. It is weighted by people: with `overall = people` somebody in several cohorts counts
once in each bucket, and is retained if any start of theirs is.

`interval` is Wilson's interval of the rate at 95 %, from five people on. In the row of all cohorts it
is null where somebody counts twice, for then the trials are not independent. `state` says
[why there is none](../../explanation/numbers.md#how-sure-a-share-is).

### Breakdown

By the value at the start; with `breakdown_on = both` only returns with the same value count.

### Who is left out

Robots, unless `include_bots`. Visitors without consent get an id that lasts a day, so none of them
could ever come back on another one: they are left out, `cookieless_left_out` says how many, and
`include_cookieless` counts them.

### As other tools count

| `semantics` | cohort | clock | criterion | bucket 0 | breakdown on | all |
|---|---|---|---|---|---|---|
| ours | first_matching | calendar | on | after the start | start | weighted |
| `mixpanel` | recurring | rolling | on_or_after | after the start | start | weighted |
| `amplitude` | recurring | rounded | on_or_after | after the start | start | people |
| `posthog` | first_matching | calendar | on | everyone | both | weighted |

An option that is given goes before the preset. Sources: Mixpanel, *Retention: measure engagement over
time*; Amplitude, *How time works in a retention analysis* and the FAQ of that chart; PostHog,
*Retention*. What stays different: Mixpanel may take up to 24 hours to merge ids; PostHog's sentence that
somebody is in one cohort only holds for first-time retention.
"""
