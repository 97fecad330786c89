/** A funnel: a bar for each step, and who is lost between them. */
import { toNumber, type Funnel, type FunnelsData, type Question } from "../api/types";
import { BigNumber } from "../charts/BigNumber";
import { format, t } from "../i18n/t";
import { DataTable, type Column } from "../ui/DataTable";
import { Icon } from "../ui/Icon";
import { useDrill } from "./opening";

export function FunnelView({ data, asked, people }: { data: FunnelsData; asked: Question; people: boolean }) {
  const drill = useDrill();
  const { total } = data;
  const open = (title: string, place: Question) => drill({ title, people: { behind: { insight: "funnels", question: asked, place } } });
  const worst = [...total.steps].slice(1).sort((a, b) => b.dropped - a.dropped)[0];
  const before = worst && total.steps[worst.step - 2];
  const median = toNumber(total.time_to_convert.median);
  return (
    <div className="stack wide-gap">
      <div className="grid">
        <BigNumber label={total.incomplete > 0 ? t("funnel.sofar") : t("funnel.converted")} value={toNumber(total.rate_so_far)} say={format.percent} />
        {total.incomplete > 0 && <BigNumber label={t("funnel.over")} value={toNumber(total.rate)} say={format.percent} />}
        <BigNumber label={t("funnel.entered")} value={total.entered} {...(people ? { onOpen: () => open(t("funnel.entered"), { step: 1 }) } : {})} />
        <BigNumber label={t("funnel.median")} value={median} say={format.seconds} />
      </div>
      {worst && before && worst.dropped > 0 && (
        <p className="finding" data-worst={worst.label}>
          <Icon name="funnels" />
          {t("funnel.loses", { from: before.label, to: worst.label, n: worst.dropped, share: format.percent(worst.dropped / before.count) })}
        </p>
      )}
      <ol className="funnel" aria-label={t("screen.funnels")}>
        {total.steps.map((step, at) => {
          const entered = total.entered || 1;
          const previous = total.steps[at - 1];
          const time = toNumber(step.from_previous.median);
          const reached = t("funnel.reached", { n: step.count, step: step.label });
          const dropped = t("funnel.dropped", { n: step.dropped, step: step.label });
          return (
            <li key={step.step} className="funnel-step" data-step={step.label} data-count={step.count} data-dropped={step.dropped}>
              <div className="funnel-name">
                <span className="letter">{step.step}</span>
                <b className="cut">{step.label}</b>
                {time !== null && <span className="muted num">{t("funnel.after", { time: format.seconds(time) })}</span>}
              </div>
              <div className="funnel-bar" aria-hidden="true">
                <i className="funnel-on" style={{ inlineSize: `${(100 * step.count) / entered}%` }} />
                <i className="funnel-off" style={{ inlineSize: `${(100 * step.dropped) / entered}%` }} />
              </div>
              <div className="funnel-numbers num">
                <Number_ text={format.number(step.count)} label={reached} open={people ? () => open(t("funnel.openreached", { step: step.label }), { step: step.step }) : null} />
                <span>{format.percent(step.count / entered)}</span>
                {previous && (
                  <>
                    <span className="muted">
                      {t("funnel.ofprevious", { share: format.percent(previous.count ? step.count / previous.count : 0), n: previous.step })}
                    </span>
                    <span className="funnel-lost">
                      − <Number_ text={format.number(step.dropped)} label={dropped} open={people ? () => open(t("funnel.opendropped", { step: step.label }), { step: step.step, outcome: "dropped" }) : null} />
                    </span>
                  </>
                )}
              </div>
            </li>
          );
        })}
      </ol>
      {data.groups.length > 0 && <Groups data={data} />}
      {total.histogram.some((one) => one.count > 0) && <Times funnel={total} onOpen={people ? (bin, title) => open(title, { step: total.steps.length, bin }) : null} />}
    </div>
  );
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
  const name = (one: Funnel) => (one.is_other ? t("common.other") : (one.breakdown ?? []).map((part) => (part === null ? t("common.none") : String(part))).join(" · "));
  const columns: Column<Funnel>[] = [
    { id: "name", label: data.breakdown.join(" · "), value: name, cell: name },
    ...data.total.steps.map((step, at): Column<Funnel> => ({ id: String(at), label: step.label, number: true, value: (one) => one.steps[at]?.count ?? 0, cell: (one) => format.number(one.steps[at]?.count ?? 0) })),
    { id: "rate", label: t("funnel.converted"), number: true, value: (one) => toNumber(one.rate_so_far), cell: (one) => (toNumber(one.rate_so_far) === null ? "–" : format.percent(toNumber(one.rate_so_far)!)) },
  ];
  return <DataTable label={t("builder.breakdown")} columns={columns} rows={groups} rowKey={name} />;
}

function Times({ funnel, onOpen }: { funnel: Funnel; onOpen: ((bin: number, title: string) => void) | null }) {
  const most = Math.max(...funnel.histogram.map((one) => one.count));
  return (
    <figure className="stack">
      <figcaption>
        <h3>{t("funnel.time")}</h3>
      </figcaption>
      <div className="histogram">
        {funnel.histogram.map((one, bin) => {
          const span = `${format.seconds(Number(one.low))} – ${format.seconds(Number(one.high))}`;
          const label = `${span}: ${format.number(one.count)}`;
          return (
            <button key={bin} type="button" disabled={!onOpen || one.count === 0} aria-label={label} title={label} onClick={() => onOpen?.(bin, `${t("funnel.time")}: ${span}`)}>
              <i style={{ blockSize: `${(100 * one.count) / most}%` }} />
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
