/** A cohort as a sentence. */
import { t } from "../i18n/t";
import { describeCond } from "../query/describe";
import { draftOf, type Cohort, type Rule } from "./model";

/** Return who is in a cohort, in words; one with a rule that the form cannot have says so. */
export function describeCohort(cohort: Cohort): string {
  const draft = draftOf(cohort);
  if (draft === null) return t("cohorts.describe.other");
  if (draft.how === "ids") return t("cohorts.describe.ids", { n: draft.ids.length });
  return draft.rules.map(describeRule).join(t(draft.match === "and" ? "cohorts.describe.and" : "cohorts.describe.or"));
}

function describeRule(rule: Rule): string {
  const conds = rule.conds.map(describeCond).join(t("cohorts.describe.and"));
  const event = [rule.event ?? t("cohorts.describe.anything"), conds && `(${conds})`].filter(Boolean).join(" ");
  const range = rule.days === 0 ? t("cohorts.describe.alltime") : t("rule.lastdays", { n: rule.days });
  switch (rule.kind) {
    case "did":
      return rule.times > 1 ? t("cohorts.describe.did", { event, n: rule.times, range }) : t("cohorts.describe.did1", { event, range });
    case "didnot":
      return t("cohorts.describe.didnot", { event, range });
    case "is":
      return conds;
    case "isnot":
      return t("cohorts.describe.not", { what: conds });
    case "in":
      return t("cohorts.describe.in", { name: rule.cohort });
    case "notin":
      return t("cohorts.describe.notin", { name: rule.cohort });
  }
}
