/** Live: what arrives now, and what is refused and why. */
import { useEffect, useMemo, useState } from "react";
import { Link } from "wouter";
import { ask, useAsk, useStatus } from "../api/queries";
import { AT_ONCE, useLive, type Line } from "../api/live";
import { toNumber, type EventRow } from "../api/types";
import { TimeChart } from "../charts/TimeChart";
import { format, t } from "../i18n/t";
import { botReason } from "../setup/Waiting";
import { Ticked } from "../setup/Ticked";
import { Badge, Button } from "../ui/basics";
import { Dialog } from "../ui/Dialog";
import { FirstUse } from "../ui/nothing";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { Tabs } from "../ui/Tabs";
import { accountHref } from "./accountlist";
import { PageHead } from "./controls";

const HALF_HOUR = { series: [{ measure: "count" }], range: "30min", interval: "minute", include_bots: true };

export default function Live() {
  const [paused, setPaused] = useState(false);
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const changed = () => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", changed);
    return () => document.removeEventListener("visibilitychange", changed);
  }, []);
  const live = useLive(!paused && visible);
  const [chosen, setChosen] = useState<Line | null>(null);
  const status = useStatus().data;
  const refused = useMemo(() => live.lines.filter((one) => !one.event), [live.lines]);
  const accepted = useMemo(() => live.lines.filter((one) => one.event && !one.event.bot), [live.lines]);
  const bots = useMemo(() => live.lines.filter((one) => one.event?.bot), [live.lines]);
  const tone = paused ? "plain" : live.connected ? "good" : "warn";
  const waiting =
    status?.events === 0 ? (
      <FirstUse />
    ) : (
      <Empty title={t("live.waiting")} icon="live">
        <p className="muted">{t("live.waiting.why")}</p>
      </Empty>
    );
  const list = (lines: Line[], none = waiting) => (lines.length === 0 ? none : <Lines lines={lines} onChoose={setChosen} />);
  const norefused = (
    <Empty title={t("live.norefused")} icon="good">
      <p className="muted">{t("live.norefused.why")}</p>
      <Link href="/data?tab=failed">{t("live.failed")}</Link>
    </Empty>
  );
  const nobots = (
    <Empty title={t("live.nobots")} icon="live">
      <p className="muted">{t("live.nobots.why")}</p>
    </Empty>
  );
  return (
    <>
      <PageHead title={t("screen.live")} lead={t("lead.live")}>
        <Badge tone={tone}>{paused ? t("live.paused") : live.connected ? t("live.connected") : live.lost ? t("live.lost") : t("common.loading")}</Badge>
        <span className="num muted">{t("live.rate", { n: live.lastMinute })}</span>
        {live.flood > 0 && <Badge tone="warn">{t("live.sampled", { shown: AT_ONCE, n: live.flood })}</Badge>}
        <Button onClick={() => setPaused(!paused)} aria-pressed={paused}>
          {paused ? t("live.go") : t("live.pause")}
        </Button>
      </PageHead>
      <Minutes on={!paused && visible} />
      <section className="card" aria-label={t("screen.live")}>
        <Tabs
          label={t("screen.live")}
          tabs={[
            { id: "all", label: t("live.all"), count: live.lines.length, content: list(live.lines) },
            { id: "accepted", label: t("live.accepted"), count: accepted.length, content: list(accepted) },
            { id: "refused", label: t("live.refused"), count: refused.length, content: list(refused, norefused) },
            { id: "bots", label: t("live.bots"), count: bots.length, content: list(bots, nobots) },
          ]}
        />
      </section>
      <Dialog title={chosen ? (chosen.event?.name ?? (chosen.failure ?? chosen.drop)?.code ?? "") : ""} open={chosen !== null} onClose={() => setChosen(null)} look="drawer">
        {chosen && <Detail line={chosen} />}
      </Dialog>
    </>
  );
}

function Minutes({ on }: { on: boolean }) {
  const result = useAsk("trends", HALF_HOUR);
  const { refetch } = result;
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => void refetch(), 10_000);
    return () => clearInterval(timer);
  }, [on, refetch]);
  const data = result.data?.data;
  return (
    <section className="card stack" aria-label={t("live.minutes")}>
      <h2>{t("live.minutes")}</h2>
      {data ? (
        <TimeChart label={t("live.minutes")} kind="bar" height={120} stacked buckets={data.buckets.map((one) => ({ ...one, label: one.label.slice(11, 16) }))} series={[{ key: "0", label: t("data.events"), values: data.lines[0]!.values.map(toNumber), colour: "var(--s1)", dash: "" }]} />
      ) : result.isError ? (
        <ErrorBox error={result.error} retry={() => refetch()} />
      ) : (
        <Skeleton height={120} />
      )}
    </section>
  );
}

