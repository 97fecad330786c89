"""The rules of the list of accounts."""

from typing import Final

RULES: Final = """
**What is listed.** The accounts (customers) with an event that the series, filter and range choose, the
one whose last such event is newest first. An event belongs to the account that it was sent with; one
without an account lists none. `total` counts all of them, and is the number of unique accounts that
`trends` gives for the same series. With `behind`, exactly the accounts of one number of another insight
are listed, with all their events up to now: of `trends` the accounts whose events a number counts,
of others the accounts that they count.

**What is found.** `search` keeps the accounts of which the id, or any text that was ever told for the
profile, contains the text, whether in capitals or not.

**What is told.** `events`, `people`, `first_time` and `last_time` are of the listed events only;
`people` are those who acted for the account, as known by now, each once. With `profile_at`, the profile
is the fold of what was told of the account up to that instant.

**Example.** Ana acts for Acme on Monday and Tuesday, Bo for Acme on Tuesday, Ana for Initech on
Wednesday. The list of the week is Initech (1 person, 1 event), then Acme (2 people, 3 events), and its
total is 2. A search for `acm` gives Acme alone.

**Other tools.** Mixpanel, Amplitude and PostHog sell groups as an add-on and count the people of a
group by its profile; here they are those who acted, so the list and the number are the same.
""".strip()
