"""The rules of the list of accounts."""

from typing import Final

RULES: Final = """
**What is listed.** The accounts (customers) with an event that the series, filter and range choose, the
one whose last such event is newest first. An event belongs to the account that it was sent with; one
without an account lists none. `total` counts all of them, and is the number of unique accounts that
`trends` gives for the same series. With `behind`, exactly the accounts of one number of another insight
are listed, with all their events up to now: of `trends` the accounts whose events a number counts,
of funnels, correlation, frequency, distribution, features, segments, cohorts and property_lifecycle the
accounts that they count.

**In which order.** `order_by` is the last or first of the listed events, or how many events or people
there are; the greatest or latest is first, with `ascending` the least. Accounts that are equal in it keep
one order through all pages.

**What is found.** `search` keeps the accounts of which the id, or any text that was ever told for the
profile, contains the text, whether in capitals or not.

**What is told.** `events`, `people`, `first_time` and `last_time` are of the listed events only;
`people` are those who acted for the account, as known by now, each once. With `profile_at`, the profile
is the fold of what was told of the account up to that instant.

**Example.** Ana acts for Acme on Monday and Tuesday, Bo for Acme on Tuesday, Ana for Initech on
Wednesday. The list of the week is Initech (1 person, 1 event), then Acme (2 people, 3 events), and its
total is 2. A search for `acm` gives Acme alone. In order of
`events`, Acme is first.

<!-- checked -->
```text
2026-11-02 09:00 ana open account=acme
2026-11-03 09:00 ana open account=acme
2026-11-03 10:00 bo  open account=acme
2026-11-04 09:00 ana open account=initech

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}}
total = 2
accounts.*.account = ["initech", "acme"]
accounts.*.people = [1, 2]
accounts.*.events = [1, 3]

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "search": "acm"}
accounts.*.account = ["acme"]

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "order_by": "events"}
accounts.*.account = ["acme", "initech"]
```

**Other tools.** Groups are a paid add-on of Mixpanel (*Group Analytics*), Amplitude (*Accounts*) and
PostHog (*Group analytics*). Amplitude has five types of groups a project, and its past events cannot be
put into groups later; here an account is whatever the event names, of the past too if it is loaded.
""".strip()
