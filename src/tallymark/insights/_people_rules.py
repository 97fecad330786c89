"""The rules of the list of people."""

from typing import Final

RULES: Final = """
**Who is listed.** The people with an event that the series, filter and range choose, those whose last
such event is newest first; each is one row however many ids they have. `total` counts all of them,
and is the number of unique people that `trends` gives for the same series. An event that says nothing
of who did it lists nobody. With `behind`, exactly the people of one number of another insight are
listed, with all their events up to now.

**Who is found.** `search` keeps those of whom an id, or any text that was ever told for their profile,
contains the text, whether in capitals or not. All ids of a person count, also ones that did nothing in
the range, and so do links that came later.

**What is told.** `events`, `first_time` and `last_time` are of the listed events only. With
`profile_at`, the profile is the fold of what was told of all ids of the person up to that instant
(`now`: everything), in the order of its times; what was told late takes its place in the past.
`tallymark who` tells the rest of one person: every id and link, groups, and the profile as of a date.

**Pages.** A cursor holds the log position of its first page, so that pages fit together while events
arrive and ids are linked.

**Example.** A phone is used on Monday and Tuesday; on Tuesday it turns out to be Ana's, who also used a
laptop on Monday; Bo comes on Wednesday. The list of the week is Bo (1 event), then Ana (3 events, last
on Tuesday), and its total is 2. As of Monday its total was 2 as well: the phone with 1 event and Ana with
1. A search for `LAPT` gives Ana alone, with all 3 events.

<!-- checked -->
```text
2026-11-02 09:00 ~phone  open
2026-11-02 10:00 ~laptop open
2026-11-03 09:00 ~phone  open
~phone is ana
~laptop is ana
2026-11-04 09:00 bo      open

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}}
total = 2
people.*.user_ids = [["bo"], ["ana"]]
people.*.events = [1, 3]

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "search": "LAPT"}
people.*.events = [3]
```

**Other tools.** PostHog's list of people is of person profiles, which only identified events create, and
tells when somebody was last seen to the hour (PostHog, *People*); Mixpanel may take up to 24 hours to
merge ids. Here the list is as long as the number says, always, and of anonymous people too. Mixpanel
keeps the latest values of a profile; `profile_at` tells those of any day before.
""".strip()
