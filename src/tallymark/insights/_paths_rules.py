"""What the numbers of paths mean, as their page of the reference says it."""

from typing import Final

RULES: Final = """
The events of a session, or of a person, in the order of their time (and, at one instant, of their
arrival) are one **way**. A **walk** is a piece of a way: its steps are **nodes**, which are the names of
the events, or the values of another field such as `path`.

### From events to steps

1. Robots are left out, and so are events without the field, and those that `filter` and `event` leave
   out.
2. Names are cleaned: what matches a `replace` pattern becomes its text, one rule after the other; with
   `directories` only so many directories of a path stay; what fits one of the `wildcards` is named by
   it, the first that fits.
3. What fits `exclude` is passed over, as if it had never been seen: of a, b, c without b, c comes right
   after a.
4. With `gap_minutes` a longer pause ends the way of a person, and a new one begins. A pause of exactly
   that length does not.
5. The same node several times in a row is one step, unless `collapse_repeats` is false.

### Where walks are

| given | walks |
|---|---|
| neither | each way from its first step |
| `start` | from each such step on |
| `end` | from each such step backwards |
| both | from a start to the first end after it, and then from the next start |

`uniques` counts the first walk of each session or person, `occurrences` all of them. Only events in the
range are walked, so a session that began before it is told from there.

Between two steps, a walk longer than `depth` shows its first steps, then `…`, and its end in the last
step.

### What adds up

Of each step the `top` nodes with most walks are shown (of equals, those first by name), the others are
`Other`. Who went no further is `Drop-off` in the next step. So each step adds up to those of the step
before who went on; each node to the links that leave it, and to the links that lead to it; and in the
tree each branch to those right below it, with what is not listed as one line.

### An example

| session | events, a minute apart |
|---|---|
| 1 | a, b, c |
| 2 | a, b |
| 3 | a |
| 4 | x, a, y |

| step 1 | step 2 | step 3 | step 4 |
|---|---|---|---|
| a 3 | b 2 | c 1 | Drop-off 2 |
| x 1 | a 1 | y 1 | |
| | Drop-off 1 | Drop-off 1 | |
| **4** | **4** = 3 + 1 | **3** = 2 + 1 | **2** = 1 + 1 |

With `start` a, step 1 is a 4, and step 2 is b 2, y 1, Drop-off 1.

<!-- checked -->
```text
2026-11-02 09:00 ana a session=1
2026-11-02 09:01 ana b session=1
2026-11-02 09:02 ana c session=1
2026-11-02 10:00 bo  a session=2
2026-11-02 10:01 bo  b session=2
2026-11-02 11:00 cy  a session=3
2026-11-02 12:00 di  x session=4
2026-11-02 12:01 di  a session=4
2026-11-02 12:02 di  y session=4

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "depth": 4}
steps.*.walks = [4, 4, 3, 2]
steps.0.nodes[name=a].count = 3
steps.1.nodes[name=b].count = 2
steps.1.nodes[kind=drop_off].count = 1
steps.3.nodes[kind=drop_off].count = 2

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "start": "a", "depth": 2}
steps.0.nodes.*.count = [4]
steps.1.nodes[name=b].count = 2
steps.1.nodes[name=y].count = 1
steps.1.nodes[kind=drop_off].count = 1
```

### People

`people` with `behind` lists whoever is at a node (`step`, `kind` and `name`) or takes a link (`to_kind`
and `to_name` besides), as many as the number says, where the unit is `person` and the count `uniques`.
Other numbers count sessions or walks. Cookieless visitors are somebody else every day; sessions are the
better unit where there are many.

### As other tools count

| `semantics` | unit | pause | count | nodes | shown | source |
|---|---|---|---|---|---|---|
| ours | session | – | uniques | event | 5 of 5 steps | |
| `mixpanel` | person | – | uniques: the first entry | event | 3 a step | *Flows* |
| `amplitude` | session | – | uniques, from the first instance, repeats are one | event | 5 | *Pathfinder*, *Journeys* |
| `posthog` | person | 30 minutes | occurrences: transitions, though its page also says users | event | 5 of 5 steps | *User paths* |
| `plausible` | person | – | uniques | path, one directory | 10 | *User journeys* |

An option that is given goes before the preset. What stays different: PostHog shows the 50 most frequent
transitions; Mixpanel may have several anchors; Plausible goes up to 20 steps. None of the four documents
that steps add up.
"""