function Lines({ lines, onChoose }: { lines: Line[]; onChoose: (line: Line) => void }) {
  return (
    <ul className="live">
      {lines.map((one) => {
        const shown = told(one);
        return (
          <li key={one.key}>
            <button type="button" className="live-line" onClick={() => onChoose(one)} data-outcome={shown.outcome}>
              <time className="muted num">{format.clock(new Date(one.received_at / 1000).toISOString())}</time>
              <Badge tone={shown.tone}>{shown.word}</Badge>
              <b className="cut">{shown.name}</b>
              <span className="muted cut">{shown.what}</span>
              <span className="muted cut live-source">{one.protocol}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

interface Told {
  outcome: "accepted" | "bot" | "refused" | "dropped";
  tone: "good" | "warn" | "bad";
  word: string;
  name: string;
  what: string;
}

function told({ event, failure, drop }: Line): Told {
  if (event?.bot) return { outcome: "bot", tone: "warn", word: t("wait.robotbadge"), name: event.name, what: botReason(event.bot, event.browser) };
  if (event) return { outcome: "accepted", tone: "good", word: t("live.accepted"), name: event.name, what: [event.user_id ?? event.anonymous_id ?? t("live.anonymous"), event.path].filter(Boolean).join(" · ") };
  if (failure) return { outcome: "refused", tone: failure.is_quarantined ? "warn" : "bad", word: failure.is_quarantined ? t("wait.quarantined") : t("live.refused"), name: failure.name || failure.code, what: failure.message };
  return { outcome: "dropped", tone: "warn", word: t("live.dropped"), name: t("live.items", { n: drop!.items }), what: drop!.message };
}

function Detail({ line }: { line: Line }) {
  const { event, failure, drop } = line;
  const why = failure ?? drop;
  const who = event?.user_id;
  return (
    <div className="stack">
      {why && (
        <>
          <p className="wrap">
            <code>{why.code}</code> {why.message} {failure?.path && <code>{failure.path}</code>}
          </p>
          {why.fix && (
            <p className="wrap">
              <b>{t("live.fix")}:</b> <Ticked text={why.fix} />
            </p>
          )}
          {failure && <Link href={`/data?tab=failed&code=${encodeURIComponent(failure.code)}`}>{t("failed.repair")}</Link>}
        </>
      )}
      {event?.bot && <p className="wrap">{t("wait.robot", { why: botReason(event.bot, event.browser) })}</p>}
      {who && (
        <p className="wrap">
          {t("live.who")}: <Link href={`/people/user/${encodeURIComponent(who)}`}>{who}</Link>
        </p>
      )}
      {event?.account && (
        <p className="wrap">
          {t("account.link")}: <Link href={accountHref(event.account)}>{event.account}</Link>
        </p>
      )}
      <h3>{t("live.raw")}</h3>
      <pre className="raw" tabIndex={0} aria-label={t("live.raw")}>
        {JSON.stringify(event ?? why, null, 2)}
      </pre>
      {event && <Stored event={event} />}
    </div>
  );
}

/** The event with everything known of it, once it is loaded. */
function Stored({ event: { id, time } }: { event: { id: string; time: number } }) {
  const [found, setFound] = useState<EventRow | null | undefined>(undefined);
  useEffect(() => {
    const stop = new AbortController();
    const day = 86_400_000;
    const range = { since: new Date(time / 1000 - day).toISOString(), until: new Date(time / 1000 + day).toISOString() };
    ask("events", { range, filter: { op: "equals", field: "event_id", value: id }, include_bots: true, limit: 1 }, stop.signal).then(
      (answer) => setFound(answer.data.events[0] ?? null),
      () => undefined,
    );
    return () => stop.abort();
  }, [id, time]);
  if (found === undefined) return null;
  return (
    <>
      <h3>{t("live.stored")}</h3>
      {found === null ? (
        <p className="muted">{t("live.loading")}</p>
      ) : (
        <pre className="raw" tabIndex={0} aria-label={t("live.stored")}>
          {JSON.stringify(found, null, 2)}
        </pre>
      )}
    </>
  );
}
