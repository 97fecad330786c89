/** A funnel: a bar for each step, and who is lost between them. */
import { toNumber, type Answer, type Funnel, type FunnelsData, type Question, type Table } from "../api/types";
import { BigNumber } from "../charts/BigNumber";
import { format, t } from "../i18n/t";
import { DataTable, type Column } from "../ui/DataTable";
import { Icon } from "../ui/Icon";
import { NoSum } from "./NoSum";
import { useDrill, useSaying } from "./opening";

export function FunnelView({ data, asked, people, withBand = false }: { data: FunnelsData; asked: Question; people: boolean; withBand?: boolean }) {
  const drill = useDrill();
  const saying = useSaying();
  const { total } = data;
  const open = (title: string, place: Question) => drill({ title, people: { behind: { insight: "funnels", question: asked, place } }, isOfAccounts: asked["by"] === "account" });
  const counts = total.steps.map((step) => toNumber(step.count));
  const lost = total.steps.map((step) => toNumber(step.dropped));
  const worst = [...total.steps.keys()].slice(1).sort((a, b) => (lost[b] ?? 0) - (lost[a] ?? 0))[0] ?? 0;
  const entered = toNumber(total.entered);
  const isRunning = (toNumber(total.incomplete) ?? 0) > 0;
  return (
    <div className="stack wide-gap">
      <div className="grid">
        <BigNumber label={isRunning ? t("funnel.sofar") : t("funnel.converted")} value={toNumber(total.rate_so_far)} say={format.percent} />
        {isRunning && <BigNumber label={t("funnel.over")} value={toNumber(total.rate)} say={format.percent} />}
        <BigNumber label={t("funnel.entered")} value={entered} {...(people ? { onOpen: () => open(t("funnel.entered"), { step: 1 }) } : {})} />
        <BigNumber label={t("funnel.median")} value={toNumber(total.time_to_convert.median)} say={format.seconds} />
      </div>
      {Boolean(lost[worst]) && counts[worst - 1] != null && (
        <p className="finding" data-worst={total.steps[worst]!.label}>
          <Icon name="funnels" />
          {t("funnel.loses", { from: total.steps[worst - 1]!.label, to: total.steps[worst]!.label, n: lost[worst]!, share: format.percent(lost[worst]! / counts[worst - 1]!) })}
        </p>
      )}
      <ol className="funnel" aria-label={t("screen.funnels")}>
        {total.steps.map((step, at) => {
          const [count, dropped, before] = [counts[at] ?? null, lost[at] ?? null, counts[at - 1] ?? null];
          const share = (part: number | null) => (part === null ? null : part / (entered || 1));
          const time = toNumber(step.from_previous.median);
          return (
            <li key={step.step} className="funnel-step" data-step={step.label} data-count={step.count} data-dropped={step.dropped}>
              <div className="funnel-name">
                <span className="letter">{step.step}</span>
                <b className="cut">{step.label}</b>
                {time !== null && <span className="muted num">{t("funnel.after", { time: format.seconds(time) })}</span>}
              </div>
              <div className="funnel-bar" aria-hidden="true">
                <i className="funnel-on" style={{ inlineSize: `${100 * (share(count) ?? 0)}%` }} />
                <i className="funnel-off" style={{ inlineSize: `${100 * (share(dropped) ?? 0)}%` }} />
                {withBand && at > 0 && <Whisker interval={step.of_first_interval} />}
              </div>
              <div className="funnel-numbers num">
                <Number_ text={saying(count, format.number)} label={t("funnel.reached", { n: saying(count, format.number), step: step.label })} open={people ? () => open(t("funnel.openreached", { step: step.label }), { step: step.step }) : null} />
                <span>{saying(share(count), format.percent)}</span>
                {at > 0 && (
                  <>
                    <span className="muted">
                      {t("funnel.ofprevious", { share: saying(count === null || before === null ? null : before ? count / before : 0, format.percent), n: total.steps[at - 1]!.step })}
                    </span>
                    <span className="funnel-lost">
                      − <Number_ text={saying(dropped, format.number)} label={t("funnel.dropped", { n: saying(dropped, format.number), step: step.label })} open={people ? () => open(t("funnel.opendropped", { step: step.label }), { step: step.step, outcome: "dropped" }) : null} />
                    </span>
                    {withBand && <Between interval={step.of_first_interval} isRunning={isRunning} />}
                  </>
                )}
              </div>
            </li>
          );
        })}
      </ol>
      <p className="muted" data-attempt={data.rules.attempt}>
        {t(`label.attempt.${data.rules.attempt}`)}
      </p>
      {data.groups.length > 0 && <Groups data={data} />}
      {data.groups.length > 0 && !data.sums_to_total && <NoSum />}
      {total.histogram.some((one) => Boolean(toNumber(one.count))) && <Times funnel={total} onOpen={people ? (bin, title) => open(title, { step: total.steps.length, bin }) : null} />}
    </div>
  );
}

