/** The parts that the lists of settings are made of. */
import { useId, type FormEvent, type ReactNode } from "react";
import { format, t } from "../i18n/t";
import { Button, Code } from "../ui/basics";
import { Dialog } from "../ui/Dialog";
import { ErrorBox } from "../ui/states";

export function Order({ submit, error, busy, onOrder, children }: { submit: string; error: unknown; busy: boolean; onOrder: (given: Record<string, string>) => void; children: ReactNode }) {
  function send(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    onOrder(Object.fromEntries([...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value)])));
  }
  return (
    <form className="stack" onSubmit={send}>
      <div className="order">
        {children}
        <Button look="main" type="submit" disabled={busy}>{submit}</Button>
      </div>
      {error != null && <ErrorBox error={error} />}
    </form>
  );
}

export function Pick({ name, label, options, usual }: { name: string; label: string; options: (readonly [string, string])[]; usual?: string }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} name={name} className="input" defaultValue={usual}>
        {options.map(([one, word]) => <option key={one} value={one}>{word}</option>)}
      </select>
    </div>
  );
}

export function Text({ name, label, ...rest }: { name: string; label: string; type?: string; required?: boolean; placeholder?: string }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} name={name} className="input" maxLength={200} autoComplete="off" {...rest} />
    </div>
  );
}

export function Shown({ text, title, lead, onClose }: { text: string | null; title: string; lead: string; onClose: () => void }) {
  return (
    <Dialog title={title} open={text !== null} onClose={onClose}>
      <p>{lead}</p>
      <Code text={text ?? ""} label={title} />
    </Dialog>
  );
}

export function Sure({ open, title, text, error, onClose, onYes }: { open: boolean; title: string; text: string; error: unknown; onClose: () => void; onYes: () => void }) {
  return (
    <Dialog title={title} open={open} onClose={onClose}>
      <p>{text}</p>
      {error != null && <ErrorBox error={error} />}
      <div className="row">
        <Button look="main" onClick={onYes}>{title}</Button>
        <Button onClick={onClose}>{t("settings.cancel")}</Button>
      </div>
    </Dialog>
  );
}

export function timeOf(instant: number): string {
  return format.time(new Date(instant / 1000).toISOString());
}
