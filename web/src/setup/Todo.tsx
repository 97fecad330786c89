/** What there is to do in a new project; each ticks itself once the project shows that it was done. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { json } from "../api/client";
import { ask, useDefinitions, useNames, useStatus } from "../api/queries";
import { useSession, type Session } from "../api/session";
import { t } from "../i18n/t";
import { IconButton } from "../ui/basics";
import { Icon } from "../ui/Icon";
import { prefer, usePreferences } from "../ui/preferences";
import "../styles/setup.css";

interface Item {
  id: "first" | "second" | "people" | "cohort" | "plan" | "invite";
  href: string;
  done: boolean | undefined;
}

export function Todo() {
  const session = useSession()!;
  const [{ hidden }] = usePreferences();
  const items = useItems(session);
  const done = items.filter((one) => one.done).length;
  // Viewers have nothing to set up; and a list that is done, hidden or not known yet is not shown.
  if (!session.mayChange || hidden.includes(session.project) || items.some((one) => one.done === undefined) || done === items.length) return null;
  return (
    <section className="card stack" aria-label={t("todo.title")}>
      <div className="row">
        <h2>{t("todo.title")}</h2>
        <span className="muted num">{t("todo.done", { done, all: items.length })}</span>
        <span className="spacer">
          <IconButton icon="close" label={t("todo.hide")} onClick={() => prefer({ hidden: [...hidden, session.project] })} />
        </span>
      </div>
      <ul className="todo">
        {items.map((one) => (
          <li key={one.id} {...(one.done ? { "data-done": "" } : {})}>
            <span className="todo-sign">{one.done && <Icon name="good" size={12} />}</span>
            <div>
              {one.done ? <b>{t(`todo.${one.id}`)}</b> : <Link href={one.href}>{t(`todo.${one.id}`)}</Link>}
              <span className="sr"> ({one.done ? t("todo.yes") : t("todo.no")})</span>
              {!one.done && <p className="muted small">{t(`todo.why.${one.id}`)}</p>}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function useItems({ project, isOwner, mayChange }: Session): Item[] {
  const status = useStatus().data;
  const names = useNames().data;
  const any = (status?.events ?? 0) > 0;
  const known = useQuery({
    queryKey: ["known", project],
    queryFn: async ({ signal }) => Number((await ask("trends", { series: [{ measure: "count", filter: { op: "exists", field: "user_id" } }], range: "90d", interval: "quarter" }, signal)).data.lines[0]?.total ?? 0) > 0,
    enabled: any && mayChange,
  });
  const defined = useDefinitions(mayChange);
  const plan = useQuery({ queryKey: ["has-plan", project], queryFn: async ({ signal }) => (await json<{ versions: unknown[] }>(`/projects/${project}/plan/versions`, { signal })).versions.length > 0, enabled: mayChange });
  const users = useQuery({ queryKey: ["users"], queryFn: () => json<{ users: unknown[] }>("/users"), enabled: isOwner });
  return [
    { id: "first", href: "/setup-guide", done: status && any },
    { id: "second", href: "/setup-guide", done: names && names.events.filter((one) => !one.name.startsWith("$")).length > 1 },
    { id: "people", href: "/setup-guide", done: any ? known.data : status && false },
    { id: "cohort", href: "/cohorts", done: defined.data && Object.keys(defined.data.definitions.cohorts ?? {}).length > 0 },
    { id: "plan", href: "/data?tab=plan", done: plan.data },
    ...(isOwner ? [{ id: "invite" as const, href: "/manage?tab=people", done: users.data && users.data.users.length > 1 }] : []),
  ];
}
