"""What the page of web says of its numbers."""

RULES = """\
Everything here is about *visits*: the [sessions](sessions.md) that start in the range, each whole, with
all of its events. So every number of a table can be reconciled with the others, and with `sessions`:

| number | what |
| --- | --- |
| `visits` | sessions that start in the range |
| `visitors` | different people with such a visit; a visit whose person is unknown counts as a visit alone |
| `page_views` | events of kind `page` or `screen` in these visits; `views_per_visit` is page_views / visits |
| `bounces`, `bounce_rate` | by the rule of `bounce`, as in `sessions`, with a [95 % interval](../../explanation/numbers.md#how-sure-a-share-is) that knows whose the visits are |
| `seconds_per_visit` | last event minus first, a visit of one event being 0 |
| `engaged_seconds_per_visit` | of the visits whose events carry engaged time; null if none does |

**Filters** choose visits: `filter` those with at least one event that satisfies it, `also` those with an
event, perhaps another, for each of its filters, `entry` those whose first view satisfies it, `exit` those
whose last view does. A row of a table comes with its `narrow`: put these fields into the question, and
`visits` and `visitors` of the whole are those of the row. Behind every row are its visitors.

| table | a visit is in the row of |
| --- | --- |
| `channels`, `referrers`, `utm_sources`, `utm_mediums`, `utm_campaigns`, `utm_terms`, `utm_contents` | what its first view came by: `channel`, `referrer_host`, `utm_source` … |
| `entry_pages`, `exit_pages` | the path of its first, of its last view |
| `countries`, `regions`, `cities`, `devices`, `browsers`, `operating_systems`, `languages`, `hosts` | what its first view says: `country`, `device_type`, `os`, `locale` … |
| `pages` | each path of which it has a view, so that one visit is in many rows |
| `goals` | each of the question's `goals` of which it has an event |

A visit without any view is told by its first event. Rows are those with most visitors, then visits, then
by value; the row of null is what is missing. Tables other than `pages` and `goals` are of each visit
once, so that all of their rows, with those not shown, add up to `visits`; visitors do not add up.

`pages` also tells how many visits began (`entries`) and ended (`exits`) there, engaged seconds a visit
that carries it, and `scroll_percent`, the mean over visits of how far each scrolled on that page at most.
A goal has its `events`, and a `conversion` rate: visitors with the goal by all visitors.

**What carries engaged time and scroll.** The numeric property `engaged_ms` of any event of the visit
(milliseconds, added up), which is what the browser script, Plausible's and Umami's scripts send; and
`scroll_depth` (percent from 0 to 100; the greatest of a page in a visit counts). What GA4's tags send as
`engagement_time_msec` is added up as well. Both belong to the `path` of the event that carries them.

`compare` gives the same headline numbers of an earlier range: `previous_period`, `same_weekdays` or
`previous_year`, as in `trends`.

## An example

Ana comes from a newsletter, views `/` and 5 seconds later `/prices`. Bo views `/` and signs up after 3
seconds. Cy views `/` alone. 3 visitors, 3 visits, 4 page views, 1.333… views a visit; Cy bounces: 33.3 %;
8 seconds in all, 2.666… a visit. `pages`: `/` has 3 visits, 3 entries, 2 exits; `/prices` 1 visit, no
entry, 1 exit. The goal `sign up`: 1 visitor of 3.

<!-- checked -->
```text
2026-11-02 10:00:00 ana view kind=page path=/ session=a utm_source=newsletter
2026-11-02 10:00:05 ana view kind=page path=/prices session=a
2026-11-02 10:00:00 bo  view kind=page path=/ session=b
2026-11-02 10:00:03 bo  signup session=b
2026-11-02 10:00:00 cy  view kind=page path=/ session=c

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "goals": ["signup"]}
numbers.visitors = 3
numbers.visits = 3
numbers.page_views = 4
numbers.bounces = 1
numbers.bounce_rate.value = 0.333333333
numbers.seconds_per_visit = 2.666666667
pages[value=/].visits = 3
pages[value=/].entries = 3
pages[value=/].exits = 2
pages[value=/prices].exits = 1
tables.utm_sources[value=newsletter].numbers.visits = 1
goals.0.conversion.value = 0.333333333
```

## Other tools

| `semantics` | sets | because |
| --- | --- | --- |
| `plausible` | `bounce: "plausible"` | at most one view and nothing interactive; the default here |
| `ga4` | `bounce: "ga4"` | one minus the share of engaged sessions; the goals are its key events |
| `posthog` | `bounce: "posthog"` | as its page on web analytics says it |

An option that the question states itself wins. Plausible counts views and visitors in the range, and a
visitor of two days twice, because its identity changes every midnight; here who is known by an id counts
once however long the range, and a visit over midnight counts with all of its views where it starts. What
Matomo and Mixpanel document of sessions is on the page of `sessions`.
"""
