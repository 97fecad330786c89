"""What the page of sessions says of its numbers."""

RULES = """\
A session is the events of one session id that the client sent, or, without one, the run of one actor's
events that loading made of pauses: more than 30 minutes without an event, or more than 24 hours in all,
begin a new one (both are settings). Late events are sorted in, so it does not matter in which order
events came. A session counts **once, where it starts**: with all of its events, also those after the
end of the range; one that began before the range is not in it. The `filter` chooses sessions: those
with at least one event that satisfies it, whole.

| number | what |
| --- | --- |
| `sessions`, `people` | how many sessions, and of how many different people; who it is, the first event of the session tells that knows it |
| `bounces`, `bounce_rate` | by the rule of `bounce`, see below; with a [95 % interval](../../explanation/numbers.md#how-sure-a-share-is) that knows whose the sessions are |
| `engaged`, `engaged_rate` | longer than 10 seconds, or two or more views, or an event of `key_events` (GA4); `engaged_rate` with an interval like that |
| `seconds` | last event minus first, in all; `mean_seconds`, `median_seconds` and `p90_seconds` of a session, a session of one event having 0 |
| `events`, `views` | in all, and `events_per_session`, `views_per_session` |

A view is an event of kind `page` or `screen`. A breakdown is by the value of the *entry*, which is the
first view of the session, or without any view its first event; `top` groups by sessions are shown, the
others are Other. `entry_pages` and `exit_pages` are the paths of the first and last view, with the
bounces of the sessions that began or ended there. The number of people of several buckets is no sum.

| `bounce` | a session bounces if |
| --- | --- |
| `plausible` (default) | it has at most one view, and nothing was done: no event of kind `track`, `revenue` or `interaction`, but those with the property `interactive: false` |
| `ga4` | it is not engaged |
| `posthog` | it has exactly one view, no `interaction`, and takes less than 10 seconds |
| `umami` | it has exactly one view; what else was done makes no difference |
| `matomo` | it has exactly one action: one view, or one event of kind `track`, `revenue` or `interaction` |

With `split_midnight` a local midnight of the question's zone ends every session.

## An example

Ana views `/` at 10:00:00 and `/prices` at 10:00:05. Bo views `/` and signs up 3 seconds later. Cy views
`/` and stays. Three sessions, 8 seconds in all, mean 2.666666667, median 3, p90 of 0, 3 and 5 is 4.6.
Bounces: by `plausible` Cy alone; by `umami` Bo and Cy; by `ga4` Bo and Cy (3 seconds, one view; no
bounce if signing up is a key event); by `posthog` Bo and Cy, because signing up is no `interaction`.

<!-- checked -->
```text
2026-11-02 10:00:00 ana view kind=page path=/ session=a
2026-11-02 10:00:05 ana view kind=page path=/prices session=a
2026-11-02 10:00:00 bo  view kind=page path=/ session=b
2026-11-02 10:00:03 bo  signup session=b
2026-11-02 10:00:00 cy  view kind=page path=/ session=c

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}}
groups.0.total.sessions = 3
groups.0.total.bounces = 1
groups.0.total.seconds = 8
groups.0.total.mean_seconds = 2.666666667
groups.0.total.median_seconds = 3
groups.0.total.p90_seconds = 4.6

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "bounce": "umami"}
groups.0.total.bounces = 2

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "bounce": "ga4", "key_events": ["signup"]}
groups.0.total.bounces = 1

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "bounce": "posthog"}
groups.0.total.bounces = 2
```

## Other tools

| `semantics` | sets | because |
| --- | --- | --- |
| `plausible` | `bounce: "plausible"` | the documented rule; the default here |
| `ga4` | `bounce: "ga4"` | bounce rate is one minus engagement rate; midnight ends no session |
| `posthog` | `bounce: "posthog"` | as the page on web analytics says it; `$is_bounce` is documented otherwise |
| `mixpanel` | `split_midnight: true` | sessions end at midnight of the project's zone; of bounces we know no rule of it, so that stays the question's |

An option that the question states itself wins over the preset. Matomo also begins a visit at a new
campaign, which sessions here do not, so there is `bounce: "matomo"` and no preset of that name. Amplitude
ends sessions on the web after 30 minutes and on phones after 5: those are settings of its SDKs, whose
session ids are taken as they come.
"""
