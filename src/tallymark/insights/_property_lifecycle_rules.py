"""What the page of property_lifecycle says of its numbers."""

RULES = """\
What becomes of a property of people or accounts, such as their plan, from one day, week or month to the
next: who gets a value, keeps it, changes it. Everybody is looked at at the **end of each bucket**, and for
the first bucket at the start of the range; let V(t) be their value then.

- A property of a profile (`of: "person.plan"`, `"account.plan"`) is what it was at that instant, folded
  from everything told up to it, however late it was told.
- A field of events (`"properties.plan"`, `"country"`) is that of the latest event before the end of the
  bucket that has one. Those are looked for in all that ever happened, and events without the field
  change nothing, so it stays the same until another value comes.

`per` says whose: people, all ids of one together as known by now, or accounts. They count from their
first event on that satisfies the question's filter; a property told before that holds from then on.

| number of a value | who |
| --- | --- |
| `have` | V(t) is the value |
| `kept` | V(t) and V(t - 1) are the value |
| `new` | V(t) is the value and V(t - 1) is not, and they never had it before the bucket |
| `back` | the same, but they had it at some time before |
| `changed` | V(t - 1) is the value and V(t) is another one |
| `cleared` | V(t - 1) is the value and V(t) is none |

so that in every bucket `have = kept + new + back`, and `kept + changed + cleared` is the `have` of the
bucket before. `kept_rate` is the share of those that kept it, with a 95 % interval (Wilson). `changes`
tells from what to what, and how many; null is no value. What was changed and changed back within a bucket
is no change. A bucket that is not over is looked at as far as it has come, and marked.

Shown are the `top` values that most had at one of these instants; of equals, those first by value. All
others together are Other, as if they were one value: whoever changes from one of them to another one
keeps Other. Behind every number are its people or accounts.

## An example

At the end of September Ana, Bo and Cy have the plan `free`. Bo changes to `pro` on 5 October, Cy to `pro` on
9 October and back to `free` on 12 October; Di comes on 20 October with `pro`. In November Bo goes back to
`free`, and the plan of Di is unset.

| | October | November |
| --- | --- | --- |
| `free`: have | 2 (Ana, Cy) | 3 (Ana, Bo, Cy) |
| kept | 2 | 2 |
| new, back | 0, 0 | 0, 1 (Bo) |
| changed, cleared | 1 (Bo), 0 | 0, 0 |
| `pro`: have | 2 (Bo, Di) | 0 |
| kept | 0 | 0 |
| new, back | 2 (Bo, Di), 0 | 0, 0 |
| changed, cleared | 0, 0 | 1 (Bo), 1 (Di) |

By month nobody sees that Cy tried `pro`; by week two changes show it.

<!-- checked -->
```text
2026-09-01 09:00 ana,bo,cy open
2026-09-01 09:00 ana,bo,cy has plan=free
2026-10-05 09:00 bo has plan=pro
2026-10-09 09:00 cy has plan=pro
2026-10-12 09:00 cy has plan=free
2026-10-20 09:00 di open
2026-10-20 09:00 di has plan=pro
2026-11-10 09:00 bo has plan=free
2026-11-11 09:00 di has plan=

ask {"of": "person.plan", "range": {"since": "2026-10-01", "until": "2026-12-01"}}
values.*.value = ["free", "pro"]
values.*.before = [3, 0]
values.0.buckets.*.have = [2, 3]
values.0.buckets.*.kept = [2, 2]
values.0.buckets.*.back = [0, 1]
values.0.buckets.*.changed = [1, 0]
values.1.buckets.*.have = [2, 0]
values.1.buckets.*.new = [2, 0]
values.1.buckets.*.changed = [0, 1]
values.1.buckets.*.cleared = [0, 1]

ask {"of": "person.plan", "range": {"since": "2026-10-05", "until": "2026-10-19"}, "interval": "week"}
values.0.buckets.*.changed = [2, 0]
values.0.buckets.*.back = [0, 1]
```

## Other tools

Mixpanel keeps of a profile the latest value, and its history only with Historical profiles; Amplitude puts
on each event the value of its time, which is what `properties` of events are here. Neither documents who
keeps and who changes a value from one interval to the next, so there is no `semantics`. Who is active, new
and gone by what they *do* is [lifecycle](lifecycle.md).
"""
