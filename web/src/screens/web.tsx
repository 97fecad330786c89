/** Web: a site on one page. A click on any row narrows all of it. */
import { lazy, Suspense, useMemo, useState } from "react";
import { useAsk } from "../api/queries";
import { toNumber, type Question, type WebData, type WebRow } from "../api/types";
import { useMarks, type Span } from "../charts/marks";
import { TimeChart } from "../charts/TimeChart";
import { format, t, word } from "../i18n/t";
import { clause, question, range, usualInterval } from "../query/ask";
import { describe, describeClause } from "../query/describe";
import type { Cond } from "../query/types";
import { useQueryUrl } from "../query/useQueryUrl";
import { IconButton } from "../ui/basics";
import { Skeleton } from "../ui/states";
import { Tabs } from "../ui/Tabs";
import { useAnnotating } from "./annotate";
import { Numbers } from "../views/web";
import { AnswerCard } from "./AnswerCard";
import { CompareControl, Dropped, PageHead, RangeControl } from "./controls";
import { useDrill } from "./drill";
import { SaveBar } from "./saving";

const WorldMap = lazy(() => import("../charts/WorldMap"));

const NO_BUCKETS: readonly Span[] = [];
const USUAL = { compare: "previous_period" as const };
/** The field whose value a row of a table has. */
const FIELDS: Record<string, string> = {
  channels: "channel", referrers: "referrer_host", utm_campaigns: "utm_campaign", pages: "path", entry_pages: "path", exit_pages: "path",
  countries: "country", devices: "device_type", browsers: "browser", operating_systems: "os",
};
const GROUPS: [string, string[]][] = [
  ["web.sources", ["channels", "referrers", "utm_campaigns"]],
  ["web.pages", ["pages", "entry_pages", "exit_pages"]],
  ["web.places", ["devices", "browsers", "operating_systems"]],
];

export default function Web() {
  const url = useQueryUrl("web", USUAL);
  const { query, change, dropped } = url;
  const asked = useMemo(() => ({ ...question(query)!, tables: Object.keys(FIELDS) }), [query]);
  const result = useAsk("web", asked);
  const overTime = useMemo(
    () => ({ series: [{ event: null, measure: "unique_people", filter: { op: "and", filters: [{ op: "equals", field: "kind", value: "page" }, ...query.where.map(clause).filter((one) => one !== null)] } }], range: range(query.range), interval: usualInterval(query.range) }),
    [query],
  );
  const trend = useAsk("trends", overTime);
  const marks = useMarks(trend.data?.data.buckets ?? NO_BUCKETS);
  const annotate = useAnnotating();
  const narrow = (cond: Cond) => change({ where: [...query.where, cond] });
  return (
    <>
      <PageHead title={t("screen.web")} lead={t("lead.web")}>
        <RangeControl {...url} />
        <CompareControl {...url} />
        <SaveBar url={url} asked={asked} title={describe(query)} />
      </PageHead>
      <Dropped what={dropped} />
      {query.where.length > 0 && (
        <div className="row" aria-label={t("web.filtered")}>
          <span className="muted">{t("web.filtered")}</span>
          {query.where.map((one, at) => (
            <span key={at} className="chip">
              <span className="chip-text">{describeClause(one)}</span>
              <IconButton icon="close" label={t("builder.removefilter", { what: describeClause(one) })} onClick={() => change({ where: query.where.filter((_, place) => place !== at) })} />
            </span>
          ))}
        </div>
      )}
      <AnswerCard title={describe(query)} insight="web" query={query} question={asked} result={result} isEmpty={(data) => data.numbers.visits === 0} filtered={query.where.length > 0} clear={() => change({ where: [] })} wider={() => change({ range: "90d" })}>
        {(answer) => (
          <div className="stack wide-gap">
            <Numbers data={answer.data} asked={answer.question} />
            {trend.data && <TimeChart label={t("web.overtime")} kind="area" marks={marks} onMark={annotate && ((what) => annotate("note" in what ? what : { at: trend.data.data.buckets[what.bucket]!.since }))} height={220} stacked={false} buckets={[...trend.data.data.buckets]} series={[{ key: "0", label: t("web.visitors"), values: trend.data.data.lines[0]!.values.map(toNumber), colour: "var(--s1)", dash: "" }]} />}
          </div>
        )}
      </AnswerCard>
      {result.data && result.data.data.numbers.visits > 0 && (
        <div className={`grid-three ${result.isPlaceholderData ? "stale" : ""}`}>
          <Places data={result.data.data} asked={result.data.question} narrow={narrow} />
          {GROUPS.map(([name, tables]) => (
            <TableCard key={name} titleKey={name} tables={tables} data={result.data.data} asked={result.data.question} narrow={narrow} />
          ))}
        </div>
      )}
    </>
  );
}

