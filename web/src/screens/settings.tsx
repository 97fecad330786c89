/** Settings: the keys of programs, one's own tokens, the people who may sign in, and the projects. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation, useSearch } from "wouter";
import { boot, json } from "../api/client";
import { ROLES, type Role } from "../api/roles";
import { useSession } from "../api/session";
import { t } from "../i18n/t";
import { Badge, Button } from "../ui/basics";
import { DataTable, type Column } from "../ui/DataTable";
import { ErrorBox, Skeleton } from "../ui/states";
import { Tabs } from "../ui/Tabs";
import { toast } from "../ui/toast";
import { Projects } from "../settings/Projects";
import { Tokens } from "../settings/Tokens";
import { Order, Pick, Shown, Sure, Text, timeOf } from "../settings/forms";
import { PageHead } from "./controls";

const KINDS = ["public", "secret", "read"] as const;

export default function Settings() {
  const session = useSession()!;
  const search = new URLSearchParams(useSearch());
  const [, navigate] = useLocation();
  const tabs = [
    ...(session.mayAdminister ? [{ id: "keys", label: t("settings.keys"), content: <Keys project={session.project} /> }] : []),
    { id: "tokens", label: t("settings.tokens"), content: <Tokens /> },
    ...(session.isOwner ? [{ id: "people", label: t("settings.people"), content: <People project={session.project} /> }] : []),
    ...(session.isOwner || session.projects.length > 1 ? [{ id: "projects", label: t("settings.projects"), content: <Projects /> }] : []),
  ];
  return (
    <>
      <PageHead title={t("screen.settings")} lead={t("lead.settings")} />
      <section className="card" aria-label={t("screen.settings")}>
        <Tabs label={t("screen.settings")} tabs={tabs} value={tabs.find((one) => one.id === search.get("tab"))?.id ?? tabs[0]!.id} onChange={(id) => navigate(`/manage?tab=${id}`, { replace: true })} />
      </section>
    </>
  );
}

// Keys

interface ApiKey {
  id: string;
  kind: (typeof KINDS)[number];
  label: string;
  prefix: string;
  created_at: number;
  revoked_at: number | null;
  expires_at: number | null;
  origins: string[];
}

function Keys({ project }: { project: string }) {
  const keys = useQuery({ queryKey: ["keys", project], queryFn: () => json<{ keys: ApiKey[] }>(`/projects/${project}/keys`) });
  const client = useQueryClient();
  const [secret, setSecret] = useState<string | null>(null);
  const [ending, setEnding] = useState<ApiKey | null>(null);
  const changed = () => client.invalidateQueries({ queryKey: ["keys", project] });
  const create = useMutation({
    mutationFn: ({ origins = "", ...order }: Record<string, string>) => json<{ secret: string }>(`/projects/${project}/keys`, { method: "POST", body: { ...order, origins: origins.split(/[\s,]+/).filter(Boolean) } }),
    onSuccess: (made) => {
      setSecret(made.secret);
      void changed();
    },
  });
  const end = useMutation({
    mutationFn: (key: ApiKey) => json(`/keys/${key.id}/revoke`, { method: "POST", body: {} }),
    onSuccess: () => {
      setEnding(null);
      toast(t("settings.done"));
      void changed();
    },
  });
  if (keys.isError) return <ErrorBox error={keys.error} retry={() => keys.refetch()} />;
  if (!keys.data) return <Skeleton />;
  const columns: Column<ApiKey>[] = [
    { id: "key", label: t("settings.key"), value: (one) => one.prefix, cell: (one) => <code>{one.prefix}…</code> },
    { id: "kind", label: t("settings.kind"), value: (one) => one.kind, cell: (one) => t(`kind.${one.kind}`) },
    { id: "label", label: t("settings.label"), value: (one) => one.label, cell: (one) => one.label || "–" },
    { id: "origins", label: t("settings.origins.of"), value: (one) => one.origins.join(" "), cell: (one) => one.origins.join(", ") || "–" },
    { id: "made", label: t("settings.made"), value: (one) => one.created_at, cell: (one) => timeOf(one.created_at) },
    { id: "state", label: t("settings.state"), value: (one) => one.revoked_at ?? 0, cell: (one) => <Badge tone={one.revoked_at ? "plain" : "good"}>{one.revoked_at ? t("settings.ended") : t("settings.works")}</Badge> },
    { id: "end", label: t("settings.revoke"), cell: (one) => (one.revoked_at ? null : <Button look="quiet" onClick={() => setEnding(one)} aria-label={`${t("settings.revoke")} ${one.prefix}`}>{t("settings.revoke")}</Button>) },
  ];
  return (
    <div className="stack wide-gap">
      <p className="muted">{t("settings.keys.why")}</p>
      <DataTable label={t("settings.keys")} columns={columns} rows={keys.data.keys} rowKey={(one) => one.id} />
      <Order submit={t("settings.create")} error={create.error} busy={create.isPending} onOrder={(given) => create.mutate(given)}>
        <Pick name="kind" label={t("settings.kind")} options={KINDS.map((one) => [one, t(`kind.${one}`)])} />
        <Text name="label" label={t("settings.label")} />
        <Text name="origins" label={t("settings.origins")} placeholder="https://shop.example" />
      </Order>
      <Shown text={secret} lead={t("settings.secret")} title={t("settings.create")} onClose={() => setSecret(null)} />
      <Sure open={ending !== null} title={t("settings.revoke")} text={t("settings.revoke.sure")} error={end.error} onClose={() => setEnding(null)} onYes={() => ending && end.mutate(ending)} />
    </div>
  );
}

// People

interface User {
  id: string;
  email: string;
  name: string;
  is_owner: boolean;
  disabled_at: number | null;
  has_password: boolean;
  projects: Record<string, Role>;
}
interface Invited {
  user: User;
  token: string;
}

function People({ project }: { project: string }) {
  const users = useQuery({ queryKey: ["users"], queryFn: () => json<{ users: User[] }>("/users") });
  const client = useQueryClient();
  const [link, setLink] = useState<string | null>(null);
  const [leaving, setLeaving] = useState<User | null>(null);
  const changed = () => client.invalidateQueries({ queryKey: ["users"] });
  const shown = (made: Invited) => {
    setLink(new URL(`${boot.base}/welcome#${made.token}`, location.href).href);
    void changed();
  };
  const invite = useMutation({
    mutationFn: ({ email, role }: Record<string, string>) => json<Invited>("/users", { method: "POST", body: { email, is_owner: role === "owner", projects: role === "owner" ? {} : { [project]: role } } }),
    onSuccess: shown,
  });
  const again = useMutation({ mutationFn: (user: User) => json<Invited>(`/users/${user.id}/invitation`, { method: "POST", body: {} }), onSuccess: shown });
  const change = useMutation({
    mutationFn: ({ user, role, out }: { user: User; role?: Role; out?: boolean }) => {
      const { [project]: _, ...others } = user.projects;
      const projects = role === undefined ? user.projects : role === "owner" ? others : { ...others, [project]: role };
      return json(`/users/${user.id}`, { method: "PUT", body: { is_owner: role === undefined ? user.is_owner : role === "owner", projects, is_disabled: out ?? user.disabled_at !== null } });
    },
    onSuccess: () => {
      setLeaving(null);
      toast(t("settings.done"));
      void changed();
    },
  });
  if (users.isError) return <ErrorBox error={users.error} retry={() => users.refetch()} />;
  if (!users.data) return <Skeleton />;
  const roleOf = (one: User): Role | undefined => (one.is_owner ? "owner" : one.projects[project]);
  const columns: Column<User>[] = [
    { id: "email", label: t("settings.email"), value: (one) => one.email, cell: (one) => one.email },
    {
      id: "role", label: t("settings.role"), value: (one) => ROLES.indexOf(roleOf(one) ?? "viewer"),
      cell: (one) => (
        <select className="input" aria-label={`${t("settings.role")} ${one.email}`} value={roleOf(one) ?? ""} onChange={(event) => change.mutate({ user: one, role: event.target.value as Role })}>
          {roleOf(one) === undefined && <option value="">–</option>}
          {ROLES.map((role) => <option key={role} value={role}>{t(`role.${role}`)}</option>)}
        </select>
      ),
    },
    { id: "state", label: t("settings.state"), cell: (one) => <Badge tone={one.disabled_at ? "bad" : one.has_password ? "good" : "warn"}>{one.disabled_at ? t("settings.disabled") : one.has_password ? t("settings.works") : t("settings.invited")}</Badge> },
    {
      id: "acts", label: "", cell: (one) => (
        <span className="row tight">
          <Button look="quiet" onClick={() => again.mutate(one)} aria-label={`${t("settings.newlink")} ${one.email}`}>{t("settings.newlink")}</Button>
          {!one.disabled_at && <Button look="quiet" onClick={() => setLeaving(one)} aria-label={`${t("settings.disable")} ${one.email}`}>{t("settings.disable")}</Button>}
        </span>
      ),
    },
  ];
  return (
    <div className="stack wide-gap">
      <p className="muted">{t("settings.people.why")}</p>
      {change.error && !leaving && <ErrorBox error={change.error} />}
      <DataTable label={t("settings.people")} columns={columns} rows={users.data.users} rowKey={(one) => one.id} />
      <Order submit={t("settings.invite")} error={invite.error} busy={invite.isPending} onOrder={(given) => invite.mutate(given)}>
        <Text name="email" label={t("settings.email")} type="email" required />
        <Pick name="role" label={t("settings.role")} options={ROLES.map((one) => [one, t(`role.${one}`)])} />
      </Order>
      <Shown text={link} lead={t("settings.link")} title={t("settings.invite")} onClose={() => setLink(null)} />
      <Sure open={leaving !== null} title={t("settings.disable")} text={t("settings.disable.sure")} error={change.error} onClose={() => setLeaving(null)} onYes={() => leaving && change.mutate({ user: leaving, out: true })} />
    </div>
  );
}