type Interval = Funnel["steps"][number]["of_first_interval"];

/** Where the true share lies, 95 times in 100, on the bar that shows the share. */
function Whisker({ interval }: { interval: Interval }) {
  const [low, high] = edges(interval);
  if (low === null || high === null) return null;
  return <i className="funnel-whisker" data-whisker="" data-low={low} data-high={high} style={{ insetInlineStart: `${100 * low}%`, inlineSize: `${100 * (high - low)}%` }} />;
}

function Between({ interval, isRunning }: { interval: Interval; isRunning: boolean }) {
  const [low, high] = edges(interval);
  if (low === null || high === null) return null;
  return <span className="funnel-between muted">{t(isRunning ? "funnel.between.over" : "funnel.between", { low: format.percent(low), high: format.percent(high) })}</span>;
}

function edges(interval: Interval): [number | null, number | null] {
  return interval ? [toNumber(interval.low), toNumber(interval.high)] : [null, null];
}

/** The table of a funnel with the ends of the intervals beside the share of each step. */
export function tableWithIntervals({ data, table }: Pick<Answer<"funnels">, "data" | "table">): Table {
  const steps = (data.groups.length > 0 ? data.groups : [data.total]).flatMap((one) => one.steps);
  const place = table.columns.indexOf("of first") + 1;
  if (place === 0 || steps.length !== table.rows.length) return table;
  const widened = (row: readonly unknown[], ...ends: unknown[]) => [...row.slice(0, place), ...ends, ...row.slice(place)];
  return {
    columns: widened(table.columns, t("funnel.low"), t("funnel.high")) as string[],
    rows: table.rows.map((row, at) => widened(row as unknown[], ...edges(steps[at]!.of_first_interval))),
  } as Table;
}

function Number_({ text, label, open }: { text: string; label: string; open: (() => void) | null }) {
  return open ? (
    <button type="button" className="number-link num" aria-label={label} title={label} onClick={open}>
      {text}
    </button>
  ) : (
    <b className="num">{text}</b>
  );
}

function Groups({ data }: { data: FunnelsData }) {
  const groups = [...data.groups];
  const saying = useSaying();
  const name = (one: Funnel) => (one.is_other ? t("common.other") : (one.breakdown ?? []).map((part) => (part === null ? t("common.none") : String(part))).join(" · "));
  const columns: Column<Funnel>[] = [
    { id: "name", label: data.breakdown.join(" · "), value: name, cell: name },
    ...data.total.steps.map((step, at): Column<Funnel> => ({ id: String(at), label: step.label, number: true, value: (one) => toNumber(one.steps[at]?.count), cell: (one) => saying(toNumber(one.steps[at]?.count), format.number) })),
    { id: "rate", label: t("funnel.converted"), number: true, value: (one) => toNumber(one.rate_so_far), cell: (one) => saying(toNumber(one.rate_so_far), format.percent) },
  ];
  return <DataTable label={t("builder.breakdown")} columns={columns} rows={groups} rowKey={name} />;
}

function Times({ funnel, onOpen }: { funnel: Funnel; onOpen: ((bin: number, title: string) => void) | null }) {
  const saying = useSaying();
  const most = Math.max(...funnel.histogram.map((one) => toNumber(one.count) ?? 0));
  return (
    <figure className="stack">
      <figcaption>
        <h3>{t("funnel.time")}</h3>
      </figcaption>
      <div className="histogram">
        {funnel.histogram.map((one, bin) => {
          const span = `${format.seconds(Number(one.low))} – ${format.seconds(Number(one.high))}`;
          const count = toNumber(one.count);
          const label = `${span}: ${saying(count, format.number)}`;
          return (
            <button key={bin} type="button" disabled={!onOpen || !count} aria-label={label} title={label} onClick={() => onOpen?.(bin, `${t("funnel.time")}: ${span}`)}>
              <i style={{ blockSize: `${(100 * (count ?? 0)) / most}%` }} />
            </button>
          );
        })}
      </div>
      <div className="row histogram-ends muted num">
        <span>{format.seconds(Number(funnel.histogram[0]?.low ?? 0))}</span>
        <span className="spacer">{format.seconds(Number(funnel.histogram.at(-1)?.high ?? 0))}</span>
      </div>
    </figure>
  );
}
