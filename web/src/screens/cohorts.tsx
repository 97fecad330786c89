/** Cohorts: groups of people by rules; how many are in each now, who, and whom two share. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useMemo, useState } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { json, Problem } from "../api/client";
import { useAsk, useDefinitions } from "../api/queries";
import { useSession } from "../api/session";
import type { PeopleData, Question } from "../api/types";
import { EventBox } from "../builder/choices";
import { Conditions } from "../builder/Conditions";
import { defined, draftOf, idsOf, isReady, NEW, NEW_RULE, RULES, type Cohort, type Draft, type Rule, type RuleKind } from "../cohorts/model";
import { describeCohort } from "../cohorts/describe";
import { format, t } from "../i18n/t";
import { encode } from "../query/codec";
import { COHORT, condsOf, query, row } from "../query/types";
import "../styles/setup.css";
import { Badge, Button, Choice, IconButton } from "../ui/basics";
import { DataTable, type Column } from "../ui/DataTable";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { toast } from "../ui/toast";
import { PageHead } from "./controls";
import { PeoplePages } from "./drill";

const EVER = { since: "1971-01-01", until: "2200-01-01" };

/** A question about the people of a cohort, which is a name or a definition. */
function peopleOf(...cohorts: (string | Cohort)[]): Question {
  const filters = cohorts.map((cohort) => ({ op: "in_cohort", cohort }));
  return { range: EVER, filter: filters.length === 1 ? filters[0] : { op: "and", filters } };
}

export default function Cohorts() {
  const session = useSession()!;
  const search = new URLSearchParams(useSearch());
  const [, navigate] = useLocation();
  const result = useDefinitions();
  const open = search.get("open");
  const editing = search.get("edit");
  const go = (part: Record<string, string>) => navigate(`/cohorts?${new URLSearchParams(part)}`);
  const cohorts = (result.data?.definitions.cohorts ?? {}) as unknown as Record<string, Cohort>;
  const head = (
    <PageHead title={open && open in cohorts ? open : t("screen.cohorts")} lead={t("lead.cohorts")}>
      {session.mayChange && editing === null && open === null && (
        <Button look="main" icon="plus" onClick={() => go({ edit: "" })}>
          {t("cohorts.new")}
        </Button>
      )}
      {(open !== null || editing !== null) && <Button onClick={() => go({})}>{t("cohorts.back")}</Button>}
    </PageHead>
  );
  if (result.isError) return <>{head}<ErrorBox error={result.error} retry={() => result.refetch()} /></>;
  if (!result.data) return <>{head}<Skeleton height={300} /></>;
  if (editing !== null) {
    return (
      <>
        {head}
        {session.mayChange ? (
          <Builder key={editing} name={editing} cohort={cohorts[editing] ?? null} others={Object.keys(cohorts).filter((one) => one !== editing)} onDone={(name) => go({ open: name })} />
        ) : (
          <ErrorBox error={new Problem({ code: "ROLE_TOO_LOW", status: 403, detail: t("cohorts.denied") })} />
        )}
      </>
    );
  }
  if (open !== null && cohorts[open]) return <>{head}<One name={open} cohort={cohorts[open]} others={Object.entries(cohorts).filter(([name, one]) => name !== open && one.of !== "accounts").map(([name]) => name)} onEdit={() => go({ edit: open })} onGone={() => go({})} /></>;
  return (
    <>
      {head}
      <section className="card" aria-label={t("screen.cohorts")}>
        {Object.keys(cohorts).length === 0 ? (
          <Empty title={t("cohorts.none")} icon="cohorts">
            <p className="muted">{t("cohorts.none.why")}</p>
            {!session.mayChange && <p className="muted">{t("cohorts.denied")}</p>}
          </Empty>
        ) : (
          <List cohorts={cohorts} />
        )}
      </section>
    </>
  );
}

function List({ cohorts }: { cohorts: Record<string, Cohort> }) {
  const columns: Column<[string, Cohort]>[] = [
    { id: "name", label: t("cohorts.name"), value: ([name]) => name, cell: ([name]) => <Link href={`/cohorts?open=${encodeURIComponent(name)}`}>{name}</Link> },
    { id: "rule", label: t("cohorts.rule"), cell: ([, one]) => <span className="wide-cell">{one.description || describeCohort(one)}</span> },
    { id: "size", label: t("cohorts.size"), number: true, cell: ([name, one]) => (one.of === "accounts" ? "–" : <Size name={name} />) },
  ];
  return <DataTable label={t("screen.cohorts")} columns={columns} rows={Object.entries(cohorts)} rowKey={([name]) => name} />;
}

