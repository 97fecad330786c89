/** Set up: what to put where, and the first event arriving. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link } from "wouter";
import { boot, json } from "../api/client";
import { usePublicKey, useStatus } from "../api/queries";
import { useSession } from "../api/session";
import { t } from "../i18n/t";
import { collected, isPrivate, ON_SERVERS, policy, snippet, SNIPPETS, USUAL, type Choices, type Consent, type SnippetId } from "../setup/snippets";
import { Waiting } from "../setup/Waiting";
import "../styles/setup.css";
import { Button, Choice, Code } from "../ui/basics";
import { Icon } from "../ui/Icon";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { Tabs } from "../ui/Tabs";
import { PageHead } from "./controls";

interface Issued {
  secret: string;
}

export default function SetUp() {
  const session = useSession()!;
  const { project } = session;
  const key = usePublicKey();
  const status = useStatus().data;
  // What was there when the page was opened; what comes now is shown below.
  const [before, setBefore] = useState<number | null>(null);
  useEffect(() => {
    if (before === null && status) setBefore(status.events);
  }, [before, status]);
  const url = new URL(boot.base || "/", location.href).href.replace(/\/$/, "");
  const publicKey = key.data?.key?.text ?? null;
  return (
    <>
      <PageHead title={t("screen.setup")} lead={t("lead.setup")} />
      {before !== null && before > 0 && (
        <section className="card row" aria-label={t("setup.arrived")}>
          <Icon name="good" />
          <p className="grow">{t("setup.arrived.why", { n: before })}</p>
          <Link className="button plain" href="/">
            {t("setup.home")}
          </Link>
        </section>
      )}
      {key.isError ? (
        <ErrorBox error={key.error} retry={() => key.refetch()} />
      ) : key.isPending ? (
        <Skeleton height={420} />
      ) : (
        <>
          {publicKey === null ? <NoKey project={project} may={session.mayAdminister} /> : <Sending url={url} publicKey={publicKey} project={project} may={session.mayAdminister} />}
          <Waiting url={url} publicKey={publicKey} />
        </>
      )}
    </>
  );
}

function NoKey({ project, may }: { project: string; may: boolean }) {
  const client = useQueryClient();
  const make = useMutation({
    mutationFn: () => json(`/projects/${project}/keys`, { method: "POST", body: { kind: "public", label: "website" } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["public-key", project] }),
  });
  return (
    <section className="card" aria-label={t("setup.send")}>
      <Empty title={t("setup.nokey")} icon="keys">
        <p className="muted">{t("setup.nokey.why")}</p>
        {may ? (
          <Button look="main" onClick={() => make.mutate()} disabled={make.isPending}>
            {t("setup.nokey.make")}
          </Button>
        ) : (
          <p className="muted">{t("setup.nokey.ask")}</p>
        )}
        {make.isError && <ErrorBox error={make.error} />}
      </Empty>
    </section>
  );
}

function Sending({ url, publicKey, project, may }: { url: string; publicKey: string; project: string; may: boolean }) {
  const [choices, setChoices] = useState<Choices>(USUAL);
  const [secret, setSecret] = useState<string | null>(null);
  const sender = { url, publicKey, secretKey: secret ?? "sk_YOUR_SECRET_KEY" };
  const content = (id: SnippetId) => (
    <div className="stack setup-snippet">
      <p className="muted">{t(`setup.note.${id}`)}</p>
      <Code label={`${t("setup.snippet")}: ${t(`snippet.${id}`)}`} text={snippet(id, sender, choices)} />
      {ON_SERVERS.includes(id) && <Secret project={project} may={may} secret={secret} onMade={setSecret} />}
      {isPrivate(url) && (
        <p className="notes">
          <span>
            <Icon name="warn" size={14} /> {t("setup.private")}
          </span>
        </p>
      )}
    </div>
  );
  return (
    <section className="card stack wide-gap" aria-label={t("setup.send")}>
      <h2>{t("setup.send")}</h2>
      <Tabs label={t("setup.where")} tabs={SNIPPETS.map((id) => ({ id, label: t(`snippet.${id}`), content: content(id) }))} />
      <div className="setup-choices">
        <Options choices={choices} onChange={setChoices} />
        <div className="stack">
          <h3>{t("setup.collected")}</h3>
          <ul className="collected" aria-label={t("setup.collected")}>
            {collected(choices).map((one) => (
              <li key={one} data-collected={one}>
                {t(`collected.${one}`)}
              </li>
            ))}
          </ul>
          <p className="muted small">{t("collected.signals")}</p>
        </div>
        <div className="stack">
          <h3>{t("setup.csp")}</h3>
          <p className="muted">{t("setup.csp.why")}</p>
          <Code label={t("setup.csp")} text={policy(url)} />
        </div>
      </div>
    </section>
  );
}

function Options({ choices, onChange }: { choices: Choices; onChange: (choices: Choices) => void }) {
  const check = (name: "interactions" | "clicks" | "vitals", forced: boolean) => (
    <label className="check">
      <input type="checkbox" checked={choices[name] || forced} disabled={forced} onChange={(event) => onChange({ ...choices, [name]: event.target.checked })} /> {t(`setup.${name}`)}
    </label>
  );
  return (
    <div className="stack">
      <h3>{t("setup.options")}</h3>
      <Choice<Consent> label={t("setup.consent")} value={choices.consent} options={(["cookieless", "granted", "denied"] as const).map((one) => [one, t(`setup.consent.${one}`)] as const)} onChange={(consent) => onChange({ ...choices, consent })} />
      {check("interactions", choices.clicks || choices.vitals)}
      {check("clicks", false)}
      {check("vitals", false)}
    </div>
  );
}

function Secret({ project, may, secret, onMade }: { project: string; may: boolean; secret: string | null; onMade: (text: string) => void }) {
  const make = useMutation({
    mutationFn: () => json<Issued>(`/projects/${project}/keys`, { method: "POST", body: { kind: "secret", label: "set-up" } }),
    onSuccess: (made) => onMade(made.secret),
  });
  if (!may) return <p className="muted">{t("setup.secret.ask")}</p>;
  if (secret !== null) return <p className="muted">{t("setup.secret.made")}</p>;
  return (
    <div className="stack">
      <div className="row">
        <Button onClick={() => make.mutate()} disabled={make.isPending}>
          {t("setup.secret.make")}
        </Button>
        <span className="muted">{t("setup.secret.needed")}</span>
      </div>
      {make.isError && <ErrorBox error={make.error} />}
    </div>
  );
}
