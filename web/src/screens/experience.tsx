/** Page experience: how far pages are read, where people click in vain, which forms they leave, where they click. */
import { useMemo } from "react";
import { useAsk } from "../api/queries";
import { toNumber, type Exact, type Question, type Rate, type ScrollData } from "../api/types";
import { Conditions } from "../builder/Conditions";
import { BuilderRange } from "../builder/range";
import { BigNumber } from "../charts/BigNumber";
import { TimeChart } from "../charts/TimeChart";
import { format, t } from "../i18n/t";
import { question } from "../query/ask";
import { describe } from "../query/describe";
import { condsOf } from "../query/types";
import { useQueryUrl, type QueryUrl } from "../query/useQueryUrl";
import { Combobox } from "../ui/Combobox";
import { Empty } from "../ui/states";
import { AnswerCard } from "./AnswerCard";
import { Dropped, OptionControl, PageHead, RangeControl } from "./controls";
import { useDrill } from "./drill";
import { Forms, Frustration, Heat } from "./experience_parts";

const ALL = "*";
const BANDS = ["curves", "everywhere", "hidden"] as const;

export default function Experience() {
  const url = useQueryUrl("experience");
  const { query, change, dropped } = url;
  const asked = useMemo(() => question(query)!, [query]);
  const page = query.options["page"] ?? null;
  const band = query.options["band"] ?? "curves";
  const filtered = condsOf(query.where).length > 0;
  const common = {
    filtered: filtered || page !== null,
    clear: () => change({ where: [], options: {} }),
    wider: () => change({ range: "90d" }),
  };
  const frustration = useAsk("frustration", asked);
  const scroll = useAsk("scroll", asked);
  const forms = useAsk("forms", asked);
  const heat = useAsk("heat", page === null ? null : asked);
  // Where pages are viewed and nobody clicked in vain, that is the answer, and no lack of one.
  const isBare = filtered || scroll.data?.data.views === 0;
  const about = { page, withBand: band === "everywhere" };
  return (
    <BuilderRange value={query.range}>
      <PageHead title={t("screen.experience")} lead={t("lead.experience")}>
        <PagePicker {...url} />
        <RangeControl {...url} />
        <OptionControl {...url} name="band" label={t("chart.band")} options={BANDS.map((one) => [one, t(`chart.band.${one}`)] as const)} />
      </PageHead>
      <Dropped what={dropped} />
      <section className="card builder" aria-label={t("builder.title")}>
        <p className="muted">{describe(query)}</p>
        <Conditions conds={query.where} event={null} onChange={(where) => change({ where })} add={t("builder.filters")} groups />
      </section>
      <AnswerCard title={t("experience.scroll")} insight="scroll" question={asked} result={scroll} isEmpty={(data) => data.views === 0} {...common}>
        {(answer) => <Scroll data={answer.data} asked={answer.question} withBand={band !== "hidden"} />}
      </AnswerCard>
      <AnswerCard title={t("experience.frustration")} insight="frustration" question={asked} result={frustration} isEmpty={(data) => isBare && data.rage + data.dead === 0} {...common}>
        {(answer) => (answer.data.rage + answer.data.dead === 0 ? <Nothing title={t("experience.none.frustration")} why={t("experience.script")} /> : <Frustration data={answer.data} asked={answer.question} {...about} />)}
      </AnswerCard>
      <AnswerCard title={t("experience.forms")} insight="forms" question={asked} result={forms} isEmpty={(data) => isBare && data.count === 0} {...common}>
        {(answer) => (answer.data.count === 0 ? <Nothing title={t("experience.none.forms")} why={t("experience.script")} /> : <Forms data={answer.data} asked={answer.question} {...about} />)}
      </AnswerCard>
      {page === null ? (
        <section className="card" aria-label={t("experience.heat")}>
          <h2>{t("experience.heat")}</h2>
          <Nothing title={t("experience.choosepage")} why={t("experience.choosepage.why")} />
        </section>
      ) : (
        <AnswerCard title={t("experience.heat")} insight="heat" question={asked} result={heat} isEmpty={(data) => isBare && data.clicks === 0} {...common}>
          {(answer) => (answer.data.clicks === 0 ? <Nothing title={t("experience.none.heat")} why={t("experience.script.heat")} /> : <Heat data={answer.data} asked={answer.question} />)}
        </AnswerCard>
      )}
    </BuilderRange>
  );
}

function Nothing({ title, why }: { title: string; why: string }) {
  return (
    <Empty title={title} icon="experience">
      <p className="muted">{why}</p>
    </Empty>
  );
}

function PagePicker({ query, change }: QueryUrl) {
  const asked = useMemo(() => ({ ...question({ ...query, options: {} })!, top: 200 }), [query]);
  const pages = useAsk("scroll", asked).data?.data.pages ?? [];
  const groups = [
    { label: t("experience.allpages"), options: [{ id: ALL, label: t("experience.allpages") }] },
    { label: t("web.pages"), options: pages.map((one) => ({ id: one.path, label: one.path, note: t("experience.views", { n: one.views }) })) },
  ];
  return (
    <span className="choice">
      <span className="choice-label">{t("experience.page")}</span>
      <Combobox
        label={t("experience.page")}
        groups={groups}
        value={query.options["page"] ?? ALL}
        onChange={(id) => {
          const { page: _, ...rest } = query.options;
          change({ options: id === ALL ? rest : { ...rest, page: id } });
        }}
      />
    </span>
  );
}

function Scroll({ data, asked, withBand }: { data: ScrollData; asked: Question; withBand: boolean }) {
  const drill = useDrill();
  const open = (title: string, place: Question) => drill({ title, people: { behind: { insight: "scroll", question: asked, place } } });
  const label = (percent: number) => format.percent(percent / 100);
  const series = {
    key: "0",
    label: t("experience.curve"),
    values: data.curve.map((one) => toNumber(one.views.value)),
    band: withBand ? data.curve.map((one) => edges(one.views)) : null,
    colour: "var(--s1)",
    dash: "",
  };
  return (
    <div className="stack wide-gap">
      <div className="grid-5">
        <BigNumber label={t("experience.pageviews")} value={data.views} onOpen={() => open(t("experience.pageviews"), {})} />
        <BigNumber label={t("experience.known")} value={data.known} onOpen={() => open(t("experience.known"), { percent: 0 })} />
        <BigNumber label={t("experience.mean")} value={toNumber(data.mean_percent)} say={(value) => format.percent(value / 100)} />
        <BigNumber label={t("experience.engaged")} value={toNumber(data.median_seconds)} say={format.seconds} />
      </div>
      {data.known === 0 ? (
        <p className="muted">{t("experience.script.scroll")}</p>
      ) : (
        <TimeChart label={t("experience.curve")} kind="line" height={240} stacked={false} buckets={data.curve.map((one) => ({ label: label(one.percent), is_incomplete: false }))} series={[series]} say={format.percent} axis={format.percent} onOpen={(_, at) => open(t("experience.reachedby", { percent: label(data.curve[at]!.percent) }), { percent: data.curve[at]!.percent })} />
      )}
    </div>
  );
}

function edges(rate: Rate): [number, number] | null {
  const { interval } = rate;
  return interval && [toNumber(interval.low as Exact)!, toNumber(interval.high as Exact)!];
}
