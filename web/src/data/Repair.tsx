/** Repairs failures from the page: steps as a form, what they would do, and then the replay. */
import { useMutation } from "@tanstack/react-query";
import { useId, useState, type ReactNode } from "react";
import { json } from "../api/client";
import { useSession } from "../api/session";
import { format, t, word } from "../i18n/t";
import { Badge, Button, IconButton } from "../ui/basics";
import { ErrorBox } from "../ui/states";
import { EMPTY, isWhole, OPERATIONS, TYPES, usualStep, written, type Operation, type StepDraft } from "./steps";

/** Which failures: all of a code, or one. */
export interface Meant {
  code: string;
  count: number;
  where: { code: string } | { seqs: number[] };
  fields: string[];
}

interface Example {
  seq: number;
  outcome: string;
  code: string;
  message: string;
  before: unknown;
  after: unknown;
}
interface Report {
  /** How many were tried. */
  in: number;
  fixed: number;
  still_failed: number;
  suppressed: number;
  duplicate: number;
  reasons: Record<string, number>;
  examples: Example[];
}

export function Repair({ meant, onDone, onClose }: { meant: Meant; onDone: () => void; onClose: () => void }) {
  const { project } = useSession()!;
  const [steps, setSteps] = useState<StepDraft[]>([]);
  const [asked, setAsked] = useState<string | null>(null);
  const replay = (dry_run: boolean) => json<Report>(`/projects/${project}/failed/replay`, { method: "POST", body: { where: meant.where, steps: written(steps), dry_run, examples: 5 } });
  const trying = useMutation({ mutationFn: () => replay(true), onMutate: () => setAsked(JSON.stringify(steps)) });
  const doing = useMutation({ mutationFn: () => replay(false), onSuccess: onDone });
  const ignoring = useMutation({
    mutationFn: () => json<{ marked: number }>(`/projects/${project}/failed/mark`, { method: "POST", body: { where: meant.where, status: "ignored" } }),
    onSuccess: onDone,
  });
  const set = (at: number, part: Partial<StepDraft>) => setSteps(steps.map((one, place) => (place === at ? { ...one, ...part } : one)));
  // What was tried is what is replayed: a changed step is tried again first.
  const fresh = trying.data && asked === JSON.stringify(steps) ? trying.data : null;
  if (doing.data) return <Over onClose={onClose}><Done report={doing.data} /></Over>;
  if (ignoring.data) return <Over onClose={onClose}><p role="status">{t("failed.ignored", { n: ignoring.data.marked })}</p></Over>;
  return (
    <div className="stack wide-gap">
      <p className="muted wrap">{t("seqs" in meant.where ? "failed.repair.one" : "failed.repair.lead", { n: meant.count, code: meant.code })}</p>
      {steps.length === 0 && <p className="muted">{t("failed.nosteps")}</p>}
      <ol className="steps">
        {steps.map((step, at) => (
          <li key={at}>
            <div className="repair-step" role="group" aria-label={t("failed.step", { n: at + 1 })}>
              <Step step={step} fields={meant.fields} onChange={(part) => set(at, part)} />
              <IconButton icon="close" label={t("failed.removestep", { n: at + 1 })} onClick={() => setSteps(steps.filter((_, place) => place !== at))} />
            </div>
          </li>
        ))}
      </ol>
      <div className="row">
        <Button look="quiet" icon="plus" onClick={() => setSteps([...steps, steps.length === 0 ? usualStep(meant.code, meant.fields[0] ?? "") : EMPTY])}>
          {t("failed.addstep")}
        </Button>
      </div>
      <div className="row">
        <Button look={fresh ? "plain" : "main"} onClick={() => trying.mutate()} disabled={trying.isPending || !steps.every(isWhole)}>
          {t("failed.try")}
        </Button>
        {fresh && fresh.fixed > 0 && (
          <Button look="main" onClick={() => doing.mutate()} disabled={doing.isPending}>
            {t("failed.replay", { n: fresh.fixed })}
          </Button>
        )}
        <span className="spacer">
          <Button look="quiet" onClick={() => ignoring.mutate()} disabled={ignoring.isPending}>
            {t("failed.ignore")}
          </Button>
        </span>
      </div>
      {[trying, doing, ignoring].map((one, at) => one.isError && <ErrorBox key={at} error={one.error} />)}
      {fresh && <Tried report={fresh} />}
    </div>
  );
}

