"""What a funnel counts, for its reference page."""

from typing import Final

RULES: Final = """\
### Tries

A *try* begins with an event of the first step in the range. Each further step is the earliest event
after the one before that can be it, up to and including the end of the window, which begins with the
first step: with a window of one hour, a try that begins at 13:00:00 may be completed at 14:00:00.
Only the beginning has to lie in the range; later steps may lie up to a window after it. Events of one
instant are in the order in which they arrived. One event is at most one step of a try, so a funnel
from `visit` to `visit` needs two visits.

`count` `uniques` counts everybody once, by their best try: the one that came furthest; of those, the
one that was there first; of those, the one that began last. With `attempt` `first` only the first try
in the range counts. `by` says who goes through the funnel: a person (all ids that links connect, as
known now), an account, or a session.

An example. Ana did A at 13:00, A at 13:30, B at 13:45 and C at 14:15. Within an hour from A to B to
C:

| `attempt` | what happens | A | B | C |
| --- | --- | --- | --- | --- |
| `any` | the try of 13:30 is completed at 14:15, after 45 minutes | 1 | 1 | 1 |
| `first` | the try of 13:00 comes to B, and at 14:00 its time is over | 1 | 1 | 0 |

<!-- checked -->
```text
2026-11-02 13:00 ana A
2026-11-02 13:30 ana A
2026-11-02 13:45 ana B
2026-11-02 14:15 ana C

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "steps": ["A", "B", "C"], "window": "1h"}
total.steps.*.count = [1, 1, 1]
total.time_to_convert.median = 2700

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "steps": ["A", "B", "C"], "window": "1h", "attempt": "first"}
total.steps.*.count = [1, 1, 0]
```

### Order

- `ordered`: other events may lie between the steps.
- `strict`: nothing may lie between them, of all events that satisfy the filter of the question.
- `any`: each step is done by an event of its own, in any order; the window begins with whichever
  comes first. A bar is how many did at least so many of the steps. Where an event could be several
  steps, the one with the fewest events takes it.
- An `optional` step counts those who did it between the steps around it; who did not goes on all the
  same. Shares of the next step are of the needed step before it, so bars of needed steps never grow.
- With a `tie_tolerance` of 2s a step may also come up to two seconds before those it follows, and
  what lies within two seconds of a step neither breaks a strict order nor excludes. A tolerance of
  `0s` says that events of one instant have no order.
- `window_from` `previous_step` gives each step the whole window from the step before.

### Exclusions

An exclusion is something that must not happen after one step and before another; without `after` and
`before`, between the first and the last. What is a step of the try does not exclude. `on_exclusion`
says what becomes of it:

- `drop_off`: the try ends there. Its steps before count, and another try may go further.
- `drop_actor`: if the best try was excluded, with the step after the exclusion counted as its last,
  and no clean one came as far, they are in no step at all. `removed` is how many they were.

### Held constant

With `hold_constant`, all steps of a try have the same value of a field; events without one are left
out. Everybody still counts once, by the best try with any value; `per_value` counts them once for each
value.

### Totals

`count` `totals` counts tries. With `attempt` `first`, and in any order, one follows the other: the
next begins with the first event of step one after the last was completed, was excluded, or had its
window over. With `attempt` `any` each event of step one begins a try, but of tries that end with the
same event the last to begin counts, so one purchase is never two conversions.

### Breakdown

In `first_touch` and `last_touch` somebody is in the group of the first or last event of the steps of
their best try that has a value; in `step`, in that of one step, and in the group of no value if they
did not come to it. These groups and Other add up to the total. In `all_steps` there is a funnel for
each value, as if it were held constant: somebody may be in several groups, so they need not add up.
The groups shown are those that most entered; they are chosen from the 10,000 values that most events
have, and everything else is Other.

### Who may still convert

Somebody who entered less than a window ago may still convert. They are `incomplete`: they are in the
counts, and not in the shares. `rate`, `of_first` and `of_previous` are of those whose window is over,
so a funnel does not seem to get worse at its end. Of 100 who entered, 40 have their window over, and
10 of these converted: the rate is 25 %, whatever the other 60 have done so far; `rate_so_far` counts
them too. Shares come with the interval of Wilson (1927) that holds the true one 95 times in 100, if
there are at least five; those of totals and of sessions have none, as tries of one person depend on
each other. `rate_state`, `of_first_state` and `of_previous_state` say [why there is none](../../explanation/numbers.md#how-sure-a-share-is).

Over time, with `interval`, everybody is in the bucket in which their best try began. The buckets add
up to the total, unlike those of tools that run a funnel for each day.

### Time to convert

From the first to the last step of the try that counts: the median and the 90th percentile, linear
between two values, and the mean, of everybody who converted, in seconds. Who converts late is missing
among those who entered late, so recent times seem short. `survival` estimates without that bias: the
share converted within each time, where who could be watched for a shorter time counts for as long as
they were (Kaplan and Meier, 1958).

### Other tools

`semantics` takes the rules that a tool documents as defaults; an option that is given wins.

| tool | its rule | as options |
| --- | --- | --- |
| `mixpanel` | the first entry counts, and later ones do not restart its clock; seven days; events within two seconds have no order; who is excluded drops off there. Its optimized re-entry is `attempt` `any` | `attempt` `first`, `window` `7d`, `tie_tolerance` `2s` |
| `amplitude` | the longest, then earliest sequence; events within a second have no order; pairs of somebody and the value held constant are counted; segments by the first step | `tie_tolerance` `1s`, `per_value`, `attribution` `step` |
| `posthog` | any try, the latest start wins; 14 days; events of one instant have no order; who is excluded is removed | `tie_tolerance` `0s`, `on_exclusion` `drop_actor` |
| `plausible` | at most eight steps, within a visit; its strict order is `order` `strict` | `by` `session`, `window` `1d` |
| `umami` | minutes from one step to the next | `window` `60min`, `window_from` `previous_step` |

What stays different: Amplitude counts equal events of one second once, and one such event is two
here. Mixpanel's chart over time runs a funnel for each day. Umami lets one page view be two steps in a
row. Plausible knows a visitor for a day at most.
"""
