"""Every setting, with its default, its limits and its meaning; the reference page is made from here.

Sources, each above the one before: defaults, ``tallymark.toml`` in the data folder or the working
folder, environment (``TALLYMARK_<NAME>``), command-line flags.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from .errors import TallymarkError
from .registry import did_you_mean

MIB = 1024 * 1024
_ENV = "TALLYMARK_"
_LISTS = frozenset({"trusted_proxies", "mixpanel_groups"})


def _size(text: str) -> Meta:
    return Meta(description=text, ge=1)


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """How one installation runs. Sizes are bytes, durations are in the unit of the name."""

    data: Annotated[str, Meta(description="Folder that holds the catalog and every project.")] = (
        "data"
    )
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Meta(description="TCP port to listen on; 0 takes a free one.", ge=0, le=65535)
    ] = 8410
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(description="Networks whose X-Forwarded-For and X-Forwarded-Prefix are believed."),
    ] = ()
    root_path: Annotated[
        str,
        Meta(
            description="Path below which a proxy that says none serves the pages, such as /stats.",
            pattern="^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$",
            max_length=200,
        ),
    ] = ""
    metrics_public: Annotated[
        bool,
        Meta(description="Serve /metrics without a key to any address, not just this machine."),
    ] = False

    max_body_bytes: Annotated[int, _size("Largest request body, as sent.")] = 10 * MIB
    max_inflated_bytes: Annotated[int, _size("Largest request body after decompression.")] = (
        10 * MIB
    )
    max_inflate_ratio: Annotated[
        int, _size("Largest inflated size, as a multiple of what was sent, once over 1 MiB.")
    ] = 100
    max_batch_events: Annotated[
        int, Meta(description="Most events in one request.", ge=1, le=60_000)
    ] = 10_000
    max_event_bytes: Annotated[int, _size("Largest single event, as JSON.")] = MIB
    max_depth: Annotated[
        int, Meta(description="Deepest nesting inside properties.", ge=1, le=64)
    ] = 8
    max_properties: Annotated[int, _size("Most properties on one event.")] = 500
    max_key_bytes: Annotated[int, _size("Longest property name.")] = 200
    max_name_bytes: Annotated[int, _size("Longest event name.")] = 200
    max_id_bytes: Annotated[
        int, _size("Longest event, user, anonymous, account or session id.")
    ] = 200
    max_failed_bytes: Annotated[int, _size("Most bytes kept of something refused.")] = 64 * 1024
    max_future_seconds: Annotated[
        int, _size("How far ahead of the server an event time may lie.")
    ] = 86_400
    skew_seconds: Annotated[
        int, _size("Clock skew of a client from which its times are repaired.")
    ] = 1
    skew_limit_days: Annotated[
        int, _size("Clock skew beyond which a sent time is not believed.")
    ] = 30
    account_group: Annotated[
        str,
        Meta(description="Group type of other tools' SDKs that is the account, such as company."),
    ] = ""
    mixpanel_groups: Annotated[
        tuple[str, ...], Meta(description="Mixpanel properties that are group keys.")
    ] = ()
    default_currency: Annotated[
        str,
        Meta(
            description="ISO 4217 currency of revenue for which an SDK names none.",
            pattern="^([A-Z]{3})?$",
        ),
    ] = ""
    key_cache_seconds: Annotated[
        int, _size("How long a checked key stays valid while the catalog is away.")
    ] = 3600

    max_connections: Annotated[int, _size("Open connections, beyond which new ones get 503.")] = (
        1000
    )
    header_seconds: Annotated[int, _size("How long a client may take to send its headers.")] = 10
    min_body_rate: Annotated[
        int, _size("Slowest body, in bytes per second, after the first ten seconds.")
    ] = 1024
    max_header_bytes: Annotated[int, _size("Largest request head.")] = 32 * 1024

    log_group_bytes: Annotated[int, _size("Most payload in one group commit.")] = 2 * MIB
    log_queue_bytes: Annotated[
        int, _size("Most payload waiting for the disk, beyond which requests get 503.")
    ] = 64 * MIB
    log_keep_days: Annotated[
        int,
        Meta(
            description="Days a batch stays in the log, by receipt; it goes only once a backup "
            "holds it. 0 keeps all.",
            ge=0,
        ),
    ] = 0
    log_trim_seconds: Annotated[
        int,
        _size(
            "How often batches of the log and failed events are searched for that need not stay."
        ),
    ] = 3600
    failed_keep_days: Annotated[
        int,
        Meta(
            description="Days what was sent of a failed event stays in the store, by receipt; why it "
            "failed stays. 0 keeps all.",
            ge=0,
        ),
    ] = 30
    disk_reserve_bytes: Annotated[int, _size("Free space below which collection answers 503.")] = (
        256 * MIB
    )
    retry_after_seconds: Annotated[
        int, _size("What Retry-After says when we cannot take more.")
    ] = 5

    load_batch_events: Annotated[int, _size("Most events in one store commit.")] = 20_000
    store_memory_bytes: Annotated[int, _size("Memory of the store engine.")] = 512 * MIB
    store_threads: Annotated[
        int, Meta(description="Threads of the store engine; 0 takes one a core.", ge=0)
    ] = 0
    question_seconds: Annotated[int, _size("Longest a question may run.")] = 60
    question_memory_bytes: Annotated[int, _size("Memory of one operator of a question.")] = (
        256 * MIB
    )
    question_rows: Annotated[int, _size("Most rows a question may return.")] = 100_000
    sql_seconds: Annotated[int, _size("Longest a question in SQL may run.")] = 30
    sql_memory_bytes: Annotated[
        int, _size("Most memory, as addresses, of the process of a question in SQL.")
    ] = 1024 * MIB
    kept_answer_bytes: Annotated[
        int, _size("Room for answers of the last seconds, given to whoever asks the same.")
    ] = 16 * MIB
    index_flush_keys: Annotated[
        int, _size("Keys of one index held in memory before they go to a file.")
    ] = 262_144
    session_gap_minutes: Annotated[int, _size("Pause after which a new session begins.")] = 30
    session_cap_hours: Annotated[int, _size("Longest computed session.")] = 24
    max_ids_per_person: Annotated[
        int, Meta(description="Most ids one person may have; further links are refused.", ge=2)
    ] = 1000
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least severe message written.")] = "info"  # fmt: skip


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Return the settings in force; raises TallymarkError SETTING_INVALID that names the culprit."""
    environ = os.environ if environ is None else environ
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    merged: dict[str, Any] = {}
    merged.update(_from_file(file, given.get("data") or environ.get(_ENV + "DATA")))
    merged.update(_from_environment(environ))
    merged.update(given)
    for name in _LISTS & merged.keys():
        if isinstance(merged[name], str):
            merged[name] = [one for one in merged[name].split(",") if one]
    for name in merged.keys() - set(Settings.__struct_fields__):
        raise TallymarkError(
            f"There is no setting {name!r}.",
            code="SETTING_INVALID",
            hint=did_you_mean(name, Settings.__struct_fields__),
        )
    try:
        return msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise TallymarkError(f"Settings: {error}.", code="SETTING_INVALID") from error


def _from_file(file: Path | None, data: str | None) -> dict[str, Any]:
    candidates = (
        [file] if file else [Path(data or "data") / "tallymark.toml", Path("tallymark.toml")]
    )
    for candidate in candidates:
        if candidate.is_file():
            try:
                return tomllib.loads(candidate.read_text("utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise TallymarkError(f"{candidate}: {error}", code="SETTING_INVALID") from error
    return {}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    known = set(Settings.__struct_fields__)
    found: dict[str, Any] = {}
    for key, value in environ.items():
        name = key.removeprefix(_ENV).lower()
        # Other TALLYMARK_* variables, such as a client's key, are not settings.
        if key.startswith(_ENV) and name in known:
            found[name] = value
    return found
