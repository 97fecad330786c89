/** Signing in, taking a new server over, and setting the password of whoever was invited. */
import { useId, useState, type FormEvent, type ReactNode } from "react";
import { useLocation } from "wouter";
import { enterBy, setPassword, setUp, signIn } from "../api/session";
import { t, type MessageKey } from "../i18n/t";
import { Button, Code } from "../ui/basics";
import { ErrorBox } from "../ui/states";

const LEAST = 12;

/** What stands in the way in: a link's token decides, then whether there is anybody yet. */
export function Entrance({ needsOwner }: { needsOwner: boolean }) {
  const [path] = useLocation();
  const token = location.hash.slice(1);
  if (path === "/setup" && token) return <TakeOver token={token} />;
  if (path === "/welcome" && token) return <Welcome token={token} />;
  if (path === "/enter" && token) return <Enter token={token} />;
  return needsOwner ? <NoOwner /> : <SignIn />;
}

function SignIn() {
  return (
    <Form title="signin.title" lead={<p className="muted">{t("signin.lead")}</p>} submit="signin.submit" act={({ email, password }) => signIn(email!, password!)}>
      <Field name="email" label="signin.email" type="email" autoComplete="username" autoFocus />
      <Field name="password" label="signin.password" type="password" autoComplete="current-password" />
    </Form>
  );
}

function TakeOver({ token }: { token: string }) {
  const [, navigate] = useLocation();
  return (
    <Form title="setup.title" lead={<p className="muted">{t("setup.lead")}</p>} submit="setup.submit" act={({ email, password }) => setUp(token, email!, password!).then(() => navigate("/setup-guide", { replace: true }))}>
      <Field name="email" label="signin.email" type="email" autoComplete="username" autoFocus />
      <Field name="password" label="signin.password" hint="signin.password.hint" type="password" autoComplete="new-password" minLength={LEAST} />
    </Form>
  );
}

function Welcome({ token }: { token: string }) {
  const [, navigate] = useLocation();
  return (
    <Form title="welcome.title" lead={<p className="muted">{t("welcome.lead")}</p>} submit="welcome.submit" act={({ password }) => setPassword(token, password!).then(() => navigate("/", { replace: true }))}>
      <Field name="password" label="signin.password" hint="signin.password.hint" type="password" autoComplete="new-password" minLength={LEAST} autoFocus />
    </Form>
  );
}

/** A link that signs its user in: it is followed when the button is pressed, so that no preview of it uses it up. */
function Enter({ token }: { token: string }) {
  const [, navigate] = useLocation();
  return (
    <Form title="enter.title" lead={<p className="muted">{t("enter.lead")}</p>} submit="enter.submit" act={() => enterBy(token).then(() => navigate("/", { replace: true }))}>
      {null}
    </Form>
  );
}

/** A server that nobody has taken over: only who sees its terminal can. */
function NoOwner() {
  return (
    <Panel title="setup.none.title">
      <p className="muted">{t("setup.none.lead")}</p>
      <Code text="tallymark users link" label={t("setup.none.how")} />
    </Panel>
  );
}

interface FormProps {
  title: MessageKey;
  lead: ReactNode;
  submit: MessageKey;
  act: (given: Record<string, string>) => Promise<void>;
  children: ReactNode;
}

function Form({ title, lead, submit, act, children }: FormProps) {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  async function send(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const given = Object.fromEntries([...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value)]));
    setBusy(true);
    setError(null);
    try {
      await act(given);
    } catch (failed) {
      setError(failed);
      setBusy(false);
    }
  }
  return (
    <Panel title={title}>
      {lead}
      <form className="stack wide-gap" onSubmit={(event) => void send(event)}>
        {children}
        {error !== null && <ErrorBox error={error} />}
        <Button look="main" type="submit" disabled={busy}>
          {t(submit)}
        </Button>
      </form>
    </Panel>
  );
}

function Panel({ title, children }: { title: MessageKey; children: ReactNode }) {
  return (
    <main className="signin">
      <title>{t(title)}</title>
      <div className="card stack wide-gap">
        <div className="brand">
          <img src="./icon.svg" alt="" width={32} height={32} />
          Tallymark
        </div>
        <h1>{t(title)}</h1>
        {children}
      </div>
    </main>
  );
}

interface FieldProps {
  name: string;
  label: MessageKey;
  hint?: MessageKey;
  type: "email" | "password";
  autoComplete: string;
  autoFocus?: boolean;
  minLength?: number;
}

function Field({ name, label, hint, ...rest }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{t(label)}</label>
      <input id={id} name={name} className="input" required aria-describedby={hint && `${id}-hint`} {...rest} />
      {hint && (
        <p id={`${id}-hint`} className="muted small">
          {t(hint)}
        </p>
      )}
    </div>
  );
}
