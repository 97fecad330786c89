/** Arithmetic between the series of a trend, such as `A / B`. */
import { useId, useState } from "react";
import { t } from "../i18n/t";
import { formulaFault } from "../query/formula";
import { Button, IconButton } from "../ui/basics";

const MOST = 10;

export function Formulas({ formulas, series, onChange }: { formulas: string[]; series: number; onChange: (formulas: string[]) => void }) {
  const [adding, setAdding] = useState(false);
  const shown = adding ? [...formulas, ""] : formulas;
  return (
    <span className="row tight">
      {shown.map((one, at) => (
        <Field
          key={`${at}:${one}`}
          name={t("builder.formula", { n: at + 1 })}
          value={one}
          series={series}
          autoFocus={at === formulas.length}
          onDone={(text) => {
            setAdding(false);
            onChange(at === formulas.length ? [...formulas, text] : formulas.map((old, place) => (place === at ? text : old)));
          }}
          onRemove={() => (at === formulas.length ? setAdding(false) : onChange(formulas.filter((_, place) => place !== at)))}
          remove={t("builder.removeformula", { n: at + 1 })}
        />
      ))}
      {!adding && formulas.length < MOST && (
        <Button look="quiet" icon="plus" onClick={() => setAdding(true)}>
          {t("builder.addformula")}
        </Button>
      )}
    </span>
  );
}

function Field({ name, value, series, autoFocus, onDone, onRemove, remove }: { name: string; value: string; series: number; autoFocus: boolean; onDone: (text: string) => void; onRemove: () => void; remove: string }) {
  const [text, setText] = useState(value);
  const [left, setLeft] = useState(false);
  const id = useId();
  // Who writes in small letters means the series all the same.
  const written = text.toUpperCase();
  const fault = formulaFault(written, series);
  const told = fault !== null && (left || value !== "");
  const done = () => {
    setLeft(true);
    if (fault === null && written.trim() !== value) onDone(written.trim());
  };
  return (
    <form
      className="formula"
      onSubmit={(event) => {
        event.preventDefault();
        done();
      }}
    >
      <input className="input" aria-label={name} placeholder={t("builder.formula.example")} value={text} maxLength={200} autoFocus={autoFocus} aria-invalid={told} aria-describedby={told ? id : undefined} onChange={(event) => setText(event.target.value)} onBlur={done} />
      <IconButton icon="close" label={remove} onClick={onRemove} />
      {told && (
        <span id={id} className="field-fault" role="status">
          {t(`builder.formula.${fault}`)}
        </span>
      )}
    </form>
  );
}
