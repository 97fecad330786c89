/** Projects: which there are, and a new one with its first keys. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useState, type FormEvent } from "react";
import { useLocation } from "wouter";
import { json, Problem } from "../api/client";
import { begin, enter, useSession } from "../api/session";
import { t } from "../i18n/t";
import { Badge, Button, Code } from "../ui/basics";
import { DataTable, type Column } from "../ui/DataTable";
import { Dialog } from "../ui/Dialog";
import { ErrorBox, Skeleton } from "../ui/states";
import { timeOf } from "./forms";
import { fieldOf, idFrom, type Field } from "./newProject";

interface Project {
  id: string;
  name: string;
  timezone: string;
  created_at: number;
}
interface Made {
  project: Project;
  keys: { key: { id: string; kind: "public" | "secret" | "read" }; secret: string }[];
}

export function Projects() {
  const session = useSession()!;
  const client = useQueryClient();
  const [made, setMade] = useState<Made | null>(null);
  const found = useQuery({ queryKey: ["projects", session.email], queryFn: () => json<{ projects: Project[] }>("/projects") });
  async function created(one: Made): Promise<void> {
    setMade(one);
    // The menu offers it from now on.
    await Promise.all([begin(), client.invalidateQueries({ queryKey: ["projects"] })]);
  }
  if (found.isError) return <ErrorBox error={found.error} retry={() => found.refetch()} />;
  if (!found.data) return <Skeleton />;
  const roleIn = (id: string) => session.projects.find((one) => one.id === id)?.role ?? (session.isOwner ? "owner" : null);
  const columns: Column<Project>[] = [
    { id: "name", label: t("projects.name"), value: (one) => one.name, cell: (one) => one.name },
    { id: "id", label: t("projects.id"), value: (one) => one.id, cell: (one) => <code>{one.id}</code> },
    { id: "zone", label: t("projects.zone"), value: (one) => one.timezone, cell: (one) => one.timezone },
    { id: "role", label: t("projects.role"), value: (one) => roleIn(one.id), cell: (one) => { const role = roleIn(one.id); return role ? t(`role.${role}`) : "–"; } },
    { id: "made", label: t("settings.made"), value: (one) => one.created_at, cell: (one) => timeOf(one.created_at) },
    { id: "enter", label: t("projects.enter"), cell: (one) => (one.id === session.project ? <Badge tone="accent">{t("projects.here")}</Badge> : <Button look="quiet" onClick={() => enter(one.id)} aria-label={`${t("projects.enter")}: ${one.name}`}>{t("projects.enter")}</Button>) },
  ];
  return (
    <div className="stack wide-gap">
      <p className="muted">{t("projects.why")}</p>
      <DataTable label={t("settings.projects")} columns={columns} rows={found.data.projects} rowKey={(one) => one.id} />
      {session.isOwner ? <NewProject onMade={created} /> : <p className="muted">{t("projects.ask")}</p>}
      <Keys made={made} onClose={() => setMade(null)} />
    </div>
  );
}

function NewProject({ onMade }: { onMade: (made: Made) => Promise<void> }) {
  const [given, setGiven] = useState({ name: "", id: "", timezone: localZone() });
  const create = useMutation({
    mutationFn: () => json<Made>("/projects", { method: "POST", body: { name: given.name.trim(), id: given.id.trim() || null, timezone: given.timezone.trim() } }),
    onSuccess: (made) => {
      setGiven({ name: "", id: "", timezone: localZone() });
      return onMade(made);
    },
  });
  const problem = create.error instanceof Problem ? create.error : null;
  const at = problem && fieldOf(problem);
  const set = (field: Field) => (text: string) => {
    create.reset();
    setGiven({ ...given, [field]: text });
  };
  const fault = (field: Field) => (problem && at === field ? `${problem.message} ${problem.hint}` : null);
  const name = given.name.trim();
  const id = idFrom(name);
  const told = given.id || !name ? t("projects.id.hint") : id ? t("projects.id.made", { id }) : t("projects.id.none");
  function send(event: FormEvent): void {
    event.preventDefault();
    create.mutate();
  }
  return (
    <form className="stack" onSubmit={send} aria-label={t("projects.new")}>
      <h3>{t("projects.new")}</h3>
      <div className="order explained">
        <Entry label={t("projects.name")} hint={t("projects.name.hint")} value={given.name} most={200} required fault={fault("name")} onChange={set("name")} />
        <Entry label={t("projects.id")} hint={told} value={given.id} most={63} placeholder={id} fault={fault("id")} onChange={set("id")} />
        <Entry label={t("projects.zone")} hint={t("projects.zone.hint")} value={given.timezone} most={100} required options={zones()} fault={fault("timezone")} onChange={set("timezone")} />
      </div>
      <div className="row">
        <Button look="main" type="submit" disabled={create.isPending}>{t("projects.new")}</Button>
        <span className="muted">{t("projects.stays")}</span>
      </div>
      {create.error && at === null && <ErrorBox error={create.error} />}
    </form>
  );
}

interface EntryProps {
  label: string;
  hint: string;
  value: string;
  most: number;
  fault: string | null;
  onChange: (text: string) => void;
  required?: boolean;
  placeholder?: string;
  options?: readonly string[];
}

/** A field that says what may stand in it, and what is wrong with what does. */
function Entry({ label, hint, value, most, fault, onChange, required, placeholder, options }: EntryProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} className="input" value={value} maxLength={most} required={required} placeholder={placeholder} autoComplete="off" list={options && `${id}-options`} aria-invalid={fault !== null} aria-describedby={`${id}-hint`} onChange={(event) => onChange(event.target.value)} />
      {options && <datalist id={`${id}-options`}>{options.map((one) => <option key={one} value={one} />)}</datalist>}
      <p id={`${id}-hint`} className={fault ? "field-fault" : "muted small"} role={fault ? "alert" : undefined}>
        {fault ?? hint}
      </p>
    </div>
  );
}

function Keys({ made, onClose }: { made: Made | null; onClose: () => void }) {
  const [, navigate] = useLocation();
  const name = made?.project.name ?? "";
  function go(): void {
    if (!made) return;
    onClose();
    navigate("/setup-guide");
    enter(made.project.id);
  }
  return (
    <Dialog title={t("projects.made", { name })} open={made !== null} onClose={onClose}>
      <p>{t("projects.keys")}</p>
      {made?.keys.map(({ key, secret }) => (
        <div key={key.id} className="stack">
          <h3>{t(`kind.${key.kind}`)}</h3>
          <Code text={secret} label={t(`kind.${key.kind}`)} />
        </div>
      ))}
      <div className="row">
        <Button look="main" onClick={go}>{t("projects.goto", { name })}</Button>
        <Button onClick={onClose}>{t("common.close")}</Button>
      </div>
    </Dialog>
  );
}

function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

function zones(): string[] {
  return ["UTC", ...Intl.supportedValuesOf("timeZone").filter((one) => one !== "UTC")];
}
