/** How what each source sends now differs from what it sent in the week before. */
import { useQuery } from "@tanstack/react-query";
import { json } from "../api/client";
import { useSession } from "../api/session";
import type { components } from "../api/schema";
import { format, t } from "../i18n/t";
import { Badge } from "../ui/basics";
import { DataTable, type Column } from "../ui/DataTable";
import { Empty, ErrorBox, Skeleton } from "../ui/states";

type Quality = components["schemas"]["Quality"];
type Drifting = components["schemas"]["PropertyDrift"];

export function DriftTab() {
  const project = useSession()!.project;
  const quality = useQuery({ queryKey: ["quality", project], queryFn: ({ signal }) => json<Quality>("/quality?hours=24", { signal }), staleTime: 300_000 });
  if (quality.isError) return <ErrorBox error={quality.error} retry={() => quality.refetch()} />;
  if (!quality.data) return <Skeleton />;
  const { compared } = quality.data;
  const drifting = compared.properties.filter((one) => one.drifts.length > 0);
  if (compared.streams === 0) {
    return (
      <Empty title={t("drift.few")} icon="data">
        <p className="muted">{t("drift.few.why")}</p>
      </Empty>
    );
  }
  if (drifting.length === 0) {
    return (
      <Empty title={t("drift.none")} icon="good">
        <p className="muted">{t("drift.none.why", { n: compared.streams })}</p>
      </Empty>
    );
  }
  const columns: Column<Drifting>[] = [
    { id: "property", label: t("drift.property"), value: (one) => `${one.event} ${one.property}`, cell: (one) => `${one.event} · ${one.property}` },
    { id: "source", label: t("drift.source"), value: (one) => one.source, cell: (one) => <span className="muted">{`${one.source} ${one.protocol}`}</span> },
    { id: "drifts", label: t("drift.drifts"), value: (one) => one.drifts.join(" "), cell: (one) => <span className="row tight">{one.drifts.map((how) => <Badge key={how} tone="warn">{t(`drifts.${how}`)}</Badge>)}</span> },
    { id: "before", label: t("drift.before"), number: true, value: (one) => share(one.before), cell: (one) => format.percent(share(one.before)) },
    { id: "now", label: t("drift.now"), number: true, value: (one) => share(one.now), cell: (one) => format.percent(share(one.now)) },
    { id: "index", label: t("drift.index"), number: true, value: (one) => one.psi ?? null, cell: (one) => (one.psi == null ? "–" : format.number(one.psi)) },
    { id: "moved", label: t("drift.moved"), cell: (one) => (one.moved ? `${one.moved.value}: ${format.percent(one.moved.before)} → ${format.percent(one.moved.now)}` : "–") },
  ];
  return (
    <div className="stack">
      <p className="muted">{t("drift.lead")}</p>
      <DataTable label={t("data.drift")} columns={columns} rows={drifting} rowKey={(one) => `${one.source} ${one.protocol} ${one.event} ${one.property}`} />
    </div>
  );
}

function share({ events, text, number, other }: { events: number; text: number; number: number; other: number }): number {
  return events === 0 ? 0 : (text + number + other) / events;
}
