"""The rules of the timeline of one person or account."""

from typing import Final

RULES: Final = """
**Whose.** One person, named by any of their ids (`user_id`, `anonymous_id`) or by the key that other
answers name them by (`person`), or one `account`. Of a person, all events of all their ids are told, as
known by now, also those from before a link; of an account the events that were sent with it, whoever
did them.

**What is listed.** Events of the range, newest first, in pages of so many *events*. Those of one session
on a page stand together, where the newest of them stands; events without a session stand alone. Each
session tells when its first and last event happened and how many it has in all, as far as the range
and filter choose them; `shown` are those on this page. A session that goes on on the next page is there
again with the rest.

**Example.** Ana uses her laptop at 9:00 and 9:10 (one session), her phone at 9:05 (another), and the
laptop again at 14:00. Her timeline is three sessions: 14:00 with 1 event; 9:10 and 9:00 with 2; 9:05
with 1. In pages of 2 events the first page has the 14:00 session and the laptop's with 1 of 2 events
shown, the second page the phone's and the other one of the laptop's.

<!-- checked -->
```text
2026-11-02 09:00 ana open session=laptop-1
2026-11-02 09:05 ana open session=phone-1
2026-11-02 09:10 ana open session=laptop-1
2026-11-02 14:00 ana open session=laptop-2

ask {"user_id": "ana"}
total = 4
total_sessions = 3
sessions.*.events = [1, 2, 1]

ask {"user_id": "ana", "limit": 2}
sessions.*.session = ["laptop-2", "laptop-1"]
sessions.*.events = [1, 2]
```

**The profile** of a person or account as of a date, all ids and links: `tallymark who`, or `people` and
`accounts` with `profile_at`.

**Other tools.** Mixpanel may show two people for up to 24 hours after their ids were linked; in Amplitude
two user ids are never one person. Here a link takes effect at once, on all that was before it too.
Matomo's visits end at midnight and at a new campaign; sessions here do not. Plausible has no timeline of
a person, by design.
""".strip()
