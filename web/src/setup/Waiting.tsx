/** Waits for the first event: everything that reaches the project from now on, with cause and fix. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { Link } from "wouter";
import { API, json, Problem } from "../api/client";
import { useLive, type Line } from "../api/live";
import { useSession } from "../api/session";
import { format, t } from "../i18n/t";
import { Badge, Button, Code } from "../ui/basics";
import { Icon } from "../ui/Icon";
import { ErrorBox } from "../ui/states";
import { curl } from "./snippets";
import { Ticked } from "./Ticked";

const SILENT_MS = 60_000;
const LOOK_MS = 3_000;

interface Away {
  protocol: string;
  code: string;
  requests: number;
  last_us: number;
}

export function Waiting({ url, publicKey }: { url: string; publicKey: string | null }) {
  const [since] = useState(() => Date.now());
  const live = useLive(true);
  const away = useTurnedAway();
  const silent = useSilence(since, live.lines.length > 0 || away.length > 0);
  const { first } = live;
  return (
    <section className="card stack wide-gap" aria-label={t("setup.wait")}>
      <h2>{t("setup.wait")}</h2>
      {first?.event ? (
        <div className="wait came" role="status">
          <span className="wait-sign">
            <Icon name="good" size={20} />
          </span>
          <div>
            <h3>{t("wait.came")}</h3>
            <p className="wrap">{t("wait.first", { name: [first.event.name, first.event.path].filter(Boolean).join(" "), time: clock(first.received_at) })}</p>
          </div>
          <Link className="button main spacer" href="/live">
            {t("wait.see")}
          </Link>
        </div>
      ) : (
        <div className="wait" role="status">
          <span className="wait-sign pulse">
            <Icon name="live" size={20} />
          </span>
          <div>
            <h3>{t("wait.title")}</h3>
            <p className="muted">{t("wait.since", { time: clock(since * 1000) })}</p>
          </div>
          <Badge tone={live.connected ? "good" : "warn"}>{live.connected ? t("live.connected") : live.lost ? t("live.lost") : t("common.loading")}</Badge>
        </div>
      )}
      {publicKey !== null && <Test url={url} publicKey={publicKey} />}
      {(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl && <p className="notes">{t("wait.signal")}</p>}
      <div className="stack">
        <h3>{t("wait.hits")}</h3>
        {live.lines.length === 0 && away.length === 0 ? (
          <p className="muted">{t("wait.nohits")}</p>
        ) : (
          <ul className="hits">
            {away.map((one) => (
              <TurnedAway key={`${one.protocol} ${one.code}`} away={one} />
            ))}
            {live.lines.map((one) => (
              <Hit key={one.key} line={one} />
            ))}
          </ul>
        )}
      </div>
      {silent && <Checks url={url} publicKey={publicKey} />}
    </section>
  );
}

/** Whether nothing came for a minute since the page was opened. */
function useSilence(since: number, heard: boolean): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), Math.max(0, since + SILENT_MS - Date.now()));
    return () => clearTimeout(timer);
  }, [since]);
  return late && !heard;
}

/** Requests that no project knows of, counted from when the page was opened. */
function useTurnedAway(): Away[] {
  const project = useSession()?.project;
  const [before, setBefore] = useState<Away[] | null>(null);
  const { data } = useQuery({
    queryKey: ["turned-away", project],
    queryFn: ({ signal }) => json<{ requests: Away[] }>("/turned-away", { signal }),
    refetchInterval: LOOK_MS,
    staleTime: 0,
    gcTime: 0,
  });
  useEffect(() => {
    if (data && before === null) setBefore(data.requests);
  }, [data, before]);
  return useMemo(() => {
    if (!data || before === null) return [];
    return data.requests
      .map((one) => ({ ...one, requests: one.requests - (before.find((was) => was.code === one.code && was.protocol === one.protocol)?.requests ?? 0) }))
      // That a key is not for a site is told to its project, which knows more of it.
      .filter((one) => one.requests > 0 && one.code !== "ORIGIN_REFUSED");
  }, [data, before]);
}

function Test({ url, publicKey }: { url: string; publicKey: string }) {
  const test = useMutation({ mutationFn: () => sendTest(publicKey) });
  return (
    <div className="stack">
      <div className="row">
        <Button look="main" onClick={() => test.mutate()} disabled={test.isPending}>
          {t("wait.test")}
        </Button>
        <span className="muted">{test.isSuccess ? t("wait.test.sent") : t("wait.test.why")}</span>
      </div>
      {test.isError && <ErrorBox error={test.error} />}
      <details>
        <summary>{t("wait.terminal")}</summary>
        <Code label={t("wait.terminal")} text={curl(url, publicKey, "my-app/1.0").replace('"signup", "user_id": "u-1"', '"test_event"')} />
      </details>
    </div>
  );
}

