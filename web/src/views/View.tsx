/** An answer, drawn as what it is of. */
import type { Answer, DataOf, Question } from "../api/types";
import { TableTwin } from "../charts/TableTwin";
import type { Query } from "../query/types";
import { FunnelView } from "./funnels";
import { LifecycleView, StickinessView } from "./lifecycle";
import { Flow } from "./paths";
import { RetentionView } from "./retention";
import { TrendView } from "./trends";
import { Numbers } from "./web";

interface ViewProps {
  title: string;
  answer: Pick<Answer, "data" | "table"> & { question?: Question };
  height: number;
  /** Whether numbers open who is behind them. */
  opens: boolean;
  /** The question as the pages hold it; null for one that only the API can ask, which is a table. */
  shown: Query | null;
}

export default function View({ title, answer, height, opens, shown }: ViewProps) {
  const asked = answer.question ?? {};
  const data = answer.data as unknown;
  const table = <TableTwin table={answer.table} label={title} />;
  if (shown === null || (shown.kind === "trends" && shown.chart === "table")) return table;
  switch (shown.kind) {
    case "trends":
      return <TrendView data={data as DataOf["trends"]} query={shown} asked={asked} height={Math.max(110, height - 44)} />;
    case "funnels":
      return <FunnelView data={data as DataOf["funnels"]} asked={asked} people={opens && asked["by"] !== "session"} withBand={shown.options["band"] === "shown"} />;
    case "retention":
      return <RetentionView data={data as DataOf["retention"]} asked={asked} withBand={shown.options["band"] !== "hidden"} />;
    case "paths":
      return <Flow data={data as DataOf["paths"]} asked={asked} title={title} />;
    case "lifecycle":
      return <LifecycleView data={data as DataOf["lifecycle"]} asked={asked} />;
    case "stickiness":
      return <StickinessView data={data as DataOf["stickiness"]} asked={asked} />;
    case "web":
      return <Numbers data={data as DataOf["web"]} asked={asked} />;
  }
}
