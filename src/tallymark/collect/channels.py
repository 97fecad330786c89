"""Which marketing channel brought a use, from its referrer and campaign.

The first rule that holds decides:

| # | if | then |
|---|---|---|
| 1 | the medium is display, banner, cpm …, or the click id is of a display network | display |
| 2 | the medium says paid (cpc, ppc, paid…), and the source is a search engine | paid_search |
| 3 | the same, and the source is a social network | paid_social |
| 4 | the click id is of a search advertiser (gclid, msclkid …), or of an unknown one | paid_search |
| 5 | the click id is of a social advertiser (ttclid, twclid …) | paid_social |
| 6 | the medium or source says e-mail, or the referrer is a web mailer | email |
| 7 | the medium says affiliate | affiliate |
| 8 | the medium says organic, or the source is a search engine | organic_search |
| 9 | the medium says social, or the source is a social network | organic_social |
| 10 | the medium says referral, or the source is some other host | referral |
| 11 | there is a campaign that none of these knows | other |
| 12 | the referrer is the page's own host | internal |
| 13 | there is a referrer | referral |
| 14 | there is nothing | direct |

The *source* is ``utm_source``, or the referrer's host if there is none. A campaign counts even when
the referrer is the page's own host. ``fbclid`` and ``igshid`` prove no payment: they are put on
every outgoing link.
"""

import re
from typing import Literal, TypeAlias

Channel: TypeAlias = Literal[
    "direct", "organic_search", "paid_search", "organic_social", "paid_social", "email",
    "referral", "display", "affiliate", "internal", "other",
]  # fmt: skip

_ENGINES = frozenset(
    [
        "google",
        "bing",
        "yahoo",
        "yandex",
        "duckduckgo",
        "baidu",
        "ecosia",
        "qwant",
        "startpage",
        "brave",
        "naver",
        "seznam",
        "sogou",
        "daum",
        "aol",
        "ask",
        "so",
        "haosou",
        "swisscows",
        "mojeek",
        "kagi",
        "lycos",
        "rambler",
        "dogpile",
        "presearch",
    ]
)
_ENGINE_HOSTS = frozenset(
    {"search.brave.com", "search.naver.com", "search.seznam.cz", "ya.ru", "cn.bing.com",
     "com.google.android.googlequicksearchbox", "search.aol.com", "www.so.com", "so.com"}
)  # fmt: skip
# docs.google.com is no search; www., images., m., de. and de.search. are.
_ENGINE_HOST = re.compile(
    r"(?:(?:www\d?|m|images|search|[a-z]{1,2}|[a-z]{1,2}\.search)\.)?"
    r"(google|bing|yahoo|yandex|duckduckgo|baidu|ecosia|qwant|startpage|naver|seznam|sogou|daum|aol|ask"
    r"|haosou|swisscows|mojeek|kagi|lycos|rambler|dogpile|presearch)\.[a-z]{2,4}(?:\.[a-z]{2})?"
)

_SOCIAL = frozenset(
    [
        "facebook",
        "fb",
        "instagram",
        "ig",
        "twitter",
        "x",
        "linkedin",
        "pinterest",
        "reddit",
        "tiktok",
        "youtube",
        "snapchat",
        "threads",
        "bluesky",
        "mastodon",
        "vk",
        "vkontakte",
        "weibo",
        "wechat",
        "telegram",
        "whatsapp",
        "discord",
        "quora",
        "tumblr",
        "xing",
        "hackernews",
        "line",
    ]
)
_SOCIAL_HOSTS = (
    "facebook.com", "fb.com", "fb.me", "messenger.com", "instagram.com", "twitter.com", "x.com",
    "t.co", "linkedin.com", "lnkd.in", "pinterest.com", "pin.it", "reddit.com", "redd.it",
    "tiktok.com", "youtube.com", "youtu.be", "snapchat.com", "threads.net", "threads.com",
    "bsky.app", "mastodon.social", "vk.com", "ok.ru", "weibo.com", "weibo.cn", "wechat.com",
    "t.me", "telegram.org", "telegram.me", "whatsapp.com", "wa.me", "discord.com", "quora.com",
    "tumblr.com", "xing.com", "news.ycombinator.com", "line.me", "plus.google.com", "com.reddit.frontpage",
)  # fmt: skip
_MAIL_HOSTS = (
    "mail.google.com", "com.google.android.gm", "outlook.live.com", "outlook.office.com",
    "outlook.office365.com", "mail.yahoo.com", "mail.proton.me", "mail.ru", "mail.aol.com",
    "webmail.aol.com", "navigator-bs.gmx.net", "3c.gmx.net", "webmail.web.de", "mail.qq.com",
)  # fmt: skip