/** Send an event as a page would: with the public key alone, to the address that takes events. */
async function sendTest(key: string): Promise<void> {
  const answer = await fetch(`${API}/events`, {
    method: "POST",
    credentials: "omit",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ name: "test_event", id: crypto.randomUUID?.() ?? `test-${Date.now()}-${Math.random()}` }),
  });
  const said = (await answer.json()) as { accepted?: number; failed?: { code: string; message: string }[]; code?: string; detail?: string };
  const failed = said.failed?.[0];
  if (!answer.ok || failed) throw new Problem({ code: failed?.code ?? said.code ?? "UNREADABLE", status: answer.status, detail: failed?.message ?? said.detail ?? t("wait.test.refused") });
}

/** One thing that came: what became of it, and if it does not count, why and what to do. */
function Hit({ line }: { line: Line }) {
  const { event, failure, drop } = line;
  const notes: string[] = [];
  if (event?.bot) notes.push(t("wait.robot", { why: botReason(event.bot, event.browser) }));
  if (event?.time_rule === "repaired") notes.push(t("wait.clock"));
  if (event?.time_rule === "clamped") notes.push(t("wait.clock.clamped"));
  if (event?.host && /^(localhost|127\.|\[::1\])/.test(event.host)) notes.push(t("wait.local"));
  if (event?.flags?.includes("cookieless")) notes.push(t("wait.cookieless"));
  const [tone, word] = event
    ? event.bot ? (["warn", t("wait.robotbadge")] as const) : (["good", t("live.accepted")] as const)
    : failure
      ? failure.is_quarantined ? (["warn", t("wait.quarantined")] as const) : (["bad", t("live.refused")] as const)
      : (["warn", t("wait.dropped")] as const);
  return (
    <Row time={line.received_at} badge={<Badge tone={tone}>{word}</Badge>} outcome={event ? (event.bot ? "bot" : "accepted") : failure ? "refused" : "dropped"}>
      <p className="wrap">
        <b>{event?.name ?? failure?.name ?? t("live.items", { n: drop?.items ?? 1 })}</b> {event?.path && <span>{event.path}</span>} {event?.host && <span className="muted">{event.host}</span>}{" "}
        {!event && <code>{(failure ?? drop)!.code}</code>} <span className="muted">{line.protocol}</span>
      </p>
      {!event && <p className="wrap"><Ticked text={(failure ?? drop)!.message} /></p>}
      {!event && (failure ?? drop)!.fix && <p className="muted wrap"><Ticked text={(failure ?? drop)!.fix!} /></p>}
      {notes.map((one) => (
        <p key={one} className="muted wrap">
          {one}
        </p>
      ))}
    </Row>
  );
}

function TurnedAway({ away: { code, protocol, requests, last_us } }: { away: Away }) {
  const kind = /^AUTH_/.test(code) ? "wait.turned" : code === "NOT_FOUND" ? "wait.turned.address" : "wait.turned.other";
  return (
    <Row time={last_us} badge={<Badge tone="bad">{t("wait.away")}</Badge>} outcome="away">
      <p className="wrap">{t(kind, { n: requests, code, protocol: protocol || "–" })}</p>
      {kind !== "wait.turned.other" && <p className="muted">{t(kind === "wait.turned" ? "wait.turned.fix" : "wait.turned.address.fix")}</p>}
    </Row>
  );
}

function Row({ time, badge, outcome, children }: { time: number; badge: ReactNode; outcome: string; children: ReactNode }) {
  return (
    <li className="hit" data-outcome={outcome}>
      <time className="muted num">{clock(time)}</time>
      {badge}
      <div className="stack tight">{children}</div>
    </li>
  );
}

function Checks({ url, publicKey }: { url: string; publicKey: string | null }) {
  const key = publicKey === null ? "pk_…" : `${publicKey.slice(0, 11)}…`;
  return (
    <div className="stack" role="status">
      <h3>{t("wait.silent")}</h3>
      <ol className="checks">
        {(["blocker", "console", "key", "network", "sent"] as const).map((one) => (
          <li key={one}>
            <b>{t(`wait.check.${one}`)}</b> <span className="muted wrap">{t(`wait.how.${one}`, { key, url })}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** In words, how a robot is known to be one. */
export function botReason(how: "user_agent" | "declared", agent: string | undefined): string {
  return t(`live.bot.${how}`, { agent: agent ?? "?" });
}

function clock(instant: number): string {
  return format.clock(new Date(instant / 1000).toISOString());
}
