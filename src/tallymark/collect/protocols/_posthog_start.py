"""What PostHog's clients ask for before and beside sending: how to send, and flags there are none of.

Nothing of it depends on who asks, so it takes no key and costs nothing. The browser waits for its
configuration before it records clicks by itself, and for its flags before pages that depend on them
go on.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from tallymark.collect.protocol import Endpoint, Reply, Request
from tallymark.core.settings import Settings

_CONFIG: Final[dict[str, Any]] = {
    "supportedCompression": ["gzip", "gzip-js"],
    "analytics": {"endpoint": "/i/v0/e/"},
    "autocapture_opt_out": False,
    "elementsChainAsString": True,
    "defaultIdentifiedOnly": True,
    # Pages may wait for flags, so the browser is let ask and told that there are none.
    "hasFeatureFlags": True,
    # Each of these would only make it fetch a script that is not here, or send what is not kept. A
    # page that has the script can switch it on in its own options. Surveys are not even denied: that
    # too makes it fetch their script.
    "heatmaps": False,
    "captureDeadClicks": False,
    "capturePerformance": False,
    "autocaptureExceptions": False,
    "errorTracking": {"autocaptureExceptions": False},
    "sessionRecording": False,
    "productTours": False,
    "conversations": False,
    "siteApps": [],
    "isAuthenticated": False,
    "toolbarParams": {},
}
_TOKEN = re.compile(r"[\w.:-]{1,200}")
# For a page view after another it need not be asked again; a new version is noticed soon.
_KEPT: Final = (("Cache-Control", "public, max-age=300"),)
_DEFINITIONS: Final[dict[str, Any]] = {"flags": [], "group_type_mapping": {}, "cohorts": {}}
_ASSIGNED: Final = (
    "(function(w){{w._POSTHOG_REMOTE_CONFIG=w._POSTHOG_REMOTE_CONFIG||{{}};"
    "w._POSTHOG_REMOTE_CONFIG[{token}]={{config:{config},siteApps:[]}};}})(window);\n"
)


def config(_request: Request, _settings: Settings) -> Reply:
    """Return how the browser is to send."""
    return _json(_CONFIG, headers=_KEPT)


def config_script(request: Request, _settings: Settings) -> Reply:
    """Return the same as a script, which the browser tries first."""
    token = request.params.get("token", "")
    if not _TOKEN.fullmatch(token):
        return _json({"type": "validation_error", "detail": "This is no key."}, status=404)
    script = _ASSIGNED.format(token=json.dumps(token), config=json.dumps(_CONFIG))
    return Reply(200, script.encode(), "application/javascript", _KEPT)


def flags(request: Request, _settings: Settings) -> Reply:
    """Return that there are no flags, in the shapes of the old and the new clients at once."""
    none = {
        "flags": {},
        "featureFlags": {},
        "featureFlagPayloads": {},
        "errorsWhileComputingFlags": False,
        "evaluatedAt": request.received_at // 1000,
    }
    # Clients of the older address take their configuration from it too.
    return _json({**_CONFIG, **none} if "/decide" in request.path else none)


def _always(body: Any) -> Callable[[Request, Settings], Reply]:
    return lambda _request, _settings: _json(body)


def _json(body: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(status, json.dumps(body).encode(), headers=headers)


ENDPOINTS: Final = (
    Endpoint("GET", "/array/{token}/config", config),
    Endpoint("GET", "/array/{token}/config.js", config_script),
    Endpoint("POST", "/flags", flags),
    Endpoint("POST", "/decide", flags),
    Endpoint("GET", "/flags/definitions", _always(_DEFINITIONS)),
    Endpoint("GET", "/api/feature_flag/local_evaluation", _always(_DEFINITIONS)),
    Endpoint("GET", "/api/projects/{project}/feature_flags/{key}/remote_config", _always(None)),
    Endpoint("GET", "/api/surveys", _always({"surveys": []})),
    Endpoint("GET", "/api/web_experiments", _always({"experiments": []})),
    Endpoint("GET", "/api/product_tours", _always({"product_tours": []})),
    Endpoint("GET", "/api/early_access_features", _always({"earlyAccessFeatures": []})),
)
