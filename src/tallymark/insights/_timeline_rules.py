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

**The profile** of a person or account as of a date, all ids and links: `tallymark who`, or `people` and
`accounts` with `profile_at`.

**Other tools.** Mixpanel and PostHog show the events of a person that were merged in time for it; here a
link that comes later takes effect at once. Matomo lists visits, which end at midnight; sessions here do
not.
""".strip()
