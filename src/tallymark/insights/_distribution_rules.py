"""What the page of distribution says of its numbers."""

RULES = """\
Each person (account, session, by `per`) with an event of the step in the range has one number: how many
such events (`count`), or the sum, the least or the greatest of a number of them (`of`: `revenue`,
`properties.seats` …). Then the people are counted by that number, in bins. An event without the number
adds nothing, and who has no number at all is in no bin; events by nobody known belong to nobody. People
are who they are known to be by now, so what a visitor did before signing in counts for the same person.

**Bins** go from `low`, included, up to `high`, not included, so every person is in exactly one row and
the rows add up to `units`, and their `amount` (of a count or sum) to `amount`.

- `bounds` are the edges of the bins: 0, 10, 50 makes one from 0 up to 10 and one from 10 up to 50.
- `width` makes bins of one width at its multiples. With `start` there are `bins` of them from there on.
- Without any of these the width is 1, 2 or 5 times a power of ten: the narrowest of which `bins` (20 if
  left out) suffice. Of a count it is at least 1.

Where no edge is given, the bins reach from that of the 1st percentile to that of the 99th, but there are
no more than `bins`, so that one customer of a million does not squeeze all others into one bar. Who lies
below or above the bins is never dropped: there is a row with `low` null and one with `high` null, except
below the first where a count can be no lower. A share comes with a 95 % interval (Wilson), but
that of sessions with none, as one person may have many.

Edges and numbers are decimals and compared as such: ten times 0.1 is 1, and lies in the bin that begins
with 1. `mean`, `median`, `p90`, `least` and `most` are of the numbers themselves, not of the bins.

With `with_zero`, people with any event in the range that satisfies the question's filter, but none of the
step, have the number 0. Behind every row are its people, or accounts.

## An example

In a week Ana buys for 5.00 and 5.00, Bo for 9.99, Cy for 120.00; Di looks and buys nothing. With `measure`
`sum`, `of` `revenue` and the `bounds` 0, 10, 50:

| from | up to | people | share | revenue |
| --- | --- | --- | --- | --- |
| | 0 | 0 | 0 % | 0 |
| 0 | 10 | 1 (Bo) | 33.3 % | 9.99 |
| 10 | 50 | 1 (Ana) | 33.3 % | 10 |
| 50 | | 1 (Cy) | 33.3 % | 120 |

The mean is 139.99 / 3 = 46.663333333, the median 10. `with_zero` adds Di to the row from 0 up to 10: the
mean is 34.9975, the median 9.995. By `count` Bo and Cy have 1, Ana has 2.

<!-- checked -->
```text
2026-11-02 09:00 ana buy x2 revenue=5.00
2026-11-02 09:00 bo  buy revenue=9.99
2026-11-03 09:00 cy  buy revenue=120.00
2026-11-03 09:00 di  look

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "step": "buy", "measure": "sum", "of": "revenue", "bounds": [0, 10, 50]}
rows.*.units.count = [0, 1, 1, 1]
rows.*.amount = [0, 9.99, 10, 120]
mean = 46.663333333
median = 10

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "step": "buy", "measure": "sum", "of": "revenue", "bounds": [0, 10, 50], "with_zero": true}
rows.*.units.count = [0, 2, 1, 1]
mean = 34.9975
median = 9.995

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "step": "buy", "measure": "count"}
rows.*.units.count = [2, 1, 0]
```

## Other tools

PostHog's trends tell the average, least, greatest and percentiles of the count per user (*Trends:
Aggregations*), which are the numbers above the bins here, and cut the values of a property into a number of
bins (`histogram_bin_count`), of events and not of people. Statsig's distribution charts are of the value
per unit, as here: bins from 0 to 10 of width 1 unless changed, their lower edge included (*Distribution*).
None of the tools whose rules can be asked for by name documents other bins, so there is no `semantics`.

## Other questions

How many times something is done, in rows from 1 to "101 or more", is [frequency](frequency.md); on how many
days, [stickiness](stickiness.md); the mean a person over time is `per_person` of [trends](trends.md).
"""
