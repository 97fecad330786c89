"""What a correlation compares, for its reference page."""

from typing import Final

RULES: Final = """\
The tries are those of a [funnel](funnels.md), the best one of everybody, and only of those whose window
is over: of the others it is not known yet whether they convert. Those who came to the last step have
*converted*, all others have *dropped*. Compared are

- `property`: the values of fields of the event they entered with, the 50 commonest of each field. If
  `properties` are left out, those are the usual fields of an event and all custom properties, 60 in
  all.
- `event`: what else they did after the first step and before the last, or before the end of the window
  for those who dropped. Events that are a step are left out, as they would only say what a step is.
- `fact`: whether they are new, with no event before the first step; have a user id; have an account.

For each of these, four counts of people: converted and dropped, with it and without it. Of 30 people who
came by e-mail 20 converted, and of 40 others 10. The odds to convert are 20 to 10 with it and 10 to 30
without, so the **odds ratio** is (20 × 30) / (10 × 10) = 6. One means that it makes no difference. The
interval from 2.1 to 17.0 holds the true ratio 95 times in 100 (Woolf 1955; where one of the four is
zero, a half is added to each, after Haldane and Anscombe 1956), and chance alone shares out as many so
unevenly, or more, in 0.07 % of cases: the **p-value**, exact for any counts (Fisher 1935).

<!-- checked -->
```text
2026-11-02 09:00 m1..m30 visit from=mail
2026-11-02 09:00 a1..a40 visit from=ad
2026-11-02 10:00 m1..m20 buy
2026-11-02 10:00 a1..a10 buy

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "steps": ["visit", "buy"], "window": "1d", "properties": ["properties.from"],
  "events": false, "facts": false}
converted = 30
dropped = 40
factors[value=mail].odds_ratio = 6
factors[value=mail].low = 2.113803584
factors[value=mail].high = 17.030910666
factors[value=mail].p_value = 0.000655677
```

Of a hundred things that make no difference, five have a p-value below 0.05. So the p-values are corrected
for how many things are compared (`tested`). With `benjamini_hochberg`, of all that is called significant
at most one in twenty is so by chance; with `holm`, at most one answer in twenty has any that is. What
fewer than five people have, or have not, is not compared (`too_few`).

What goes together need not be a cause. Those who dropped were watched to the end of their window, those
who converted only until then; an event that many do sooner or later is commoner among those who were
watched longer, and seems to keep them from converting.

PostHog's correlation analysis gives odds ratios too, without an interval and without correction.
Mixpanel compares segments by the hypergeometric distribution, uncorrected.
"""
