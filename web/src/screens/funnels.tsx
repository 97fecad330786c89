/** Funnels: how many go on from step to step, and who does not. */
import { useMemo } from "react";
import { useAsk } from "../api/queries";
import { Breakdown } from "../builder/Breakdown";
import { Conditions } from "../builder/Conditions";
import { Rows } from "../builder/Rows";
import { t } from "../i18n/t";
import { question } from "../query/ask";
import { describe } from "../query/describe";
import { condsOf, row } from "../query/types";
import { useQueryUrl } from "../query/useQueryUrl";
import { Empty } from "../ui/states";
import { FunnelView, tableWithIntervals } from "../views/funnels";
import { AnswerCard } from "./AnswerCard";
import { Correlation } from "./correlation";
import { Dropped, OptionControl, PageHead, RangeControl } from "./controls";
import { SaveBar } from "./saving";

const WINDOWS = ["14d", "30min", "1h", "1d", "7d", "30d"] as const;
const START = { rows: [row(), row()] };

export default function Funnels() {
  const url = useQueryUrl("funnels", START);
  const { query, change, dropped } = url;
  const asked = useMemo(() => question(query), [query]);
  const result = useAsk("funnels", asked);
  const people = query.options["by"] === undefined || query.options["by"] === "person";
  const withBand = query.options["band"] === "shown";
  const filtered = condsOf(query.where).length > 0 || query.rows.some((one) => condsOf(one.where).length > 0);
  return (
    <>
      <PageHead title={t("screen.funnels")} lead={t("lead.funnels")}>
        <RangeControl {...url} />
        <OptionControl {...url} name="window" label={t("funnel.window")} options={WINDOWS.map((one) => [one, t(`funnel.window.${one}`)] as const)} />
        <OptionControl {...url} name="order" label={t("funnel.order")} options={(["ordered", "strict", "any"] as const).map((one) => [one, t(`funnel.order.${one}`)] as const)} />
        <OptionControl {...url} name="by" label={t("funnel.by")} options={(["person", "session", "account"] as const).map((one) => [one, t(`funnel.by.${one}`)] as const)} />
        <OptionControl {...url} name="band" label={t("chart.band")} options={(["hidden", "shown"] as const).map((one) => [one, t(`chart.band.${one}`)] as const)} />
        <SaveBar url={url} asked={asked} title={describe(query)} />
      </PageHead>
      <Dropped what={dropped} />
      <section className="card builder" aria-label={t("builder.title")}>
        <Rows rows={query.rows} onChange={(rows) => change({ rows })} steps most={20} />
        <div className="builder-foot">
          <Conditions conds={query.where} event={null} onChange={(where) => change({ where })} add={t("builder.filters")} groups />
          <Breakdown fields={query.breakdown} onChange={(breakdown) => change({ breakdown })} />
        </div>
      </section>
      {asked === null ? (
        <Empty title={t("state.choose.steps")} icon="funnels" />
      ) : (
        <AnswerCard title={describe(query)} insight="funnels" query={query} question={asked} result={result} isEmpty={(data) => data.total.entered === 0} filtered={filtered} clear={() => change({ where: [], rows: query.rows.map((one) => ({ ...one, where: [] })) })} wider={() => change({ range: "90d" })} {...(withBand ? { tableOf: tableWithIntervals } : {})}>
          {(answer) => <FunnelView data={answer.data} asked={answer.question} people={query.options["by"] !== "session"} withBand={withBand} />}
        </AnswerCard>
      )}
      {asked !== null && people && Boolean(result.data?.data.total.entered) && <Correlation funnel={asked} filtered={filtered} />}
    </>
  );
}
