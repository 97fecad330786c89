"""What the page of stickiness says of its numbers."""

RULES = """\
**On how many days** (`measure: "times"`). For a period, a person's number of times is the number of
*different* days (weeks, months, by `interval`) in which they had at least one event of the step; how
often within a day makes no difference, see [frequency](frequency.md) for that. `exactly` counts the
people whose number is k, `at_least` those whose number is k or more. Both are given with their share
of all who had the step in the period, with a 95 % interval (Wilson); `counted` says which of them the
table shows. The period is the whole range, or each of its weeks, months, quarters or years (`period`).

So the people of all `exactly` add up to the people of the period, `at_least` never rises, and the
first `at_least` is everybody. Days are calendar days of the zone, also those of 23 and 25 hours. A
period that is not over, or of which only a part was asked for, is marked `is_incomplete`.

**How much of a month's people come on a day** (`measure: "ratio"`). For each day d of the range, DAU is
the people of that local day; WAU and MAU are, on the `rolling` clock, those of the 7 and the 30 days
that end with it (from d - 6 00:00 to d + 1 00:00; `month_days: 28` makes it 28), and on the `calendar`
clock those of the whole calendar week and month in which it lies. What came before the range is looked
at as far as needed. The ratio of the range is the **mean over its days** of the ratio of each day, as
an exact fraction rounded once; a day that is not over, on the calendar clock also one whose week or
month is not over, and a day without anybody in the month, has no ratio and is not averaged in. Days
asked for in part are looked at whole. The mean of ratios is not the ratio of means, and not a share of
a sample, so it has no interval.

## An example

Three people within one week, Monday to Sunday:

| | Mon | Tue | Wed | Thu | Fri | days |
| --- | --- | --- | --- | --- | --- | --- |
| Ana | twice | once | | once | | 3 |
| Bo | once | | | | | 1 |
| Cy | | once | once | | once | 3 |

`exactly`: 1 day 1 person, 3 days 2. `at_least`: 1 day 3, 2 days 2, 3 days 2. With nobody before,
DAU/WAU is 2/2 on Monday, 2/3 on Tuesday, 1/3 on Wednesday, Thursday and Friday, 0/3 on the weekend:
the mean of the seven days is 2.666… / 7 = 0.380952381.

<!-- checked -->
```text
2026-11-02 09:00 ana open x2
2026-11-03 09:00 ana open
2026-11-05 09:00 ana open
2026-11-02 09:00 bo  open
2026-11-03 09:00 cy  open
2026-11-04 09:00 cy  open
2026-11-06 09:00 cy  open

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}}
periods.0.times.0.exactly.count = 1
periods.0.times.2.exactly.count = 2
periods.0.times.0.at_least.count = 3
periods.0.times.1.at_least.count = 2

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "measure": "ratio"}
ratios.dau_wau.mean = 0.380952381
```

## Other tools

| `semantics` | sets | because |
| --- | --- | --- |
| `posthog` | `counted: "exactly"` | its stickiness is the people active in exactly k intervals (the page says "number of times", and means intervals) |
| `amplitude` | `counted: "at_least"` | its stickiness adds up: k days or more |
| `mixpanel` | `counted: "at_least"`, `clock: "rolling"`, `month_days: 30` | its Frequency report adds up; a monthly active user is one of the trailing 30 days, so that December is 2 to 31 December |
| `ga4` | `clock: "rolling"`, `month_days: 28` | its MAU, in DAU/MAU and WAU/MAU, is of 28 days |

An option that the question states itself wins over the preset. PostHog's stored query for its weekly
actives leaves out the first midnight and takes in the one after the last day; that is not imitated.
Matomo and Plausible document no stickiness, so there is no preset of that name.
"""
