/** What stands where an answer has nothing to show, or not all of it yet, and why. */
import { Link } from "wouter";
import { useDefinitions, useNames, usePublicKey, useStatus } from "../api/queries";
import { useSession } from "../api/session";
import { format, t } from "../i18n/t";
import { Button, Code } from "./basics";
import { Icon } from "./Icon";
import { Empty } from "./states";

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
