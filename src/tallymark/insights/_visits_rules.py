"""The rules of the list of sessions."""

from typing import Final

RULES: Final = """
**What is listed.** The sessions with at least one event that the series, filter and range choose, the
one that started last first. `total` counts all of them, and is the number that the measure `sessions` of
`trends` gives for the same series. With `behind`, exactly the sessions of one number of another insight
are listed: of `sessions` and `web` those that start in the range, of `trends` and `segments` those with an
event that a number counts, of funnels, correlation, paths, frequency and distribution, asked by session,
the sessions that they count. With `person`, `user_id`, `anonymous_id` or `account` only sessions with an
event of theirs are listed; of the same range they are as many as the `total_sessions` of their `timeline`.

**What is told.** Each session *whole*, also what lies outside the range, or is not what was chosen: its
first and last event, the time between them, how many events and views it has. Events of robots are left
out unless they are asked for; behind a number they are in it if the number counts them. `person` is who
the first event tells that knows it, as known by now; the ids and the account are the first that an event
names. The *entry* is the first view (an event of kind `page` or `screen`), the *exit* the last one, and
without any view the first and last event; source, campaign, device and country are those of the entry.

**What is found.** `search` keeps the sessions with an event of a person or account that the same text
finds in the list of `people` or of `accounts`, and those whose own id, as the client gave it, contains
it. `entry` and `exit` are filters that the entry or the exit has to satisfy. `bounced` keeps those that
bounce, or those that do not, by the rule of `bounce`; the rules are on the page of `sessions`.

**Where midnight ends a session** (`split_midnight` of `sessions`) its parts are not listed: a part is no
session of its own.

**Example.** Ana reads `/` and `/prices` on Monday morning, coming from a newsletter, and only `/` in the
afternoon. Bo signs up for Acme just before midnight, and goes on for a minute. The list of Monday has
three sessions, Bo's first, with 2 events and 120 seconds, although one of them is of Tuesday. Ana's
afternoon bounces. Whoever asks for her sessions gets two, and a search for `acm` gives Bo's.

<!-- checked -->
```text
2026-11-02 09:00:00 ana view kind=page path=/ utm_source=newsletter session=a1
2026-11-02 09:00:05 ana view kind=page path=/prices session=a1
2026-11-02 15:00:00 ana view kind=page path=/ session=a2
2026-11-02 23:59:00 bo  signup account=acme session=b1
2026-11-03 00:01:00 bo  invite account=acme session=b1

ask {"range": {"since": "2026-11-02", "until": "2026-11-03"}}
total = 3
visits.*.session = ["b1", "a2", "a1"]
visits.*.seconds = [120, 0, 5]
visits.*.events = [2, 1, 2]
visits.*.bounced = [false, true, false]
visits.*.exit_page = [null, "/", "/prices"]
visits.2.utm_source = "newsletter"

ask {"range": {"since": "2026-11-02", "until": "2026-11-03"}, "user_id": "ana"}
visits.*.session = ["a2", "a1"]

ask {"range": {"since": "2026-11-02", "until": "2026-11-03"}, "search": "acm"}
visits.*.session = ["b1"]

ask {"behind": {"insight": "sessions", "question":
     {"range": {"since": "2026-11-03", "until": "2026-11-04"}}, "place": {}}}
total = 0
```

The last question is empty, because `sessions` counts a session on the day it starts; `trends` counts
Bo's on Tuesday too, where it has an event.

**Other tools.** Matomo's visitor log lists visits with the actions of each, and its segments are what a
filter is here. Umami lists sessions, which are its visitors of a month; what it calls a visit is a session
here.
""".strip()