function TableCard({ titleKey, tables, data, asked, narrow }: { titleKey: string; tables: string[]; data: WebData; asked: Question; narrow: (cond: Cond) => void }) {
  const [chosen, setChosen] = useState(tables[0]!);
  return (
    <section className="card" aria-label={word("web", titleKey.slice(4))}>
      <Tabs label={word("web", titleKey.slice(4))} value={chosen} onChange={setChosen} tabs={tables.map((one) => ({ id: one, label: word("web", one), content: <BarTable name={one} data={data} asked={asked} narrow={narrow} /> }))} />
    </section>
  );
}

/** The map of the countries; their list beside it says the same. */
function Places({ data, asked, narrow }: { data: WebData; asked: Question; narrow: (cond: Cond) => void }) {
  const drill = useDrill();
  const rows = barsOf("countries", data);
  const said = (code: string, visitors: number) => t("web.who", { n: format.number(visitors), value: countryName("countries", code) ?? code });
  return (
    <section className="card map-card" aria-label={t("web.map")}>
      <h2>{t("web.map")}</h2>
      <div className="map-columns">
        <Suspense fallback={<Skeleton height={240} />}>
          <WorldMap label={t("web.map")} values={rows.flatMap((one) => (one.value === null ? [] : [{ code: one.value, value: one.visitors, label: said(one.value, one.visitors) }]))} onOpen={(code, label) => drill({ title: label, people: { behind: { insight: "web", question: asked, place: { table: "countries", value: code } } } })} />
        </Suspense>
        <BarTable name="countries" data={data} asked={asked} narrow={narrow} />
      </div>
    </section>
  );
}

interface Bar {
  value: string | null;
  visitors: number;
  share: number;
}

function BarTable({ name, data, asked, narrow }: { name: string; data: WebData; asked: Question; narrow: (cond: Cond) => void }) {
  const drill = useDrill();
  const rows = barsOf(name, data);
  const most = Math.max(...rows.map((one) => one.visitors), 1);
  if (rows.length === 0) return <p className="muted">{t("common.none")}</p>;
  return (
    <table className="bar-table">
      {name in data.sums_to_total && !data.sums_to_total[name] && (
        <caption className="muted" style={{ captionSide: "bottom", textAlign: "start" }} data-nosum="">
          {t("label.nosum.web")}
        </caption>
      )}
      <thead>
        <tr>
          <th scope="col">{word("web", name)}</th>
          <th scope="col" className="number">
            {t("web.visitors")}
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((one) => {
          const label = one.value === null ? t("common.none") : (countryName(name, one.value) ?? one.value);
          const field = FIELDS[name]!;
          return (
            <tr key={String(one.value)}>
              <th scope="row">
                <i className="bar-fill" style={{ inlineSize: `${(100 * one.visitors) / most}%` }} aria-hidden="true" />
                <button type="button" className="bar-name cut" title={t("web.narrow", { value: label })} onClick={() => narrow(one.value === null ? { field, op: "not_exists", values: [] } : { field, op: "equals", values: [one.value] })}>
                  {label}
                </button>
              </th>
              <td className="number num">
                <button type="button" className="number-link num" aria-label={t("web.who", { n: format.number(one.visitors), value: label })} onClick={() => drill({ title: `${word("web", name)}: ${label}`, people: { behind: { insight: "web", question: asked, place: { table: name, value: one.value } } } })}>
                  {format.number(one.visitors)}
                </button>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function barsOf(name: string, data: WebData): Bar[] {
  if (name === "pages") return data.pages.map((one) => ({ value: one.value, visitors: one.visitors, share: toNumber(one.share.value) ?? 0 }));
  const rows = (data.tables as Record<string, WebRow[]>)[name] ?? [];
  return rows.map((one) => ({ value: one.value, visitors: one.numbers.visitors, share: toNumber(one.share.value) ?? 0 }));
}

function countryName(table: string, code: string): string | null {
  if (table !== "countries" || !/^[A-Z]{2}$/.test(code)) return null;
  try {
    return new Intl.DisplayNames(navigator.languages, { type: "region" }).of(code) ?? null;
  } catch {
    return null;
  }
}

