"""What the page of features says of its numbers."""

RULES = """\
A *feature* is each value of a field, by default each event by its name (`by: "properties.feature"` if
one event tells of all features), or what the `features` of the question name: events with filters, of
which one event may be several. `active` people are those with any event in the range that satisfies the
question's filter, whatever they did; so who uses a feature is always one of them.

| number | what |
| --- | --- |
| `uses`, `people`, `accounts` | events in the range, and by how many |
| `adoption` | people / active people, with a 95 % interval (Wilson); `account_adoption` the same of accounts |
| `uses_per_person` | depth: uses by somebody known / people |
| `new_people` | who used it in the range for the first time ever |
| `median_seconds_to_first_use` | of the new people: from the first time they were seen at all to their first use; the mean of the middle two if they are even in number |
| `last_time` | the last use in the range |

`breadth` tells how many different features people use: for 0, 1, 2 … features how many of the active
people, `mean_breadth` how many on average. `account_uses` are the accounts with most uses of each shown
feature, with first and last use in the range: an account whose last use is long ago is about to go.

Features are ordered by people, then by uses, then by name; `top` are shown, `breadth` is of all of them.
History before the range decides who is new; events by nobody known count in `uses` alone.

## An example

In a week Ana exports twice and shares once, Bo exports once, Cy only looks. Three are active. Export: 3
uses, 2 people, adoption 66.7 %, 1.5 uses a person. Share: 1 use, 1 person, 33.3 %. Breadth: 0 features
Cy, 1 Bo, 2 Ana; on average 1.

Bo was first seen on Monday 9:00 and exported first on Wednesday 9:00; Ana has exported for a year, so
only Bo is new, and the median time to first use is 172,800 seconds.

<!-- checked -->
```text
2025-11-02 09:00 ana export
2026-11-02 09:00 ana export x2
2026-11-02 09:00 ana share
2026-11-02 09:00 bo  look
2026-11-04 09:00 bo  export
2026-11-03 09:00 cy  look

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "features": ["export", "share"]}
active_people = 3
features.*.feature = ["export", "share"]
features.*.uses = [3, 1]
features.*.people = [2, 1]
features.0.adoption.value = 0.666666667
features.0.uses_per_person = 1.5
features.0.new_people = 1
features.0.median_seconds_to_first_use = 172800
breadth.*.people.count = [1, 1, 1]
mean_breadth = 1
```

## Other tools

Who is active differs: in Amplitude events can be declared inactive, and who did nothing else is no active
user; here that is what the question's filter is for. None of the tools whose rules can be asked for by name
documents a rule of adoption that we know of, so there is no `semantics`. Who never uses a feature has no time to first use: the median is of those who did, and
of a young feature it is shorter than it will be.
"""
