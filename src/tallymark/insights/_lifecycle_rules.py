"""What the page of lifecycle says of its numbers."""

RULES = """\
Time is cut into days, weeks or months of the question's zone. In each, *active* is who had an event
of the step; let A(t) be the active people of bucket t, as `trends` counts `unique_people`. Then

| number | who |
| --- | --- |
| `new` | is in A(t), and this is the first time ever |
| `returning` | is in A(t) and in A(t - 1), and not new |
| `resurrecting` | is in A(t), not in A(t - 1), and was active at some time before |
| `dormant` | is in A(t - 1) and not in A(t) |

so that, in every bucket, `active = new + returning + resurrecting` (`+ first_use`, see below) and
`dormant = active of the bucket before - returning`. The whole history is looked at, not only the
range: who came back after three years is resurrecting, not new. For the first bucket of the range,
the bucket before it is looked at whole. People are who they are known to be by now, so an anonymous
visitor who later signed in is one person in all buckets.

`pulse` is (new + resurrecting) / dormant: above 1 more people come than go. It is null if nobody went.
`kept` is the share of the people of the bucket before who are back, with a 95 % interval (Wilson).
A bucket that is not over has too few active and too many dormant people: `is_incomplete` says so, and
the `pulse` of the whole range leaves it out.

**New by which basis.** With `new_basis: "this_event"`, the default, somebody is new when doing *this*
for the first time. With `"first_seen"` they are new in the bucket in which they did *anything* for
the first time (robots apart; the filter of the question does not matter for it). Then some are active
for the first time, and yet not new: they were seen before, doing other things. `first_use` says what
becomes of them: `"resurrecting"` counts them there, `"apart"` in a number of their own.

## An example

Ana opens the app on Monday, Tuesday and Friday; Bo signs up on Monday and opens it first on Tuesday.

| `open` by day | Mon | Tue | Wed | Thu | Fri |
| --- | --- | --- | --- | --- | --- |
| new | Ana | Bo | | | |
| returning | | Ana | | | |
| resurrecting | | | | | Ana |
| dormant | | | Ana, Bo | | |

By `first_seen` Bo is not new on Tuesday, because Bo was seen on Monday: resurrecting, or `first_use`.

<!-- checked -->
```text
2026-11-02 09:00 ana open
2026-11-02 09:00 bo  signup
2026-11-03 09:00 ana open
2026-11-03 09:00 bo  open
2026-11-06 09:00 ana open

ask {"step": "open", "range": {"since": "2026-11-02", "until": "2026-11-07"}}
buckets.*.new = [1, 1, 0, 0, 0]
buckets.*.returning = [0, 1, 0, 0, 0]
buckets.*.resurrecting = [0, 0, 0, 0, 1]
buckets.*.dormant = [0, 0, 2, 0, 0]

ask {"step": "open", "range": {"since": "2026-11-02", "until": "2026-11-07"},
  "new_basis": "first_seen", "first_use": "apart"}
buckets.*.new = [1, 0, 0, 0, 0]
buckets.*.first_use = [0, 1, 0, 0, 0]
```

## Other tools

| `semantics` | sets | because |
| --- | --- | --- |
| `posthog` | `new_basis: "first_seen"`, `first_use: "resurrecting"` | new is told from when the person was created, so somebody created earlier who does this event for the first time shows as resurrecting (`lifecycle_query_runner.py`) |
| `amplitude` | `new_basis: "first_seen"`, `first_use: "apart"` | new is new to Amplitude; resurrected needs the event itself before the interval before this one, in the full history |

An option that the question states itself wins over the preset. Mixpanel, Google Analytics, Matomo and
Plausible document no lifecycle, so there is no preset of that name.
"""
