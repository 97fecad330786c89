/** Links with which anybody may see one thing: made, listed, ended. */
import { useId, useState, type FormEvent } from "react";
import { useRevoke, useShare, useShares, type ShareLink } from "../api/boards";
import { boot } from "../api/client";
import { apiFilters, apiRange, OWN } from "../boards/narrow";
import { Conditions } from "../builder/Conditions";
import { RangeBox } from "../builder/RangeBox";
import { format, t } from "../i18n/t";
import { condsOf, type Cond } from "../query/types";
import { Badge, Button, Code } from "../ui/basics";
import { DataTable, type Column } from "../ui/DataTable";
import { Dialog } from "../ui/Dialog";
import { ErrorBox, Skeleton } from "../ui/states";

const DAYS = ["7", "30", "90", "365", ""] as const;

interface SharingProps {
  kind: "question" | "dashboard";
  target: string;
  name: string;
  onClose: () => void;
}

export function SharingDialog({ kind, target, name, onClose }: SharingProps) {
  const share = useShare();
  return (
    <Dialog title={t("share.title", { name })} open onClose={onClose}>
      {share.data ? <Made token={share.data.token} name={name} isFramed={share.data.share.origins.length > 0} onAgain={() => share.reset()} /> : <Order kind={kind} target={target} share={share} />}
      <Links target={target} kind={kind} />
    </Dialog>
  );
}

function Made({ token, name, isFramed, onAgain }: { token: string; name: string; isFramed: boolean; onAgain: () => void }) {
  const address = new URL(`${boot.base}/share/${token}`, location.href).href;
  const title = name.replace(/[<>"&]/g, "");
  return (
    <div className="stack">
      <p>{t("share.copy")}</p>
      <Code text={address} label={t("share.link")} />
      {isFramed && <Code text={`<iframe src="${address}" title="${title}" width="100%" height="640" style="border:0" loading="lazy"></iframe>`} label={t("share.embed")} />}
      <div className="row">
        <a className="button plain" href={address} target="_blank" rel="noopener noreferrer">{t("share.look")}</a>
        <Button look="quiet" onClick={onAgain}>{t("share.again")}</Button>
      </div>
    </div>
  );
}

function Order({ kind, target, share }: { kind: SharingProps["kind"]; target: string; share: ReturnType<typeof useShare> }) {
  const id = useId();
  const [label, setLabel] = useState("");
  const [days, setDays] = useState<string>("30");
  const [password, setPassword] = useState("");
  const [range, setRange] = useState(OWN);
  const [where, setWhere] = useState<Cond[]>([]);
  const [origins, setOrigins] = useState("");
  const [least, setLeast] = useState("10");
  function submit(event: FormEvent): void {
    event.preventDefault();
    share.mutate({ kind, target, label, days: days === "" ? null : Number(days), password: password === "" ? null : password, range: apiRange(range), filters: apiFilters(where), origins: origins.split(/[\s,]+/).filter(Boolean), min_group: Number(least) });
  }
  return (
    <form className="stack" onSubmit={submit}>
      <p className="muted">{t("share.why")}</p>
      <div className="order">
        <div className="field">
          <label htmlFor={`${id}-label`}>{t("share.for")}</label>
          <input id={`${id}-label`} className="input" maxLength={200} value={label} onChange={(event) => setLabel(event.target.value)} />
        </div>
        <div className="field">
          <label htmlFor={`${id}-days`}>{t("share.until")}</label>
          <select id={`${id}-days`} className="input" value={days} onChange={(event) => setDays(event.target.value)}>
            {DAYS.map((one) => <option key={one} value={one}>{one === "" ? t("share.endless") : t("share.days", { n: Number(one) })}</option>)}
          </select>
        </div>
      </div>
      <div className="field">
        <label htmlFor={`${id}-password`}>{t("share.password")}</label>
        <input id={`${id}-password`} type="password" className="input" autoComplete="new-password" value={password} onChange={(event) => setPassword(event.target.value)} />
      </div>
      <div className="field">
        <b>{t("share.locked")}</b>
        <span className="row">
          <RangeBox value={range} onChange={setRange} />
          <Conditions conds={where} event={null} onChange={(where) => setWhere(condsOf(where))} add={t("builder.filters")} />
        </span>
      </div>
      <div className="field">
        <label htmlFor={`${id}-origins`}>{t("share.origins")}</label>
        <input id={`${id}-origins`} className="input" placeholder="https://wiki.example.org" value={origins} onChange={(event) => setOrigins(event.target.value)} />
      </div>
      <div className="field">
        <label htmlFor={`${id}-least`}>{t("share.least")}</label>
        <input id={`${id}-least`} type="number" className="input" min={0} max={1000} step={1} required value={least} aria-describedby={`${id}-least-why`} onChange={(event) => setLeast(event.target.value)} />
        <span id={`${id}-least-why`} className={least === "0" ? "warned" : "muted"} role={least === "0" ? "alert" : undefined}>{t(least === "0" ? "share.least.off" : "share.least.why")}</span>
      </div>
      {share.error && <ErrorBox error={share.error} />}
      <Button look="main" type="submit" className="start" disabled={share.isPending}>{t("share.make")}</Button>
    </form>
  );
}

function Links({ kind, target }: { kind: SharingProps["kind"]; target: string }) {
  const links = useShares(true);
  const revoke = useRevoke();
  if (links.isError) return <ErrorBox error={links.error} retry={() => links.refetch()} />;
  if (!links.data) return <Skeleton height={60} />;
  const mine = links.data.shares.filter((one) => one.kind === kind && one.target === target);
  if (mine.length === 0) return null;
  const columns: Column<ShareLink>[] = [
    { id: "label", label: t("share.for"), value: (one) => one.label, cell: (one) => one.label || "–" },
    { id: "state", label: t("settings.state"), cell: (one) => <Badge tone={one.is_over ? "plain" : "good"}>{one.is_over ? t("settings.ended") : t("settings.works")}</Badge> },
    { id: "until", label: t("share.until"), value: (one) => one.expires_at, cell: (one) => (one.expires_at === null ? t("share.endless") : timeOf(one.expires_at)) },
    { id: "least", label: t("share.least"), number: true, value: (one) => one.min_group, cell: (one) => (one.min_group === 0 ? t("share.least.any") : format.number(one.min_group)) },
    { id: "views", label: t("share.views"), number: true, value: (one) => one.views, cell: (one) => format.number(one.views) },
    { id: "end", label: t("share.revoke"), cell: (one) => (one.is_over ? null : <Button look="quiet" disabled={revoke.isPending} onClick={() => revoke.mutate(one.id)} aria-label={`${t("share.revoke")} ${one.label || one.id}`}>{t("share.revoke")}</Button>) },
  ];
  return (
    <div className="stack">
      <h3>{t("share.links")}</h3>
      {revoke.error && <ErrorBox error={revoke.error} />}
      <DataTable label={t("share.links")} columns={columns} rows={mine} rowKey={(one) => one.id} />
    </div>
  );
}

function timeOf(instant: number): string {
  return format.time(new Date(instant / 1000).toISOString());
}
