/** Data catalogue: what is collected, and what was refused and why. */
import { useState } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { useFailed, useNames } from "../api/queries";
import type { FailedPage, KnownEvent, Names } from "../api/types";
import { DriftTab } from "../data/DriftTab";
import { Failed } from "../data/Failed";
import { PlanTab } from "../data/PlanTab";
import { format, t } from "../i18n/t";
import { encode } from "../query/codec";
import { query, row } from "../query/types";
import "../styles/setup.css";
import { Badge } from "../ui/basics";
import { DataTable, type Column } from "../ui/DataTable";
import { Icon } from "../ui/Icon";
import { FirstUse } from "../ui/nothing";
import { ErrorBox, Skeleton } from "../ui/states";
import { Tabs } from "../ui/Tabs";
import { PageHead } from "./controls";

export default function Data() {
  const names = useNames();
  const failed = useFailed({});
  const search = new URLSearchParams(useSearch());
  const [, navigate] = useLocation();
  const tab = search.get("tab") ?? "events";
  const code = search.get("code");
  const go = (part: Record<string, string>) => navigate(`/data?${new URLSearchParams(part)}`, { replace: true });
  const [typed, setTyped] = useState("");
  const found = (name: string) => name.toLowerCase().includes(typed.trim().toLowerCase());
  const open = failed.data ? (failed.data.pages[0] as FailedPage).statuses : {};
  return (
    <>
      <PageHead title={t("screen.data")} lead={t("lead.data")}>
        <span className="search" role="search">
          <Icon name="search" />
          <input type="search" className="input" aria-label={t("data.find")} placeholder={t("data.find")} value={typed} onChange={(event) => setTyped(event.target.value)} />
        </span>
      </PageHead>
      <section className="card" aria-label={t("screen.data")}>
        <Tabs
          label={t("screen.data")}
          value={tab}
          onChange={(id) => go({ tab: id })}
          tabs={[
            { id: "events", label: t("data.events"), ...(names.data ? { count: names.data.events.length } : {}), content: <Loaded of={names}>{(all) => <Events events={all.events.filter((one) => found(one.name))} />}</Loaded> },
            { id: "properties", label: t("data.properties"), ...(names.data ? { count: names.data.properties.length } : {}), content: <Loaded of={names}>{(all) => <Properties properties={all.properties.filter((one) => found(one.name))} />}</Loaded> },
            { id: "failed", label: t("data.failed"), count: (open as Record<string, number>)["open"] ?? 0, content: <Failed code={code} onCode={(one) => go({ tab: "failed", ...(one ? { code: one } : {}) })} /> },
            { id: "plan", label: t("data.plan"), content: <PlanTab /> },
            { id: "drift", label: t("data.drift"), content: <DriftTab /> },
          ]}
        />
      </section>
    </>
  );
}

function Loaded({ of, children }: { of: ReturnType<typeof useNames>; children: (names: Names) => React.ReactNode }) {
  if (of.isError) return <ErrorBox error={of.error} retry={() => of.refetch()} />;
  if (!of.data) return <Skeleton />;
  return of.data.events.length === 0 ? <FirstUse /> : <>{children(of.data)}</>;
}

function Events({ events }: { events: KnownEvent[] }) {
  const columns: Column<KnownEvent>[] = [
    { id: "name", label: t("data.name"), value: (one) => one.name, cell: (one) => <Link href={`/explore?${encode(query("trends", { rows: [row(one.name)] }))}`}>{one.name}</Link> },
    { id: "volume", label: t("data.volume"), number: true, value: (one) => one.events, cell: (one) => format.number(one.events) },
    { id: "last", label: t("data.last"), value: (one) => one.last_us, cell: (one) => (one.last_us === null ? "–" : format.time(new Date(one.last_us / 1000).toISOString())) },
  ];
  return <DataTable label={t("data.events")} columns={columns} rows={events} rowKey={(one) => one.name} />;
}

type Property = Names["properties"][number];

function Properties({ properties }: { properties: Property[] }) {
  const columns: Column<Property>[] = [
    { id: "name", label: t("data.name"), value: (one) => one.name, cell: (one) => <Link href={`/explore?${encode(query("trends", { rows: [row(null)], breakdown: [`properties.${one.name}`] }))}`}>{one.name}</Link> },
    { id: "type", label: t("data.type"), value: (one) => one.classes.join(" "), cell: (one) => <span className="row tight">{one.classes.map((kind) => <Badge key={kind} tone={one.classes.length > 1 ? "warn" : "plain"}>{kind}</Badge>)}</span> },
    { id: "events", label: t("data.carried"), number: true, value: (one) => one.events, cell: (one) => format.number(one.events) },
  ];
  return <DataTable label={t("data.properties")} columns={columns} rows={properties} rowKey={(one) => one.name} />;
}