function Size({ name }: { name: string }) {
  const { count, error } = useCount(name);
  return <>{error ? "!" : count === null ? "…" : format.number(count)}</>;
}

/** How many people are in a cohort, or in all of several; null while it is counted. */
function useCount(...cohorts: (string | Cohort | null)[]): { count: number | null; error: unknown } {
  const told = JSON.stringify(cohorts);
  const asked = useMemo(() => (cohorts.includes(null) ? null : { ...peopleOf(...(cohorts as (string | Cohort)[])), limit: 1 }), [told]);
  const result = useAsk("people", asked);
  return { count: result.data && !result.isPlaceholderData && asked ? (result.data.data as PeopleData).total : null, error: asked ? result.error : null };
}

// One cohort

function One({ name, cohort, others, onEdit, onGone }: { name: string; cohort: Cohort; others: string[]; onEdit: () => void; onGone: () => void }) {
  const session = useSession()!;
  const client = useQueryClient();
  const [leaving, setLeaving] = useState(false);
  const asked = useMemo(() => peopleOf(name), [name]);
  const remove = useMutation({
    mutationFn: () => json(`/projects/${session.project}/cohorts/${encodeURIComponent(name)}`, { method: "DELETE" }),
    onSuccess: () => {
      // Left before anything is asked anew: there is nobody in it to be asked for.
      onGone();
      void client.invalidateQueries({ queryKey: ["definitions"] });
    },
  });
  const use = `/explore?${encode(query("trends", { rows: [row(null, "unique_people")], where: [{ field: COHORT, op: "in_cohort", values: [name] }] }))}`;
  const fits = draftOf(cohort) !== null;
  return (
    <>
      <section className="card stack" aria-label={t("cohorts.rule")}>
        <p className="wrap">{describeCohort(cohort)}</p>
        {cohort.description && <p className="muted wrap">{cohort.description}</p>}
        <div className="row">
          <Link className="button main" href={use}>
            {t("cohorts.use")}
          </Link>
          {session.mayChange && fits && <Button onClick={onEdit}>{t("cohorts.edit")}</Button>}
          {session.mayChange && <Button look="quiet" onClick={() => setLeaving(true)}>{t("cohorts.remove")}</Button>}
        </div>
        {session.mayChange && !fits && <p className="muted">{t("cohorts.elsewhere")}</p>}
      </section>
      {cohort.of === "accounts" ? (
        <p className="muted">{t("cohorts.accounts")}</p>
      ) : (
        <>
          <Overlap name={name} others={others} />
          <section className="card stack" aria-label={t("cohorts.who")}>
            <h2>{t("cohorts.who")}</h2>
            <PeoplePages question={asked} />
          </section>
        </>
      )}
      <Dialog title={t("cohorts.remove")} open={leaving} onClose={() => setLeaving(false)}>
        <p>{t("cohorts.remove.sure", { name })}</p>
        {remove.isError && <ErrorBox error={remove.error} />}
        <div className="row">
          <Button look="main" onClick={() => remove.mutate()} disabled={remove.isPending}>
            {t("cohorts.remove")}
          </Button>
          <Button onClick={() => setLeaving(false)}>{t("cohorts.cancel")}</Button>
        </div>
      </Dialog>
    </>
  );
}

function Overlap({ name, others }: { name: string; others: string[] }) {
  const [other, setOther] = useState("");
  const mine = useCount(name);
  const theirs = useCount(other || null);
  const both = useCount(name, other || null);
  const counts = [mine.count, theirs.count, both.count];
  const error = mine.error ?? theirs.error ?? both.error;
  if (others.length === 0) return null;
  return (
    <section className="card stack" aria-label={t("cohorts.overlap")}>
      <div className="row">
        <h2 className="grow">{t("cohorts.overlap")}</h2>
        <Choice label={t("cohorts.with")} value={other} options={[["", "–"] as const, ...others.map((one) => [one, one] as const)]} onChange={setOther} />
      </div>
      {other === "" ? (
        <p className="muted">{t("cohorts.overlap.pick")}</p>
      ) : error ? (
        <ErrorBox error={error} />
      ) : counts.includes(null) ? (
        <Skeleton height={80} />
      ) : (
        <Shared names={[name, other]} counts={counts as number[]} />
      )}
    </section>
  );
}

