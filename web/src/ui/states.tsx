/** What stands where an answer would: while it comes, when there is none, and why. */
import type { ReactNode } from "react";
import { Problem } from "../api/client";
import { Link } from "wouter";
import { useDefinitions, useNames, usePublicKey, useStatus } from "../api/queries";
import { useSession } from "../api/session";
import { format, t } from "../i18n/t";
import { Button, Code, Copy } from "./basics";
import { Icon, type IconName } from "./Icon";

export function Skeleton({ height = 240 }: { height?: number }) {
  return (
    <div className="pulse skeleton" style={{ blockSize: height }} role="status" aria-label={t("common.loading")}>
      <i className="bone" />
      <i className="bone" />
      <i className="bone" />
    </div>
  );
}

export function Empty({ title, children, icon = "search" }: { title: string; children?: ReactNode; icon?: IconName }) {
  return (
    <div className="empty" role="status">
      <Icon name={icon} size={28} />
      <h3>{title}</h3>
      {children}
    </div>
  );
}

export function ErrorBox({ error, retry }: { error: unknown; retry?: () => void }) {
  const problem = error instanceof Problem ? error : new Problem({ code: "PAGE", status: 0, detail: String(error) });
  const denied = problem.status === 403;
  return (
    <div className="error-box" role="alert">
      <Icon name="warn" size={20} />
      <div>
        <h3>{denied ? t("state.denied") : t("state.error")}</h3>
        <p>{problem.message}</p>
        {problem.hint && <p className="muted">{problem.hint}</p>}
        {denied && <p className="muted">{t("state.denied.who")}</p>}
        <p className="muted">
          <code>{problem.code}</code> {problem.requestId && t("state.request", { id: problem.requestId })}
        </p>
        <div className="row">
          {retry && !denied && <Button onClick={retry}>{t("common.retry")}</Button>}
          <Copy label={t("common.details")} text={`${problem.code} ${problem.status} ${problem.message} ${problem.requestId} ${problem.path ?? ""}`.trim()} />
        </div>
      </div>
    </div>
  );
}

/** Nothing to show: says whether nothing ever came, nothing of that name, nothing in the range, or nothing past the filters. */
export function NothingFound({ filtered, clear, wider, events = [] }: { filtered: boolean; clear?: () => void; wider?: () => void; events?: string[] }) {
  const status = useStatus().data;
  const names = useNames().data;
  const known = names && new Set(names.events.map((one) => one.name));
  const unknown = known ? events.filter((one) => !known.has(one)) : [];
  // An event may be one that the project has given a name to.
  const defined = useDefinitions(unknown.length > 0).data;
  const never = defined ? unknown.filter((one) => !(one in (defined.definitions.events ?? {}))) : [];
  if (status && status.events === 0) return <FirstUse />;
  if (never.length > 0) {
    return (
      <Empty title={t("state.never", { names: never.map((one) => `“${one}”`).join(", ") })}>
        <p className="muted">{t("state.never.why")}</p>
        <Link href="/data">{t("state.never.list")}</Link>
      </Empty>
    );
  }
  if (filtered) {
    return (
      <Empty title={t("state.filtered")} icon="filter">
        <p className="muted">{t("state.filtered.why")}</p>
        {clear && <Button onClick={clear}>{t("state.filtered.fix")}</Button>}
      </Empty>
    );
  }
  const last = status?.last_time_us;
  return (
    <Empty title={t("state.empty")} icon="calendar">
      {last && <p className="muted">{t("state.empty.last", { day: format.day(new Date(last / 1000).toISOString()) })}</p>}
      {wider && <Button onClick={wider}>{t("state.empty.range")}</Button>}
    </Empty>
  );
}

export function FirstUse() {
  const session = useSession();
  const project = session?.project ?? "";
  const key = usePublicKey(session?.mayChange ?? false).data?.key?.text ?? "pk_…";
  const address = new URL("tm/v1/events", document.baseURI).href;
  return (
    <Empty title={t("state.first")} icon="live">
      <p className="muted">{t("state.first.why")}</p>
      <Code label={project} text={`curl ${address} \\\n  -A my-app/1.0 \\\n  -H "Authorization: Bearer ${key}" \\\n  -H "Content-Type: application/json" \\\n  -d '{"name": "signup", "user_id": "u-1"}'`} />
      {session?.mayChange && (
        <Link className="button main" href="/setup-guide">
          {t("screen.setup")}
        </Link>
      )}
    </Empty>
  );
}

/** Says that an answer is not whole yet, and why. */
export function Notes({ warnings = [] }: { warnings?: string[] }) {
  const behind = useStatus().data?.behind ?? 0;
  const all = [...(behind > 0 ? [t("state.partial.behind", { n: behind })] : []), ...warnings];
  if (all.length === 0) return null;
  return (
    <ul className="notes">
      {all.map((one) => (
        <li key={one}>
          <Icon name="warn" size={14} /> {one}
        </li>
      ))}
    </ul>
  );
}
