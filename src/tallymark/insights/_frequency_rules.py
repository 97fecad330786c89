"""What the page of frequency says of its numbers."""

RULES = """\
For each person (account, session, by `per`) the events of the step in the range are counted; then the
people are counted by that number. Events by nobody known, or without an account or a session, belong
to nobody and are left out. Twice within a second is two times; on how many *days* somebody came is
[stickiness](stickiness.md). How a sum, the least or the greatest of a number is spread is
[distribution](distribution.md).

`bounds` are where the rows begin: with 1, 2, 5 there are rows of 1, of 2 to 4, and of 5 or more. All
of those who did it are in exactly one row, so the rows add up to `units`, and their `events` to
`events`. A row has its share of the people, with a 95 % interval (Wilson; none of sessions, as one person may have many), and its share of the events:
the last rows often hold few people and most of the use.

With `with_zero`, people who had any event in the range that satisfies the question's filter, but none
of the step, make a row of 0 of their own. They are then part of `units`, of the shares, the mean and
the percentiles; without it, all of these are of those who did it at least once.

`mean`, `median`, `p90` and `most` are of the number of times a person; a percentile lies between its
two neighbours in proportion, as in `trends`.

## An example

Ana searches 5 times in a week, Bo and Cy once, Di opens the app and does not search. `frequency` of
`search`: 1 time 2 people (66.7 %, 28.6 % of the searches), 5 times 1 person (33.3 %, 71.4 %). Mean
7 / 3 = 2.333…, median 1. `with_zero` adds 0 times 1 person: the mean is 7 / 4 = 1.75, the median 1.

<!-- checked -->
```text
2026-11-02 09:00 ana search x5
2026-11-02 09:00 bo  search
2026-11-03 09:00 cy  search
2026-11-03 09:00 di  open

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "step": "search"}
rows.0.units.count = 2
rows.4.units.count = 1
rows.4.share_of_events = 0.714285714
mean = 2.333333333
median = 1

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "step": "search", "with_zero": true}
rows.0.units.count = 1
mean = 1.75
```

## Other tools

Mixpanel calls Frequency what is `stickiness` here: hours or days on which something was done, not how
often; PostHog's page of stickiness says "number of times" and means intervals. None of them documents
another rule for the number of events a person, so there is no `semantics`.
"""
