"""What the page of scroll says of its numbers."""

RULES = """\
A *view* is everything with the same `page_view_id` on one path, which [the browser
script](../../how-to/browser-script.md) gives to all it tells of one view. Without such an id it is one
page within one visit, however often it was opened there; without a visit, each event for itself. A view
counts if a page or screen view of it lies in the range and satisfies the filter. What is told of it
later counts too, also after the end of the range.

| number | what |
| --- | --- |
| `views`, `people` | all views of the page, or of all pages, and by how many people they are |
| `known` | the views that told how far they came: any event of the view has `scroll_depth`, a percent from 0 to 100 of which the greatest holds |
| `curve` | of the known views, how many came at least to 10 %, 20 % … 100 % of the page, with a [95 % interval](../../explanation/numbers.md#how-sure-a-share-is) that knows whose the views are, and how many people did in any of their views |
| `mean_percent` | the mean depth of the known views |
| `engaged_views` | the views that told how long they were read: `engaged_ms` (or GA4's `engagement_time_msec`), added up over the view |
| `mean_seconds`, `median_seconds` | of these, in seconds; the mean of the middle two if they are even in number |
| `pages` | the same of each page, those with most views first; `half` is how many known views came to the middle, with an interval like that |

The depth is the lower edge of what was seen, so a page that fits the window is read to 100 % at once. The
browser script tells nothing of views shorter than a second, so `known` may be far less than `views`: the
curve is of those who stayed at all. A view is by the first person known of its page views.

## An example

Ana opens `/pricing` and reads 30 seconds, to 60 %, then 10 more to 90 %; Bo reads 5 seconds to 25 %; Cy
is gone at once. Three views, of which two are known. All of them came to 20 %, one of two to 30 % and to
90 %, none to the end. Mean depth (90 + 25) / 2 = 57.5 %. Read: 40 and 5 seconds, mean and median 22.5.

<!-- checked -->
```text
2026-11-02 09:00 ana page_view kind=page path=/pricing page_view_id=v1
2026-11-02 09:01 ana page_ping kind=heartbeat path=/pricing page_view_id=v1 scroll_depth=60 engaged_ms=30000
2026-11-02 09:02 ana page_ping kind=heartbeat path=/pricing page_view_id=v1 scroll_depth=90 engaged_ms=10000
2026-11-02 09:00 bo  page_view kind=page path=/pricing page_view_id=v2
2026-11-02 09:01 bo  page_ping kind=heartbeat path=/pricing page_view_id=v2 scroll_depth=25 engaged_ms=5000
2026-11-02 09:00 cy  page_view kind=page path=/pricing page_view_id=v3

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "page": "/pricing"}
views = 3
people = 3
known = 2
mean_percent = 57.5
curve.*.views.count = [2, 2, 1, 1, 1, 1, 1, 1, 1, 0]
curve.1.views.value = 1
curve.8.people = 1
mean_seconds = 22.5
median_seconds = 22.5
pages.0.half.value = 0.5
```

## Other tools

Plausible takes the greatest depth of a visitor on a page and day and shows its mean; PostHog keeps the
depth of the page that was left on its next event; GA4 tells only whether 90 % was reached. What Plausible's
and GA4's tags send is read here too. None of them documents a rule for a whole curve that we know of, so
there is no `semantics`.
"""
