/** Paths: which ways people take. The picture and the tree below it say the same. */
import { useMemo } from "react";
import { useAsk } from "../api/queries";
import { toNumber, type PathsData } from "../api/types";
import { EventBox } from "../builder/choices";
import { Conditions } from "../builder/Conditions";
import { format, t } from "../i18n/t";
import { question } from "../query/ask";
import { describe, fieldName } from "../query/describe";
import type { Options } from "../query/types";
import { useQueryUrl } from "../query/useQueryUrl";
import { Flow } from "../views/paths";
import { AnswerCard } from "./AnswerCard";
import { Dropped, OptionControl, PageHead, RangeControl } from "./controls";
import { SaveBar } from "./saving";

const NODES = ["name", "path", "title", "properties.feature"] as const;

export default function Paths() {
  const url = useQueryUrl("paths");
  const { query, change, dropped } = url;
  const asked = useMemo(() => question(query)!, [query]);
  const result = useAsk("paths", asked);
  const option = (name: string, value: string | null) => {
    const { [name]: _, ...rest } = query.options;
    change({ options: (value === null ? rest : { ...rest, [name]: value }) as Options });
  };
  const isEvents = query.options["node"] === undefined;
  return (
    <>
      <PageHead title={t("screen.paths")} lead={t("lead.paths")}>
        <RangeControl {...url} />
        <OptionControl {...url} name="node" label={t("paths.node")} options={NODES.map((one) => [one === "name" ? "" : one, one === "name" ? t("paths.node.event") : fieldName(one)] as const)} />
        <OptionControl {...url} name="depth" label={t("paths.depth")} options={["5", "3", "4", "6", "8"].map((one) => [one, one] as const)} />
        <SaveBar url={url} asked={asked} title={describe(query)} />
      </PageHead>
      <Dropped what={dropped} />
      <section className="card builder" aria-label={t("builder.title")}>
        <div className="row">
          {isEvents && (
            <>
              <span className="builder-label">{t("paths.start")}</span>
              <EventBox label={t("paths.start")} value={query.options["start"] ?? null} any={t("paths.anywhere")} onChange={(event) => option("start", event)} />
              <span className="builder-label">{t("paths.end")}</span>
              <EventBox label={t("paths.end")} value={query.options["end"] ?? null} any={t("paths.anywhere")} onChange={(event) => option("end", event)} />
            </>
          )}
          <Conditions conds={query.where} event={null} onChange={(where) => change({ where })} add={t("builder.filters")} groups />
        </div>
      </section>
      <AnswerCard title={describe(query)} insight="paths" query={query} question={asked} result={result} isEmpty={(data) => data.walks === 0} filtered={query.where.length > 0 || query.options["start"] !== undefined || query.options["end"] !== undefined} clear={() => change({ where: [], options: {} })} wider={() => change({ range: "90d" })} height={420}>
        {(answer) => (
          <div className="stack wide-gap">
            <Flow data={answer.data} asked={answer.question} title={describe(query)} />
            <Tree data={answer.data} />
          </div>
        )}
      </AnswerCard>
    </>
  );
}

function Tree({ data }: { data: PathsData }) {
  return (
    <details>
      <summary>{t("paths.tree")}</summary>
      <ol className="tree">
        {data.tree.map((one, at) => (
          <li key={at} style={{ paddingInlineStart: one.level * 22 }}>
            <span className="cut">{one.kind === "drop_off" ? t("paths.dropoff") : one.name}</span>
            <b className="num">{format.number(one.count)}</b>
            <span className="muted num">{format.percent((toNumber(one.count) ?? 0) / Math.max(1, data.walks))}</span>
          </li>
        ))}
      </ol>
    </details>
  );
}