function Step({ step, fields, onChange }: { step: StepDraft; fields: string[]; onChange: (part: Partial<StepDraft>) => void }) {
  const list = useId();
  const id = useId();
  const text = (name: "path" | "to" | "value" | "pattern", label: string, suggest = false, hint?: string) => (
    <label className="field">
      {label}
      <input className="input" value={step[name]} list={suggest ? list : undefined} title={hint} spellCheck={false} autoComplete="off" onChange={(event) => onChange({ [name]: event.target.value })} />
    </label>
  );
  return (
    <>
      <datalist id={list}>
        {fields.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <div className="field">
        <label htmlFor={`${id}-do`}>{t("step.do")}</label>
        <select id={`${id}-do`} className="input" value={step.op} onChange={(event) => onChange({ op: event.target.value as Operation })}>
          {OPERATIONS.map((one) => (
            <option key={one} value={one}>
              {t(`step.${one}`)}
            </option>
          ))}
        </select>
      </div>
      {step.op !== "set_version" && text("path", step.op === "map_event" ? t("step.from") : t("step.path"), step.op !== "map_event")}
      {step.op === "set" && text("value", t("step.value"), false, t("step.value.hint"))}
      {step.op === "cast" && (
        <div className="field">
          <label htmlFor={`${id}-type`}>{t("step.type")}</label>
          <select id={`${id}-type`} className="input" value={step.type} onChange={(event) => onChange({ type: event.target.value as StepDraft["type"] })}>
            {TYPES.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </div>
      )}
      {step.op === "regex_sub" && text("pattern", t("step.pattern"))}
      {["rename", "map_event", "set_version"].includes(step.op) && text("to", t("step.to"), step.op === "rename")}
      {step.op === "regex_sub" && text("to", t("step.with"))}
      {step.op === "set" && (
        <label className="check">
          <input type="checkbox" checked={step.missing} onChange={(event) => onChange({ missing: event.target.checked })} /> {t("step.missing")}
        </label>
      )}
    </>
  );
}

function Tried({ report }: { report: Report }) {
  return (
    <section className="stack" role="status" aria-label={t("failed.try")}>
      <h3>{t("failed.would", { n: report.in })}</h3>
      <div className="row">
        <Badge tone={report.fixed > 0 ? "good" : "plain"}>{t("failed.fixed", { n: report.fixed })}</Badge>
        {report.still_failed > 0 && <Badge tone="bad">{t("failed.still", { n: report.still_failed })}</Badge>}
        {report.suppressed > 0 && <Badge tone="warn">{t("failed.suppressed", { n: report.suppressed })}</Badge>}
        {report.duplicate > 0 && <Badge>{t("failed.duplicate", { n: report.duplicate })}</Badge>}
      </div>
      {Object.keys(report.reasons).length > 0 && (
        <p className="wrap">
          {t("failed.reasons")}: {Object.entries(report.reasons).map(([code, n]) => `${code} × ${format.number(n)}`).join(", ")}
        </p>
      )}
      {report.examples.map((one) => (
        <article key={one.seq} className="stack session">
          <p className="wrap">
            <Badge tone={one.outcome === "still_failed" ? "bad" : one.outcome === "suppressed" ? "warn" : "good"}>{word("failed.outcome", one.outcome)}</Badge> {one.message}
          </p>
          <div className="sides">
            <div>
              <p className="muted small">{t("failed.before")}</p>
              <pre className="raw" tabIndex={0} aria-label={t("failed.before")}>{JSON.stringify(one.before, null, 2)}</pre>
            </div>
            <div>
              <p className="muted small">{t("failed.after")}</p>
              <pre className="raw" tabIndex={0} aria-label={t("failed.after")}>{JSON.stringify(one.after, null, 2)}</pre>
            </div>
          </div>
        </article>
      ))}
    </section>
  );
}

/** What was done, and the way out of it, where the keyboard is. */
function Over({ onClose, children }: { onClose: () => void; children: ReactNode }) {
  return (
    <div className="stack wide-gap">
      {children}
      <div>
        <Button look="main" autoFocus onClick={onClose}>
          {t("common.done")}
        </Button>
      </div>
    </div>
  );
}

function Done({ report }: { report: Report }) {
  const rest = report.still_failed + report.suppressed + report.duplicate;
  return (
    <div className="stack" role="status">
      <h3>{t("failed.did", { n: report.fixed })}</h3>
      {rest > 0 && <p>{t("failed.did.rest", { still: report.still_failed, suppressed: report.suppressed, duplicate: report.duplicate })}</p>}
    </div>
  );
}
