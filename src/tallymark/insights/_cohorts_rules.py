"""What a cohort is, exactly: the page that people read to know what its size means."""

from typing import Final

RULES: Final = """A cohort is a set of people, or of accounts, that a definition chooses. It is worked out when a question
is asked: from the events the question may see (its log position), as of the question's now. So a
cohort has no refresh, and no number lags behind another one.

**Whom it can hold.** Everybody with at least one event by now, robots' events aside unless
`include_bots`. `not` means all others of these, and the size of `{"op": "and", "members": []}` is
how many they are. What happens later than now does not count, and of a size over time, what
happened later than the end of the bucket. People are as links make them: an event of a device counts
for the person who later signed in on it.

**Who is chosen**

| op | chooses |
|---|---|
| `did` | who did something, at least once. `at_least` and `at_most` bound how often (`counted: days`: on how many local days; `sum_of`: the sum of a number). Who never did it has 0, so `at_most: 2` holds those too |
| `did` with `range` | only what happened in that range, as in any question: `14d` is today and the 13 local days before |
| `did` with `in_any: 14d` | the `at_least` times happened within some 14 × 24 hours: the last at most that long after the first |
| `did` with `first` | their first such event ever lies in the range |
| `did` with `near` | only events with another event of the same member at most `within` before them (`when: after`) or after them (`before`), in the order of the log where times are equal; an event is never near itself |
| `has` | some event of theirs satisfies the filter |
| `ids` | user or anonymous ids, or ids of accounts; an id without any event is nobody |
| `behind` | the people, or accounts, behind one number of an answer |
| `in_cohort` | the members of another cohort, by name or written out |
| `and`, `or`, `not` | all of, any of, all others |

**An example.** Ana exported on 1, 5 and 9 November, Bo on 1 and 2 November, Cy cancelled once. On
10 November `{"op": "did", "event": "export", "at_least": 3, "range": "14d"}` is Ana: 1 of 3 people, a
third. `at_most: 2` is Bo and Cy, who never exported. On 15 November the 14 days begin with 2 November,
Ana has two exports in them, and the cohort is empty.

<!-- checked -->
```text
2026-11-01 09:00 ana,bo export
2026-11-02 09:00 bo  export
2026-11-05 09:00 ana export
2026-11-09 09:00 ana export
2026-11-03 09:00 cy  cancel

now 2026-11-10 12:00
ask {"cohorts": [{"who": {"op": "did", "event": "export", "range": "14d", "at_least": 3}}, {"who": {"op": "did", "event": "export", "range": "14d", "at_most": 2}}]}
cohorts.*.size = [1, 2]
cohorts.0.everybody = 3
cohorts.0.share = 0.333333333

now 2026-11-15 12:00
ask {"cohorts": [{"who": {"op": "did", "event": "export", "range": "14d", "at_least": 3}}]}
cohorts.*.size = [0]
```

**Where other tools differ.** Mixpanel and Amplitude work cohorts out at the latest state of the profile
and cache them; PostHog recalculates dynamic cohorts about once a day, so that a funnel filtered by one
uses an older list than its own events. In PostHog a person who never did an event is not matched by
"did at most n times"; here 0 is at most n. Amplitude's "in any" windows are of calendar days; here
they are elapsed time.

A filter takes `{"op": "in_cohort", "cohort": "power_users"}`, or the definition in place of the name;
a breakdown by `cohort.power_users` tells members (`true`) from everybody else (`false`), and an event
of nobody known counts to the latter."""
