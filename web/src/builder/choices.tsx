/** The names there are, as choices: events with how often they came, and fields by where they are from. */
import { useMemo } from "react";
import { useDefinitions, useEventCounts, useNames } from "../api/queries";
import type { Names } from "../api/types";
import { format, t } from "../i18n/t";
import { fieldName } from "../query/describe";
import { COHORT } from "../query/types";
import { Combobox, type OptionGroup } from "../ui/Combobox";
import { useBuilderRange } from "./range";

const ANY = "*";

interface EventBoxProps {
  value: string | null;
  onChange: (event: string | null) => void;
  label?: string;
  any?: string | null;
  autoFocus?: boolean;
}

/** Choose an event; `any` names the choice of no particular one, null offers none. */
export function EventBox({ value, onChange, label = t("builder.event"), any = t("common.any"), autoFocus }: EventBoxProps) {
  const names = useNames().data;
  const counts = useEventCounts(useBuilderRange());
  const groups = useMemo(() => eventGroups(names, counts, any), [names, counts, any]);
  return <Combobox label={label} groups={groups} value={value ?? (any === null ? null : ANY)} onChange={(id) => onChange(id === ANY ? null : id)} autoFocus={autoFocus ?? false} />;
}

/** Until it is known how often events came in the range, nothing is said of that. */
function eventGroups(names: Names | undefined, counts: Map<string, number> | undefined, any: string | null): OptionGroup[] {
  const events = (names?.events ?? []).map(({ name }) => {
    const count = counts?.get(name) ?? 0;
    const note = counts && (count > 0 ? t("builder.inrange", { n: count }) : t("builder.neverinrange"));
    return { id: name, label: name, ...(note ? { note } : {}), faint: counts !== undefined && count === 0 };
  });
  const group = { label: t("data.events"), options: events };
  return any === null ? [group] : [{ label: t("common.any"), options: [{ id: ANY, label: any }] }, group];
}

export function FieldBox({ value, onChange, label = t("builder.field"), numbers, withCohorts, autoFocus }: { value: string; onChange: (field: string) => void; label?: string; numbers?: boolean; withCohorts?: boolean; autoFocus?: boolean }) {
  const names = useNames().data;
  const cohorts = useDefinitions(withCohorts ?? false).data?.definitions.cohorts;
  const groups = useMemo(() => [...fieldGroups(names, numbers ?? false), ...(withCohorts && cohorts && Object.keys(cohorts).length > 0 ? [{ label: t("screen.cohorts"), options: [{ id: COHORT, label: t("rule.cohort") }] }] : [])], [names, numbers, withCohorts, cohorts]);
  return <Combobox label={label} groups={groups} value={value || null} onChange={onChange} autoFocus={autoFocus ?? false} />;
}

/** Fields that tell where, how and by what; ids and times are no use to narrow or break down by. */
const USEFUL = [
  "path", "page_url", "title", "host", "referrer_host", "channel", "utm_source", "utm_medium", "utm_campaign",
  "country", "region", "city", "device_type", "browser", "os", "locale", "client_timezone",
  "name", "account", "user_id", "app_name", "app_version", "library_name", "source", "protocol", "currency", "unit", "value", "revenue", "is_bot",
];
const NUMBERS = ["value", "revenue"];

function fieldGroups(names: Names | undefined, numbers: boolean): OptionGroup[] {
  const properties = (names?.properties ?? []).filter((one) => !numbers || one.classes.includes("number"));
  const known = new Set(names?.fields ?? []);
  return [
    {
      label: t("field.group.properties"),
      options: properties.map((one) => ({ id: `properties.${one.name}`, label: one.name, note: format.short(one.events) })),
    },
    { label: t("field.group.fields"), options: (numbers ? NUMBERS : USEFUL).filter((one) => known.has(one)).map((one) => ({ id: one, label: fieldName(one) })) },
    { label: t("field.group.profiles"), options: (names?.profiles ?? []).map((one) => ({ id: one, label: one })) },
  ].filter((group) => group.options.length > 0);
}

/** Whether what is typed for this field means a number. */
export function isNumberField(field: string, names: Names | undefined): boolean {
  if (NUMBERS.includes(field)) return true;
  const property = names?.properties.find((one) => `properties.${one.name}` === field);
  return property !== undefined && property.classes.includes("number") && !property.classes.includes("text");
}
