"""What the page of heat says of its numbers."""

RULES = """\
`heat_points` tells the clicks of one view of a page, where [the browser
script](../../how-to/browser-script.md) is asked for them by `data-heatmap`: for each its `x` in thousandths
of the page's width, its `y` in pixels from the top of the page, and the element clicked. At most 200 of a
view are sent, and no picture of the page.

The width is parted into `columns`, the height into bands of `band` pixels. A click is in column
⌊x × columns / 1000⌋, one at the right edge in the last, and in band ⌊y / band⌋. `cells` are those that
have clicks, with how many people made them. Clicks beyond the first `bands` are counted in `below` and in
the elements, and are in no cell. What is no point (`x` beyond 0 to 1000, `y` below 0 or beyond a million)
is left out.

`elements` are ranked by clicks, then people, then name; `share` is of all clicks; the first `top` are
shown of `element_count`.

A page looks different on a telephone: narrow the question, such as with the filter that `device_type`
is `mobile`, or that `properties.width` is between 300 and 500.

## An example

On `/` Ana clicks twice at the left top on `a#logo` and once at the right edge, 250 pixels down, on
`button#buy`; Bo clicks there too. With 2 columns and bands of 100 pixels: cell (0, 0) has 2 clicks by one
person, cell (1, 2) has 2 by two. The elements have 2 clicks each; the one of two people comes first.

<!-- checked -->
```text
2026-11-02 09:00 ana heat_points path=/ points=[[10,20,0],[12,25,0],[1000,250,1]] selectors="[\\"a#logo\\",\\"button#buy\\"]"
2026-11-02 09:00 bo  heat_points path=/ points=[[900,299,0]] selectors="[\\"button#buy\\"]"

ask {"range": {"since": "2026-11-02", "until": "2026-11-09"}, "page": "/", "columns": 2}
clicks = 4
people = 2
cells.*.clicks = [2, 2]
cells.*.people = [1, 2]
cells.1.column = 1
cells.1.band = 2
elements.*.element = ["button#buy", "a#logo"]
elements.0.share = 0.5
```

## Other tools

Tools that draw clicks on a picture of the page, as Matomo and PostHog do, smooth them over their
neighbours; here a cell has the clicks that fell into it, so the numbers add up. None documents a rule we know of that could be asked for by
name, so there is no `semantics`.
"""