_DISPLAY = frozenset({"display", "banner", "expandable", "interstitial", "cpm", "programmatic"})
_PAID = re.compile(
    r"(?:cp[acv]|ppc|sem|retargeting|remarketing|paid.*|.*[-_. ](?:cp[acv]|ppc|paid))"
)
_EMAIL = frozenset({"email", "e-mail", "e_mail", "e mail", "newsletter", "mail"})
_AFFILIATE = frozenset({"affiliate", "affiliates", "partner"})
_SOCIAL_MEDIUM = frozenset(
    {"social", "social-network", "social_network", "social-media", "social_media", "social network",
     "social media", "sm"}
)  # fmt: skip
_REFERRAL = frozenset({"referral", "link", "app", "website"})
_CLICKS: dict[str, Channel | None] = {
    "dclid": "display",
    "ttclid": "paid_social",
    "twclid": "paid_social",
    "li_fat_id": "paid_social",
    "rdt_cid": "paid_social",
    "epik": "paid_social",
    "sccid": "paid_social",
    "fbclid": None,
    "igshid": None,
    "igsh": None,
}


def channel(
    referrer_host: str | None,
    page_host: str | None,
    *,
    utm_source: str | None = None,
    utm_medium: str | None = None,
    click_id: str | None = None,
) -> Channel:
    """Return the channel by the first rule of the table that holds.

    ``click_id`` is an advertiser's click id, alone or after its parameter name: ``gclid:Cj0…``.
    """
    host, medium = _clean(referrer_host), _clean(utm_medium)
    source = _clean(utm_source) or host
    campaign = bool(_clean(utm_source) or medium)
    found = _paid(source, medium, _clean(click_id)) or _unpaid(source, medium)
    if found is not None:
        return found
    if campaign:
        return "referral" if medium in _REFERRAL or "." in source else "other"
    if not host:
        return "direct"
    return "internal" if _bare(host) == _bare(_clean(page_host)) else "referral"


def _paid(source: str, medium: str, click_id: str) -> Channel | None:
    click = _click(click_id) if click_id else None
    if medium in _DISPLAY or click == "display":
        return "display"
    if _PAID.fullmatch(medium):
        if _is_search(source):
            return "paid_search"
        if _is_social(source):
            return "paid_social"
    return click


def _unpaid(source: str, medium: str) -> Channel | None:
    if medium in _EMAIL or source in _EMAIL or _under(source, _MAIL_HOSTS):
        return "email"
    if medium in _AFFILIATE:
        return "affiliate"
    # A paid medium of an unknown source is none of the organic channels.
    if _PAID.fullmatch(medium):
        return "other"
    if medium == "organic" or _is_search(source):
        return "organic_search"
    if medium in _SOCIAL_MEDIUM or _is_social(source):
        return "organic_social"
    return None


def _click(click_id: str) -> Channel | None:
    name = re.split(r"[:=]", click_id, maxsplit=1)[0]
    return _CLICKS.get(name, "paid_search")


def _is_search(source: str) -> bool:
    return source in _ENGINES or source in _ENGINE_HOSTS or bool(_ENGINE_HOST.fullmatch(source))


def _is_social(source: str) -> bool:
    return source in _SOCIAL or _under(source, _SOCIAL_HOSTS)


def _under(host: str, known: tuple[str, ...]) -> bool:
    return host in known or host.endswith(tuple("." + name for name in known))


def _bare(host: str) -> str:
    return host.removeprefix("www.")


def _clean(text: str | None) -> str:
    return (text or "")[:200].strip().lower()
