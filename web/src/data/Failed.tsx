/** What was refused or set aside: by code, with what was sent, and what repairs it. */
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useFailed } from "../api/queries";
import { useSession } from "../api/session";
import type { FailedPage } from "../api/types";
import { format, t, word } from "../i18n/t";
import { Badge, Button, Choice } from "../ui/basics";
import { Dialog } from "../ui/Dialog";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { Repair, type Meant } from "./Repair";
import { paths, sent } from "./steps";

type FailedEvent = FailedPage["failed"][number];
const STATUSES = ["open", "fixed", "replayed", "ignored", "expired"] as const;

export function Failed({ code, onCode }: { code: string | null; onCode: (code: string | null) => void }) {
  const session = useSession()!;
  const [status, setStatus] = useState<(typeof STATUSES)[number] | "all">("all");
  const [meant, setMeant] = useState<Meant | null>(null);
  const client = useQueryClient();
  const where = useMemo(() => ({ ...(code ? { code } : {}), ...(status === "all" ? {} : { status }) }), [code, status]);
  const result = useFailed(where);
  if (result.isError) return <ErrorBox error={result.error} retry={() => result.refetch()} />;
  if (!result.data) return <Skeleton />;
  const pages = result.data.pages as FailedPage[];
  const failed = pages.flatMap((page) => page.failed);
  const counts = Object.entries(pages[0]!.counts as Record<string, number>);
  const statuses = pages[0]!.statuses as Record<string, number>;
  const open = code === null ? 0 : (counts.find(([one]) => one === code)?.[1] ?? 0);
  if (Object.keys(statuses).length === 0) {
    return (
      <Empty title={t("data.nofailed")} icon="good">
        <p className="muted">{t("data.nofailed.why")}</p>
      </Empty>
    );
  }
  const changed = () => {
    // Once now, and once when the store has what the log has.
    for (const after of [0, 1_500, 4_000]) setTimeout(() => void client.invalidateQueries(), after);
  };
  return (
    <div className="stack wide-gap">
      <div className="row">
        <ul className="codes grow" aria-label={t("failed.code")}>
          <li>
            <button type="button" className="code-button" aria-pressed={code === null} onClick={() => onCode(null)}>
              {t("failed.all")}
            </button>
          </li>
          {counts.map(([one, count]) => (
            <li key={one}>
              <button type="button" className="code-button" aria-pressed={one === code} onClick={() => onCode(one === code ? null : one)}>
                <code>{one}</code> <span className="num">{format.number(count)}</span>
              </button>
            </li>
          ))}
        </ul>
        <Choice label={t("failed.status")} value={status} options={[["all", t("failed.all")] as const, ...STATUSES.map((one) => [one, t(`failed.status.${one}`)] as const)]} onChange={setStatus} />
      </div>
      {code !== null && open > 0 && (
        <div className="row">
          {session.mayChange ? (
            <Button look="main" onClick={() => setMeant({ code, count: open, where: { code }, fields: fieldsOf(failed) })}>
              {t("failed.repair")}
            </Button>
          ) : (
            <p className="muted">{t("failed.denied")}</p>
          )}
        </div>
      )}
      {code === null && counts.length > 0 && <p className="muted">{t("failed.pick")}</p>}
      {failed.length === 0 ? (
        <Empty title={t("data.nofailed")} icon="good" />
      ) : (
        <ul className="events" aria-label={t("data.failed")}>
          {failed.map((one) => (
            <li key={one.seq}>
              <One failed={one} onRepair={session.mayChange ? () => setMeant({ code: one.code, count: 1, where: { seqs: [one.seq] }, fields: fieldsOf([one]) }) : null} />
            </li>
          ))}
        </ul>
      )}
      {result.hasNextPage && <Button onClick={() => result.fetchNextPage()}>{t("common.more")}</Button>}
      <Dialog title={t("failed.repair")} open={meant !== null} onClose={() => setMeant(null)} look="drawer">
        {meant && <Repair meant={meant} onDone={changed} onClose={() => setMeant(null)} />}
      </Dialog>
    </div>
  );
}

function One({ failed: one, onRepair }: { failed: FailedEvent; onRepair: (() => void) | null }) {
  return (
    <details>
      <summary>
        <code>{one.code}</code>
        <b className="cut">{one.event_name ?? "–"}</b>
        <span className="muted cut">{one.message}</span>
        <time className="muted num">{format.time(new Date(one.received_us / 1000).toISOString())}</time>
      </summary>
      <div className="stack">
        <p className="wrap">
          {one.message} {one.path && <code>{one.path}</code>} <Badge tone={one.status === "open" ? "bad" : "plain"}>{word("failed.status", one.status)}</Badge>
        </p>
        {one.errors.length > 1 && (
          <ul className="collected">
            {one.errors.map((fault, at) => (
              <li key={at} className="wrap">
                <code>{fault.path}</code> {fault.msg}
              </li>
            ))}
          </ul>
        )}
        <h3>{t("data.sent")}</h3>
        {one.raw === "" ? (
          <p className="muted">{t("failed.gone")}</p>
        ) : (
          <pre className="raw" tabIndex={0} aria-label={t("data.sent")}>
            {sent(one.raw).text}
          </pre>
        )}
        {one.raw !== "" && atob(one.raw).length < one.raw_bytes && <p className="muted">{t("failed.bytes", { kept: atob(one.raw).length, all: one.raw_bytes })}</p>}
        {onRepair && one.status === "open" && (
          <div>
            <Button onClick={onRepair}>{t("failed.repair.only")}</Button>
          </div>
        )}
      </div>
    </details>
  );
}

/** The fields that failures have, to choose from. */
function fieldsOf(failed: readonly FailedEvent[]): string[] {
  const wrong = failed.flatMap((one) => (one.path ? [one.path] : []));
  return [...new Set([...wrong, ...failed.slice(0, 10).flatMap((one) => paths(sent(one.raw).item))])].slice(0, 200);
}
