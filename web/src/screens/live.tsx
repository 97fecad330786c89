/** Live: what arrives now, and what is refused and why. */
import { useEffect, useMemo, useState } from "react";
import { Link } from "wouter";
import { useAsk, useStatus } from "../api/queries";
import { json } from "../api/client";
import { AT_ONCE, useLive, type Line } from "../api/live";
import { toNumber } from "../api/types";
import { TimeChart } from "../charts/TimeChart";
import { format, t } from "../i18n/t";
import { Badge, Button } from "../ui/basics";
import { Dialog } from "../ui/Dialog";
import { Empty, ErrorBox, FirstUse, Skeleton } from "../ui/states";
import { Tabs } from "../ui/Tabs";
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
  const refused = useMemo(() => live.lines.filter((one) => one.failure), [live.lines]);
  const accepted = useMemo(() => live.lines.filter((one) => one.event), [live.lines]);
  const tone = paused ? "plain" : live.connected ? "good" : "warn";
  const waiting =
    status?.events === 0 ? (
      <FirstUse />
    ) : (
      <Empty title={t("live.waiting")} icon="live">
        <p className="muted">{t("live.waiting.why")}</p>
      </Empty>
    );
  const list = (lines: Line[]) => (lines.length === 0 ? waiting : <Lines lines={lines} onChoose={setChosen} />);
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
            { id: "refused", label: t("live.refused"), count: refused.length, content: list(refused) },
          ]}
        />
      </section>
      <Dialog title={chosen?.event?.name ?? chosen?.failure?.code ?? ""} open={chosen !== null} onClose={() => setChosen(null)} look="drawer">
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
      {lines.map((one) => (
        <li key={one.key}>
          <button type="button" className="live-line" onClick={() => onChoose(one)} data-outcome={one.failure ? "refused" : "accepted"}>
            <time className="muted num">{format.clock(new Date(one.received_at / 1000).toISOString())}</time>
            <Badge tone={one.failure ? "bad" : "good"}>{one.failure ? t("live.refused") : t("live.accepted")}</Badge>
            <b className="cut">{one.event?.name ?? one.failure?.name ?? one.failure?.code}</b>
            <span className="muted cut">{one.failure ? one.failure.message : (one.event.user_id ?? one.event.anonymous_id ?? t("live.anonymous"))}</span>
            <span className="muted cut live-source">{one.protocol}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function Detail({ line }: { line: Line }) {
  const [fate, setFate] = useState<unknown>(null);
  const id = line.event?.id ?? line.failure?.id;
  useEffect(() => {
    if (!id) return;
    const stop = new AbortController();
    json(`/event/${encodeURIComponent(id)}`, { signal: stop.signal }).then(setFate, () => undefined);
    return () => stop.abort();
  }, [id]);
  const who = line.event?.user_id;
  return (
    <div className="stack">
      {line.failure && (
        <p>
          <code>{line.failure.code}</code> {line.failure.message}
        </p>
      )}
      {who && (
        <p>
          {t("live.who")}: <Link href={`/people/user/${encodeURIComponent(who)}`}>{who}</Link>
        </p>
      )}
      <pre className="raw" tabIndex={0}>{JSON.stringify(line.event ?? line.failure, null, 2)}</pre>
      {fate !== null && (
        <>
          <h3>{t("live.fate")}</h3>
          <pre className="raw" tabIndex={0}>{JSON.stringify(fate, null, 2)}</pre>
        </>
      )}
    </div>
  );
}
