"""What the page of frustration says of its numbers."""

RULES = """\
A *rage click* is `rage_click`, a *dead click* `dead_click`, as [the browser
script](../../how-to/browser-script.md) sends them: three clicks within a second and 30 pixels, and a press
on something that looks as if it did something, after which nothing changed, moved or loaded within a
second. `rage` and `dead` may name what another tool calls so, such as `$rageclick`. A fourth click of one
burst begins the next three, so a burst of six is two rage clicks. One event can be both.

| number | what |
| --- | --- |
| `rage`, `dead` | such clicks in the range |
| `people` | who made any of them, of those who viewed a page or made one, with a 95 % interval (Wilson) |
| `visits` | the same of visits, with a [95 % interval](../../explanation/numbers.md#how-sure-a-share-is) that knows whose they are; events without one are in none |
| `clicks_per_thousand_visits` | 1000 × (rage + dead) / visits that viewed a page or made such a click |
| `pages` | the clicks by page; the people are of those who viewed that page or clicked so on it |
| `elements` | the clicks by page and element, which is the `selector` of what was clicked: at most five levels of tags, ids and first classes |

The filter holds for views and clicks alike. Rows with most such clicks come first, then those with most
people, then by name; `top` are shown of each table, and the numbers of the whole are of all. Somebody
nobody knows clicks, and is none of the people.

## An example

Ana, Bo and Cy view `/pricing`. Ana rages twice at `button#buy` and presses it once in vain; Bo presses it
in vain. On the page there are 2 rage and 2 dead clicks by 2 of 3 people; all are on one element.

<!-- checked -->
```text
2026-11-02 09:00 ana page_view kind=page path=/pricing session=s1
2026-11-02 09:01 ana rage_click x2 path=/pricing session=s1 selector="button#buy"
2026-11-02 09:02 ana dead_click path=/pricing session=s1 selector="button#buy"
2026-11-02 09:00 bo  page_view kind=page path=/pricing session=s2
2026-11-02 09:02 bo  dead_click path=/pricing session=s2 selector="button#buy"
2026-11-02 09:00 cy  page_view kind=page path=/pricing session=s3

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}}
rage = 2
dead = 2
people.count = 2
people.of = 3
visits.value = 0.666666667
clicks_per_thousand_visits = 1333.333333333
pages.0.people.count = 2
elements.0.element = "button#buy"
elements.0.rage = 2
elements.0.people = 2
```

## Other tools

Where a rage click begins differs from tool to tool, in how many clicks, within how long and how near:
what PostHog calls `$rageclick` and Mixpanel `$mp_rage_click` are counted as they were sent. No tool documents a rule of the shares that we know of, so there is no
`semantics`.
"""