function Shared({ names: [a, b], counts: [mine, theirs, both] }: { names: string[]; counts: number[] }) {
  const all = mine! + theirs! - both!;
  const parts = [
    { look: "overlap-a", word: t("cohorts.overlap.only", { name: a! }), n: mine! - both! },
    { look: "overlap-both", word: t("cohorts.overlap.both"), n: both! },
    { look: "overlap-b", word: t("cohorts.overlap.only", { name: b! }), n: theirs! - both! },
  ];
  const share = (whole: number) => format.percent(whole === 0 ? 0 : both! / whole);
  return (
    <div className="stack">
      <div className="overlap" aria-hidden="true">
        {parts.map((one) => one.n > 0 && <i key={one.look} className={one.look} style={{ inlineSize: `${(100 * one.n) / all}%` }} />)}
      </div>
      <dl className="facts">
        {parts.map((one) => (
          <div key={one.look}>
            <dt>
              <i className={`overlap-key ${one.look}`} aria-hidden="true" />
              {one.word}
            </dt>
            <dd className="num" data-overlap={one.look.slice(8)}>
              {format.number(one.n)}
              {one.look === "overlap-both" && <span className="muted"> · {t("cohorts.overlap.share", { share: share(mine!), name: a! })} · {t("cohorts.overlap.share", { share: share(theirs!), name: b! })}</span>}
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

// Building one

function Builder({ name: before, cohort, others, onDone }: { name: string; cohort: Cohort | null; others: string[]; onDone: (name: string) => void }) {
  const { project } = useSession()!;
  const client = useQueryClient();
  const id = useId();
  const [name, setName] = useState(before);
  const [draft, setDraft] = useState<Draft>(() => (cohort && draftOf(cohort)) || NEW);
  const [typed, setTyped] = useState(() => draft.ids.join("\n"));
  const made = defined(draft);
  const { count, error } = useCount(made);
  const save = useMutation({
    mutationFn: () => json(`/projects/${project}/cohorts/${encodeURIComponent(name.trim())}`, { method: "PUT", body: made }),
    onSuccess: async () => {
      // Answers of before are of other people, and so are those of cohorts that use this one.
      client.removeQueries({ queryKey: ["ask"], type: "inactive" });
      client.removeQueries({ queryKey: ["pages"], type: "inactive" });
      await client.invalidateQueries({ queryKey: ["definitions"] });
      toast(t("cohorts.saved"));
      onDone(name.trim());
    },
  });
  const isTaken = cohort === null && others.includes(name.trim());
  const set = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const rule = (at: number, part: Partial<Rule>) => set({ rules: draft.rules.map((one, place) => (place === at ? { ...one, ...part } : one)) });
  return (
    <form
      className="card stack wide-gap"
      aria-label={t("cohorts.new")}
      onSubmit={(event) => {
        event.preventDefault();
        if (made && name.trim() && !isTaken) save.mutate();
      }}
    >
      <div className="order">
        <div className="field">
          <label htmlFor={`${id}-name`}>{t("cohorts.name")}</label>
          <input id={`${id}-name`} className="input" value={name} readOnly={cohort !== null} maxLength={63} required autoComplete="off" onChange={(event) => setName(slug(event.target.value))} />
        </div>
        <div className="field">
          <label htmlFor={`${id}-about`}>{t("settings.label")}</label>
          <input id={`${id}-about`} className="input" value={draft.description} maxLength={300} autoComplete="off" onChange={(event) => set({ description: event.target.value })} />
        </div>
        <Choice label={t("cohorts.kind")} value={draft.how} options={(["rules", "ids"] as const).map((one) => [one, t(`cohorts.kind.${one}`)] as const)} onChange={(how) => set({ how })} />
      </div>
      {draft.how === "ids" ? (
        <div className="field">
          <label htmlFor={`${id}-ids`}>{t("cohorts.ids")}</label>
          <textarea
            id={`${id}-ids`}
            className="input mono"
            rows={8}
            spellCheck={false}
            value={typed}
            onChange={(event) => {
              setTyped(event.target.value);
              set({ ids: idsOf(event.target.value) });
            }}
          />
          <p className="muted num">{t("cohorts.ids.n", { n: draft.ids.length })}</p>
        </div>
      ) : (
        <>
          <div className="row">
            <Choice label={t("cohorts.match")} value={draft.match} options={[["and", t("cohorts.all")] as const, ["or", t("cohorts.any")] as const]} onChange={(match) => set({ match })} />
          </div>
          <ol className="rules">
            {draft.rules.map((one, at) => (
              <li key={at} className="rule" aria-label={t("cohorts.rulen", { n: at + 1 })}>
                <RuleRow rule={one} cohorts={others} onChange={(part) => rule(at, part)} />
                {draft.rules.length > 1 && <IconButton icon="close" label={t("cohorts.removerule", { n: at + 1 })} onClick={() => set({ rules: draft.rules.filter((_, place) => place !== at) })} />}
              </li>
            ))}
          </ol>
          <div>
            <Button look="quiet" icon="plus" onClick={() => set({ rules: [...draft.rules, NEW_RULE] })}>
              {t("cohorts.addrule")}
            </Button>
          </div>
        </>
      )}
      <p role="status" className="count-now" data-count={count ?? ""}>
        <Icon name="people" />
        {made === null ? t("cohorts.incomplete") : error ? (error instanceof Error ? error.message : "") : count === null ? t("cohorts.counting") : t("cohorts.count", { n: count })}
      </p>
      {isTaken && <p role="alert" className="muted">{t("cohorts.taken")}</p>}
      {save.isError && <ErrorBox error={save.error} />}
      <div className="row">
        <Button look="main" type="submit" disabled={made === null || !name.trim() || isTaken || save.isPending}>
          {t("cohorts.save")}
        </Button>
        {!name.trim() && <span className="muted">{t("cohorts.needname")}</span>}
      </div>
    </form>
  );
}

function RuleRow({ rule, cohorts, onChange }: { rule: Rule; cohorts: string[]; onChange: (part: Partial<Rule>) => void }) {
  const isDid = rule.kind === "did" || rule.kind === "didnot";
  const isIn = rule.kind === "in" || rule.kind === "notin";
  const kinds = RULES.filter((one) => cohorts.length > 0 || (one !== "in" && one !== "notin"));
  return (
    <>
      <Choice<RuleKind> label={t("rule.kind")} quiet value={rule.kind} options={kinds.map((one) => [one, t(`rule.${one}`)] as const)} onChange={(kind) => onChange({ kind })} />
      {isDid && <EventBox value={rule.event} onChange={(event) => onChange({ event, conds: [] })} />}
      {rule.kind === "did" && <Whole label={t("rule.times")} after={t("rule.timesword")} value={rule.times} least={1} onChange={(times) => onChange({ times })} />}
      {isDid && <Whole label={t("rule.within")} after={t("rule.days")} value={rule.days} least={0} onChange={(days) => onChange({ days })} />}
      {!isIn && <Conditions conds={rule.conds} event={isDid ? rule.event : null} onChange={(conds) => onChange({ conds: condsOf(conds) })} />}
      {isIn && <Choice label={t("rule.cohort")} quiet value={rule.cohort} options={[["", "–"] as const, ...cohorts.map((one) => [one, one] as const)]} onChange={(cohort) => onChange({ cohort })} />}
      {!isReady(rule) && <Badge tone="warn">…</Badge>}
    </>
  );
}

/** A whole number between two words; 0 days is ever. */
function Whole({ label, after, value, least, onChange }: { label: string; after: string; value: number; least: number; onChange: (value: number) => void }) {
  return (
    <label className="choice">
      <span className="choice-label">{label}</span>
      <input type="number" className="input short-input" min={least} max={3650} step={1} value={Number.isNaN(value) ? "" : value} onChange={(event) => onChange(event.target.value === "" ? NaN : Number(event.target.value))} />
      <span className="choice-label">{after}</span>
      {least === 0 && value === 0 && <span className="choice-label">({t("rule.ever")})</span>}
    </label>
  );
}

/** A name as definitions have it, from whatever is typed. */
function slug(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9_-]+/g, "_").replace(/^[^a-z]+/, "");
}
