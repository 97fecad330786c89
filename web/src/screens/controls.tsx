/** What the heads of the question screens share. */
import type { ReactNode } from "react";
import { t, word } from "../i18n/t";
import type { QueryUrl } from "../query/useQueryUrl";
import { COMPARES, INTERVALS, type Compare, type Interval } from "../query/types";
import { Choice } from "../ui/basics";
import { RangeBox } from "../builder/RangeBox";
import { Icon } from "../ui/Icon";

export function PageHead({ title, lead, children }: { title: string; lead?: string; children?: ReactNode }) {
  return (
    <header className="page-head">
      <div>
        <h1>{title}</h1>
        {lead && <p>{lead}</p>}
      </div>
      {children && <div className="row">{children}</div>}
    </header>
  );
}

export function Dropped({ what }: { what: string[] }) {
  if (what.length === 0) return null;
  return (
    <p className="notes" role="status">
      <Icon name="warn" size={14} /> {t("state.dropped", { what: what.join(" ") })}
    </p>
  );
}

export function RangeControl({ query, change }: QueryUrl) {
  return <RangeBox value={query.range} onChange={(range) => change({ range })} />;
}

export function IntervalControl({ query, change, intervals = INTERVALS, auto = true }: QueryUrl & { intervals?: readonly Interval[]; auto?: boolean }) {
  const options = [...(auto ? [["auto", t("interval.auto")] as const] : []), ...intervals.map((one) => [one, word("interval", one)] as const)];
  return <Choice<Interval | "auto"> label={t("interval.label")} value={query.interval ?? (auto ? "auto" : intervals[0]!)} options={options} onChange={(one) => change({ interval: one === "auto" ? null : one })} />;
}

export function CompareControl({ query, change }: QueryUrl) {
  const options = [["none", t("compare.none")] as const, ...COMPARES.map((one) => [one, word("compare", one)] as const)];
  return <Choice<Compare | "none"> label={t("compare.label")} value={query.compare ?? "none"} options={options} onChange={(one) => change({ compare: one === "none" ? null : one })} />;
}

export function OptionControl({ query, change, name, label, options }: QueryUrl & { name: string; label: string; options: readonly (readonly [string, string])[] }) {
  const usual = options[0]![0];
  return (
    <Choice
      label={label}
      value={query.options[name] ?? usual}
      options={options}
      onChange={(value) => {
        const { [name]: _, ...rest } = query.options;
        change({ options: value === usual ? rest : { ...rest, [name]: value } });
      }}
    />
  );
}
