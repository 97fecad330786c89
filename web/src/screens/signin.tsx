/** Signing in. What is asked for is said by the session, so that this form fits any way to do so. */
import { useId, useState, type FormEvent } from "react";
import { SIGN_IN_FIELDS, signIn } from "../api/session";
import { t } from "../i18n/t";
import { Button } from "../ui/basics";
import { ErrorBox } from "../ui/states";

export function SignIn() {
  const id = useId();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const given = Object.fromEntries([...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value)]));
    setBusy(true);
    setError(null);
    try {
      await signIn(given);
    } catch (failed) {
      setError(failed);
      setBusy(false);
    }
  }
  return (
    <main className="signin">
      <title>{t("signin.title")}</title>
      <form className="card stack wide-gap" onSubmit={(event) => void submit(event)}>
        <div className="brand">
          <img src="./icon.svg" alt="" width={32} height={32} />
          Tallymark
        </div>
        <div className="stack">
          <h1>{t("signin.title")}</h1>
          <p className="muted">{t("signin.lead")}</p>
        </div>
        {SIGN_IN_FIELDS.map((one) => (
          <div key={one.name} className="field">
            <label htmlFor={`${id}-${one.name}`}>{t(one.label)}</label>
            <input id={`${id}-${one.name}`} name={one.name} type={one.type} className="input" autoComplete={one.autoComplete} autoFocus required aria-describedby={`${id}-${one.name}-hint`} />
            <p id={`${id}-${one.name}-hint`} className="muted small">
              {t(one.hint)}
            </p>
          </div>
        ))}
        {error !== null && <ErrorBox error={error} />}
        <Button look="main" type="submit" disabled={busy}>
          {t("signin.submit")}
        </Button>
        <p className="muted small">{t("signin.kept")}</p>
      </form>
    </main>
  );
}
