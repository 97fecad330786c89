"""What the page of forms says of its numbers."""

RULES = """\
A *form* is what has one name on one page: the `form_id` of `form_start` and `form_submit`, else the
`form_name`, else none. [The browser script](../../how-to/browser-script.md) says `form_start` at the
first input into a form in a view, and `form_submit` when the browser lets it be sent: its own checks of
required fields have passed, what the server says to it is not known. Values are never sent.

An *attempt* is a form in one view of its page, by `page_view_id`; without such an id, in one visit;
without a visit, one event. Within an attempt it counts once that it was started and that it was sent.

| number | what |
| --- | --- |
| `seen` | views of the page that the form is on, with those in which it was used. The script does not tell whether a form was on the screen, so this is the most that can have seen it |
| `started` | attempts in which anything was put in or it was sent; `start` is their share of `seen`, without an interval: whose views they are that nobody used the form in is not looked up |
| `sent` | attempts in which it was sent; `completion` is their share of `started`, with a [95 % interval](../../explanation/numbers.md#how-sure-a-share-is) that knows whose the attempts are |
| `left` | started − sent: the drop-off |
| `median_seconds` | from the first start to the first sending after it, of the attempts that have both; the mean of the middle two if they are even in number |
| `people` | who saw, started and sent it in any attempt; who `left` started it in the range and never sent it |

What happened in the range counts; an attempt that was begun before it and sent within it is one that was
sent. The filter holds for all events. Forms with most attempts come first, then by page and name.

## An example

Ana, Bo and Cy view `/join`. Ana starts at 9:00:00 and sends at 9:01:30; Bo starts and leaves, comes back,
starts again and sends after 30 seconds; Cy looks only. Seen 4 times, started 3 times, sent twice: completed
66.7 %, left 1. The times are 90 and 30 seconds, median 60. Nobody left for good.

<!-- checked -->
```text
2026-11-02 09:00 ana page_view kind=page path=/join page_view_id=v1
2026-11-02 09:00:00 ana form_start path=/join page_view_id=v1 form_id=join
2026-11-02 09:01:30 ana form_submit path=/join page_view_id=v1 form_id=join
2026-11-02 09:00 bo page_view kind=page path=/join page_view_id=v2
2026-11-02 09:01 bo form_start path=/join page_view_id=v2 form_id=join
2026-11-02 10:00 bo page_view kind=page path=/join page_view_id=v3
2026-11-02 10:01:00 bo form_start path=/join page_view_id=v3 form_id=join
2026-11-02 10:01:30 bo form_submit path=/join page_view_id=v3 form_id=join
2026-11-02 09:00 cy page_view kind=page path=/join page_view_id=v4

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}}
forms.0.form = "join"
forms.0.seen = 4
forms.0.start.count = 3
forms.0.completion.count = 2
forms.0.completion.value = 0.666666667
forms.0.left = 1
forms.0.median_seconds = 60
forms.0.people.seen = 3
forms.0.people.left = 0
```

## Other tools

GA4's enhanced measurement says `form_start` at the first interaction in a session and `form_submit`;
reports of completion are built by hand there. Form analytics of other tools watch single fields, which is
not done here. None documents a rule we know of that could be asked for by name, so there is no `semantics`.
"""
