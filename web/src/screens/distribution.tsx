/** Distribution: how a number is spread over people, accounts or sessions. */
import { useMemo } from "react";
import { useAsk } from "../api/queries";
import { toNumber, type DistributionData, type Question } from "../api/types";
import { EventBox, FieldBox } from "../builder/choices";
import { Conditions } from "../builder/Conditions";
import { BuilderRange } from "../builder/range";
import { BigNumber } from "../charts/BigNumber";
import { Histogram, type Bin } from "../charts/Histogram";
import { format, t, word } from "../i18n/t";
import { question } from "../query/ask";
import { describe, fieldName } from "../query/describe";
import { condsOf, row } from "../query/types";
import { useQueryUrl } from "../query/useQueryUrl";
import { Empty } from "../ui/states";
import { AnswerCard } from "./AnswerCard";
import { Dropped, OptionControl, PageHead, RangeControl } from "./controls";
import { useDrill } from "./drill";

const START = { rows: [row()] };
const MEASURES = ["count", "sum", "min", "max"] as const;
const PER = ["person", "account", "session"] as const;

export default function Distribution() {
  const url = useQueryUrl("distribution", START);
  const { query, change, dropped } = url;
  const asked = useMemo(() => question(query), [query]);
  const result = useAsk("distribution", asked);
  const one = query.rows[0] ?? row();
  const isNumber = (query.options["measure"] ?? "count") !== "count";
  const set = (next: typeof one) => change({ rows: [next] });
  return (
    <BuilderRange value={query.range}>
      <PageHead title={t("screen.distribution")} lead={t("lead.distribution")}>
        <RangeControl {...url} />
        <OptionControl {...url} name="per" label={t("distribution.per")} options={PER.map((per) => [per, t(`distribution.per.${per}`)] as const)} />
        <OptionControl {...url} name="zero" label={t("distribution.zero")} options={(["no", "yes"] as const).map((zero) => [zero, t(`distribution.zero.${zero}`)] as const)} />
        <OptionControl {...url} name="band" label={t("chart.band")} options={(["hidden", "shown"] as const).map((band) => [band, t(`chart.band.${band}`)] as const)} />
      </PageHead>
      <Dropped what={dropped} />
      <section className="card builder" aria-label={t("builder.title")}>
        <span className="row tight">
          <OptionControl {...url} name="measure" label={t("distribution.measure")} options={MEASURES.map((measure) => [measure, measure === "count" ? t("distribution.times") : word("measure", measure)] as const)} />
          {isNumber && <FieldBox label={t("builder.of")} numbers value={one.of ?? ""} onChange={(of) => set({ ...one, of })} autoFocus={!one.of} />}
          <EventBox label={t("distribution.step")} value={one.event} onChange={(event) => set({ ...one, event })} />
          <Conditions conds={one.where} event={one.event} onChange={(where) => set({ ...one, where })} add={t("builder.where")} />
        </span>
        <div className="builder-foot">
          <Conditions conds={query.where} event={null} onChange={(where) => change({ where })} add={t("builder.filters")} groups />
        </div>
      </section>
      {asked === null ? (
        <Empty title={t("builder.of")} icon="distribution" />
      ) : (
        <AnswerCard title={describe(query)} insight="distribution" question={asked} result={result} isEmpty={(data) => data.units === 0} filtered={condsOf([...query.where, ...one.where]).length > 0} clear={() => change({ where: [], rows: [{ ...one, where: [] }] })} wider={() => change({ range: "90d" })}>
          {(answer) => <Spread data={answer.data} asked={answer.question} title={describe(query)} withBand={query.options["band"] === "shown"} />}
        </AnswerCard>
      )}
    </BuilderRange>
  );
}

function Spread({ data, asked, title, withBand }: { data: DistributionData; asked: Question; title: string; withBand: boolean }) {
  const drill = useDrill();
  const isCount = data.measure === "count";
  // Rows without an end on one side are only there for those who are in them.
  const rows = data.rows.filter((one) => (one.low !== null && one.high !== null) || one.units.count > 0);
  const bins = rows.map((one): Bin => {
    const low = toNumber(one.low);
    const high = toNumber(one.high);
    const label = binName(low, high, isCount);
    const { count, value, interval, of } = one.units;
    const said = t("distribution.said", { bin: label, n: count, share: format.percent(toNumber(value) ?? 0) });
    const edges = interval && ([toNumber(interval.low)! * of, toNumber(interval.high)! * of] as [number, number]);
    return { low, high, count, label: short(low, high), said, interval: withBand ? edges : null };
  });
  // The bar of a whole number stands around it, not from it on.
  const lines = [["median", data.median] as const, ["p90", data.p90] as const].flatMap(([name, value]) => (toNumber(value) === null ? [] : [{ label: `${t(`distribution.${name}`)} ${format.number(toNumber(value)!)}`, value: toNumber(value)! + (isCount ? 0.5 : 0) }]));
  // Of sessions there is no list of people.
  const open = data.per === "session" ? undefined : (bin: number) => drill({ title: bins[bin]!.said, people: { behind: { insight: "distribution", question: asked, place: { low: rows[bin]!.low, high: rows[bin]!.high } } }, isOfAccounts: data.per === "account" });
  const per = word("distribution.per", data.per);
  return (
    <div className="stack wide-gap">
      <div className="grid-5">
        <BigNumber label={`${t("distribution.units")}: ${per}`} value={data.units} />
        <BigNumber label={t("distribution.mean")} value={toNumber(data.mean)} />
        <BigNumber label={t("distribution.median")} value={toNumber(data.median)} />
        <BigNumber label={t("distribution.p90")} value={toNumber(data.p90)} />
        {data.of && data.amount !== null && <BigNumber label={fieldName(data.of)} value={toNumber(data.amount)} />}
      </div>
      <Histogram label={title} bins={bins} lines={lines} axis={format.short} onOpen={open} />
    </div>
  );
}

/** Whole numbers of one each are named by themselves. */
function binName(low: number | null, high: number | null, isCount: boolean): string {
  if (low === null) return t("distribution.below", { high: format.number(high ?? 0) });
  if (high === null) return t("distribution.above", { low: format.number(low) });
  if (isCount && high - low === 1) return t("distribution.one", { low: format.number(low) });
  return t("distribution.bin", { low: format.number(low), high: format.number(high) });
}

function short(low: number | null, high: number | null): string {
  if (low === null) return `< ${format.short(high ?? 0)}`;
  return high === null ? `${format.short(low)} +` : format.short(low);
}
