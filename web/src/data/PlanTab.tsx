/** The tracking plan beside what came, and from one of its versions to another. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { json } from "../api/client";
import { useSession } from "../api/session";
import type { components } from "../api/schema";
import { format, t } from "../i18n/t";
import { encode } from "../query/codec";
import { query, row } from "../query/types";
import { Badge, Choice, Code } from "../ui/basics";
import { DataTable, type Column } from "../ui/DataTable";
import { Empty, ErrorBox, Skeleton } from "../ui/states";

type Traffic = components["schemas"]["PlanTraffic"];
type Planned = Traffic["events"][number];
interface Change {
  event: string;
  version: string;
  key: string;
  what: string;
  is_breaking: boolean;
}
interface Version {
  version: number;
  created_at: number;
}

export function PlanTab() {
  const project = useSession()!.project;
  const [days, setDays] = useState("7");
  const versions = useQuery({ queryKey: ["plan-versions", project], queryFn: ({ signal }) => json<{ versions: Version[] }>(`/projects/${project}/plan/versions`, { signal }) });
  const traffic = useQuery({ queryKey: ["plan-traffic", project, days], queryFn: ({ signal }) => json<Traffic>(`/projects/${project}/plan/traffic?days=${days}`, { signal }) });
  if (versions.isError) return <ErrorBox error={versions.error} retry={() => versions.refetch()} />;
  if (traffic.isError) return <ErrorBox error={traffic.error} retry={() => traffic.refetch()} />;
  if (!versions.data || !traffic.data) return <Skeleton />;
  const [newest] = versions.data.versions;
  if (!newest) {
    return (
      <Empty title={t("plan.none")} icon="docs">
        <p className="muted">{t("plan.none.why")}</p>
        <Code label={t("data.plan")} text={`tallymark plan infer plan --project ${project}\ntallymark plan push --project ${project}`} />
      </Empty>
    );
  }
  return (
    <div className="stack wide-gap">
      <div className="row">
        <p className="grow">{t("plan.version", { n: newest.version, time: timeOf(newest.created_at) })}</p>
        <Choice label={t("plan.days")} value={days} options={["1", "7", "30", "90"].map((one) => [one, t("plan.days.n", { n: Number(one) })] as const)} onChange={setDays} />
      </div>
      <TrafficTable traffic={traffic.data} days={Number(days)} />
      <Compare project={project} versions={versions.data.versions} key={newest.version} />
    </div>
  );
}

function TrafficTable({ traffic, days }: { traffic: Traffic; days: number }) {
  const columns: Column<Planned>[] = [
    { id: "event", label: t("plan.event"), value: (one) => one.event, cell: (one) => <Link href={`/explore?${encode(query("trends", { rows: [row(one.event)], range: `${days}d` }))}`}>{one.event}</Link> },
    { id: "came", label: t("plan.came"), number: true, value: (one) => one.came, cell: (one) => format.number(one.came) },
    { id: "found", label: t("plan.found"), value: (one) => one.departures.length, cell: (one) => <Found event={one} /> },
  ];
  return (
    <section className="stack" aria-label={t("plan.found")}>
      <h3>{t("plan.traffic", { n: days })}</h3>
      {traffic.events.length > 0 && traffic.events.every((one) => one.departures.length === 0 && one.came > 0) && <p>{t("plan.asplanned")}</p>}
      <DataTable label={t("plan.found")} columns={columns} rows={[...traffic.events]} rowKey={(one) => one.event} />
      {traffic.left_out > 0 && <p className="muted">{t("plan.left", { n: traffic.left_out })}</p>}
      <p className="muted small">{t("plan.refused")}</p>
    </section>
  );
}

function Found({ event }: { event: Planned }) {
  if (!event.is_planned) return <Badge tone="warn">{t("plan.notplanned")}</Badge>;
  if (event.came === 0) return <Badge>{t("plan.never")}</Badge>;
  return (
    <div className="stack tight">
      {event.departures.length === 0 && <Badge tone="good">{t("plan.ok")}</Badge>}
      {event.departures.map((one) => (
        <span key={`${one.code} ${one.path}`} className="row tight wide-cell">
          <code>{one.code}</code> <span>{one.message}</span> <span className="muted num">{t("plan.times", { times: one.times, looked: event.looked })}</span>
        </span>
      ))}
      {event.unseen.length > 0 && <span className="muted wide-cell">{t("plan.unseen", { names: event.unseen.join(", ") })}</span>}
    </div>
  );
}

function Compare({ project, versions }: { project: string; versions: readonly Version[] }) {
  const newest = versions[0]!.version;
  const [before, setBefore] = useState(String(newest - 1));
  const [after, setAfter] = useState(String(newest));
  const changes = useQuery({ queryKey: ["plan-changes", project, before, after], queryFn: ({ signal }) => json<{ changes: Change[] }>(`/projects/${project}/plan/changes?before=${before}&after=${after}`, { signal }) });
  const named = versions.map((one) => [String(one.version), t("plan.versionof", { n: one.version })] as const);
  const columns: Column<Change>[] = [
    { id: "event", label: t("plan.event"), value: (one) => one.event, cell: (one) => `${one.event} ${one.version}` },
    { id: "key", label: t("plan.key"), value: (one) => one.key, cell: (one) => <code>{one.key}</code> },
    { id: "what", label: t("plan.what"), value: (one) => one.what, cell: (one) => <span className="wide-cell">{one.what}</span> },
    { id: "breaks", label: t("plan.breaks"), value: (one) => Number(one.is_breaking), cell: (one) => <Badge tone={one.is_breaking ? "bad" : "good"}>{one.is_breaking ? t("plan.breaks") : t("plan.fine")}</Badge> },
  ];
  return (
    <section className="stack" aria-label={t("plan.compare")}>
      <div className="row">
        <h3 className="grow">{t("plan.compare")}</h3>
        <Choice label={t("plan.from")} value={before} options={[...named, ["0", t("plan.nothing")] as const]} onChange={setBefore} />
        <Choice label={t("plan.until")} value={after} options={named} onChange={setAfter} />
      </div>
      {newest === 1 && before === "0" && <p className="muted">{t("plan.first")}</p>}
      {changes.isError ? (
        <ErrorBox error={changes.error} retry={() => changes.refetch()} />
      ) : !changes.data ? (
        <Skeleton height={120} />
      ) : changes.data.changes.length === 0 ? (
        <p className="muted">{t("plan.same")}</p>
      ) : (
        <DataTable label={t("plan.compare")} columns={columns} rows={[...changes.data.changes]} rowKey={(one, at) => `${one.event} ${one.key} ${at}`} />
      )}
    </section>
  );
}

function timeOf(instant: number): string {
  return format.time(new Date(instant / 1000).toISOString());
}
