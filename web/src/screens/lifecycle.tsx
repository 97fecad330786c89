/** Lifecycle and stickiness: who is new, stays, comes back and goes; and on how many days people come. */
import { useMemo } from "react";
import { useAsk } from "../api/queries";
import { EventBox } from "../builder/choices";
import { Conditions } from "../builder/Conditions";
import { t } from "../i18n/t";
import { question } from "../query/ask";
import { describe } from "../query/describe";
import { row, type Row } from "../query/types";
import { useQueryUrl, type QueryUrl } from "../query/useQueryUrl";
import { LifecycleView, StickinessView } from "../views/lifecycle";
import { AnswerCard } from "./AnswerCard";
import { Dropped, IntervalControl, PageHead, RangeControl } from "./controls";
import { SaveBar } from "./saving";

const START = { rows: [row()], range: "90d" };

export function Lifecycle() {
  const url = useQueryUrl("lifecycle", START);
  const { query, change } = url;
  const asked = useMemo(() => question(query)!, [query]);
  const result = useAsk("lifecycle", asked);
  return (
    <>
      <PageHead title={t("screen.lifecycle")} lead={t("lead.lifecycle")}>
        <RangeControl {...url} />
        <IntervalControl {...url} intervals={["week", "day", "month"]} auto={false} />
        <SaveBar url={url} asked={asked} title={describe(query)} />
      </PageHead>
      <StepBox {...url} />
      <AnswerCard title={describe(query)} insight="lifecycle" query={query} question={asked} result={result} isEmpty={(data) => data.buckets.every((one) => one.active === 0)} filtered={query.where.length > 0} clear={() => change({ where: [] })}>
        {(answer) => <LifecycleView data={answer.data} asked={answer.question} />}
      </AnswerCard>
    </>
  );
}

export function Stickiness() {
  const url = useQueryUrl("stickiness", { rows: [row()] });
  const { query, change } = url;
  const asked = useMemo(() => question(query)!, [query]);
  const result = useAsk("stickiness", asked);
  return (
    <>
      <PageHead title={t("screen.stickiness")} lead={t("lead.stickiness")}>
        <RangeControl {...url} />
        <SaveBar url={url} asked={asked} title={describe(query)} />
      </PageHead>
      <StepBox {...url} />
      <AnswerCard title={describe(query)} insight="stickiness" query={query} question={asked} result={result} isEmpty={(data) => data.periods.every((one) => one.people === 0)} filtered={query.where.length > 0} clear={() => change({ where: [] })}>
        {(answer) => <StickinessView data={answer.data} asked={answer.question} />}
      </AnswerCard>
    </>
  );
}

function StepBox({ query, change, dropped }: QueryUrl) {
  const one = query.rows[0] ?? row();
  const set = (next: Row) => change({ rows: [next] });
  return (
    <>
      <Dropped what={dropped} />
      <section className="card builder" aria-label={t("builder.title")}>
        <div className="row">
          <span className="builder-label">{t("lifecycle.step")}</span>
          <EventBox label={t("lifecycle.step")} value={one.event} onChange={(event) => set({ ...one, event })} />
          <Conditions conds={one.where} event={one.event} onChange={(where) => set({ ...one, where })} add={t("builder.where")} />
        </div>
      </section>
    </>
  );
}
