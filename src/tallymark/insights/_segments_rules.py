"""What is compared, exactly: the page that people read to know what the numbers of segments mean."""

from typing import Final

RULES: Final = """A segment is a filter on events. Its people are all who have at least one event in the range that
satisfies the filter and the question's own; its numbers are measured of exactly those events. A
segment of `{"op": "in_cohort", "cohort": "power_users"}` is every event of the cohort's members.

**Side by side, not apart.** A person may be in several segments: somebody who used a phone and a
laptop is in both. `overlap` counts them, and its diagonal is the size of each segment. So sizes add up
to no total, and nothing here pretends that they do.

**By person.** For `unique_people` it is the share of the segment's people that count, with Wilson's
interval of 95 %. For `count` and `sum` it is how much a person of the segment has on average, those
with nothing included, with the interval of a mean over people: a person's events belong together, so
each person is one observation however many events there are. Fewer than five people give no interval.

**Difference.** That of each segment less that of the first, with Newcombe's interval (1998, method
10); if zero lies outside, the two differ more than chance would have it 19 times in 20. It is left out
where the two segments share people, because then they are not independent; and it holds for one
comparison, not for the best of many.

**An example.** In the range, 100 people used the phone and 20 of them bought; 200 used the desktop
and 20 bought; nobody used both. The shares are 0.2, between 0.133 and 0.289, and 0.1, between 0.066 and
0.149. The difference of the second to the first is −0.1, between −0.195 and −0.017: the phone sold
better.

<!-- checked -->
```text
2026-11-02 09:00 p1..p100 open path=/phone
2026-11-02 10:00 p1..p20  buy  path=/phone
2026-11-02 09:00 d1..d200 open path=/desk
2026-11-02 10:00 d1..d20  buy  path=/desk

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "series": [{"event": "buy", "measure": "unique_people"}], "segments": [
  {"filter": {"op": "equals", "field": "path", "value": "/phone"}},
  {"filter": {"op": "equals", "field": "path", "value": "/desk"}}]}
segments.*.people = [100, 200]
overlap = [[100, 0], [0, 200]]
measures.0.values.*.value = [20, 20]
measures.0.values.*.by_person.value = [0.2, 0.1]
measures.0.values.1.difference.value = -0.1
```

**Where other tools differ.** Mixpanel tells the significance of a difference between segments by a
hypergeometric test that is not corrected for how many segments are looked at; here each difference has
an interval in place of a test."""
