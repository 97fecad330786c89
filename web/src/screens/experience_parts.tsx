/** The tables of page experience: clicks in vain, forms, and where people click. */
import { toNumber, type FormsData, type FrustrationData, type HeatData, type Question, type Rate } from "../api/types";
import { BigNumber } from "../charts/BigNumber";
import { HeatGrid } from "../charts/HeatGrid";
import { format, t } from "../i18n/t";
import { DataTable, type Column } from "../ui/DataTable";
import { useDrill } from "./drill";

interface About {
  asked: Question;
  page: string | null;
  withBand: boolean;
}
type Element = FrustrationData["elements"][number];
type Form = FormsData["forms"][number];
const OUTCOMES = ["seen", "started", "sent", "left"] as const;

export function Frustration({ data, asked, page, withBand }: About & { data: FrustrationData }) {
  const drill = useDrill();
  const open = (title: string, place: Question) => drill({ title, people: { behind: { insight: "frustration", question: asked, place } } });
  const name = (one: Element) => one.element ?? t("experience.noelement");
  const columns: Column<Element>[] = [
    { id: "element", label: t("experience.element"), value: name, cell: (one) => <code className="cut">{name(one)}</code> },
    ...(page === null ? [{ id: "page", label: t("experience.page"), value: (one: Element) => one.path, cell: (one: Element) => one.path ?? t("common.none") }] : []),
    { id: "rage", label: t("experience.rage"), number: true, value: (one) => one.rage, cell: (one) => format.number(one.rage) },
    { id: "dead", label: t("experience.dead"), number: true, value: (one) => one.dead, cell: (one) => format.number(one.dead) },
    {
      id: "people",
      label: t("experience.people"),
      number: true,
      value: (one) => one.people,
      cell: (one) => {
        const said = t("experience.behind", { n: one.people, what: name(one) });
        return <Link n={one.people} said={said} open={() => open(said, { table: "elements", page: one.path, element: one.element })} />;
      },
    },
    { id: "visits", label: t("experience.visits"), number: true, value: (one) => one.visits, cell: (one) => format.number(one.visits) },
  ];
  return (
    <div className="stack wide-gap">
      <div className="grid-5">
        <BigNumber label={t("experience.rage")} value={data.rage} moreIsGood={false} />
        <BigNumber label={t("experience.dead")} value={data.dead} moreIsGood={false} />
        <BigNumber label={t("experience.perthousand")} value={toNumber(data.clicks_per_thousand_visits)} />
        <BigNumber label={t("experience.frustrated")} value={data.people.count} onOpen={() => open(t("experience.frustrated"), {})} say={(n) => `${format.number(n)} (${share(data.people, withBand)})`} />
      </div>
      <DataTable label={t("experience.frustration")} columns={columns} rows={[...data.elements]} rowKey={(one) => `${one.path}\n${one.element}`} />
    </div>
  );
}

export function Forms({ data, asked, page, withBand }: About & { data: FormsData }) {
  const drill = useDrill();
  const name = (one: Form) => one.form ?? t("experience.noform");
  const count = (one: Form, outcome: (typeof OUTCOMES)[number]) => ({ seen: one.seen, started: one.start.count, sent: one.completion.count, left: one.left })[outcome];
  const columns: Column<Form>[] = [
    { id: "form", label: t("experience.form"), value: name, cell: name },
    ...(page === null ? [{ id: "page", label: t("experience.page"), value: (one: Form) => one.path, cell: (one: Form) => one.path }] : []),
    ...OUTCOMES.map((outcome): Column<Form> => {
      const what = t(`experience.${outcome}`);
      return {
        id: outcome,
        label: what,
        number: true,
        value: (one) => count(one, outcome),
        cell: (one) => {
          const people = one.people[outcome];
          const said = t("experience.of", { what, form: name(one), n: people });
          return (
            <span className="two-lines">
              <b>{format.number(count(one, outcome))}</b>
              <Link n={people} text={t("experience.bypeople", { n: people })} said={said} open={() => drill({ title: said, people: { behind: { insight: "forms", question: asked, place: { page: one.path, form: one.form, outcome } } } })} />
            </span>
          );
        },
      };
    }),
    { id: "completion", label: t("experience.completion"), number: true, value: (one) => toNumber(one.completion.value), cell: (one) => share(one.completion, withBand) },
    { id: "time", label: t("experience.time"), number: true, value: (one) => toNumber(one.median_seconds), cell: (one) => (one.median_seconds === null ? "–" : format.seconds(toNumber(one.median_seconds)!)) },
  ];
  return <DataTable label={t("experience.forms")} columns={columns} rows={[...data.forms]} rowKey={(one) => `${one.path}\n${one.form}`} />;
}

export function Heat({ data, asked }: { data: HeatData; asked: Question }) {
  const drill = useDrill();
  const open = (title: string, place: Question) => drill({ title, people: { behind: { insight: "heat", question: asked, place } } });
  type One = HeatData["elements"][number];
  const name = (one: One) => one.element ?? t("experience.noelement");
  const columns: Column<One>[] = [
    { id: "element", label: t("experience.element"), value: name, cell: (one) => <code className="cut">{name(one)}</code> },
    { id: "clicks", label: t("experience.clicks"), number: true, value: (one) => one.clicks, cell: (one) => format.number(one.clicks) },
    { id: "share", label: t("experience.share"), number: true, value: (one) => toNumber(one.share), cell: (one) => format.percent(toNumber(one.share) ?? 0) },
    {
      id: "people",
      label: t("experience.people"),
      number: true,
      value: (one) => one.people,
      cell: (one) => {
        const said = t("experience.clickedby", { n: one.people, what: name(one) });
        // Clicks on nothing that was named are no place of their own.
        return one.element === null ? format.number(one.people) : <Link n={one.people} said={said} open={() => open(said, { element: one.element })} />;
      },
    },
  ];
  return (
    <div className="heat-columns">
      <div className="stack">
        <HeatGrid label={t("experience.heat")} cells={data.cells} columns={data.columns} bands={data.bands} band={data.band} onOpen={(cell, said) => open(said, { column: cell.column, band: cell.band })} />
        {data.below > 0 && <p className="muted">{t("experience.below", { n: data.below })}</p>}
      </div>
      <div className="stack">
        <h3>{t("experience.elements")}</h3>
        <DataTable label={t("experience.elements")} columns={columns} rows={[...data.elements]} rowKey={(one) => String(one.element)} />
        {data.element_count > data.elements.length && <p className="muted">{t("drill.shown", { shown: data.elements.length, total: data.element_count })}</p>}
      </div>
    </div>
  );
}

function Link({ n, said, text, open }: { n: number; said: string; text?: string; open: () => void }) {
  return (
    <button type="button" className="number-link num" aria-label={said} title={said} onClick={open}>
      {text ?? format.number(n)}
    </button>
  );
}

/** A share, and if it is wanted where the true one lies. */
function share(rate: Rate, withBand: boolean): string {
  const value = toNumber(rate.value);
  if (value === null) return "–";
  if (!withBand || !rate.interval) return format.percent(value);
  return t("experience.share.between", { share: format.percent(value), low: format.percent(toNumber(rate.interval.low)!), high: format.percent(toNumber(rate.interval.high)!) });
}
