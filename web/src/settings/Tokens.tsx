/** Tokens: with one, a program does over HTTP what its user may. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { json } from "../api/client";
import { ROLES, suffices, type Role } from "../api/roles";
import { useSession } from "../api/session";
import { t } from "../i18n/t";
import { Badge, Button } from "../ui/basics";
import { DataTable, type Column } from "../ui/DataTable";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { toast } from "../ui/toast";
import { Order, Pick, Shown, Sure, Text, timeOf } from "./forms";

const DAYS = [7, 30, 90, 180, 365];

interface Token {
  id: string;
  user_id: string;
  name: string;
  role: Role;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
  used_at: number | null;
}

export function Tokens() {
  const session = useSession()!;
  const client = useQueryClient();
  const [everybody, setEverybody] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const [ending, setEnding] = useState<Token | null>(null);
  const tokens = useQuery({ queryKey: ["tokens", session.email, everybody], queryFn: () => json<{ tokens: Token[] }>(`/tokens${everybody ? "?everybody=1" : ""}`) });
  const users = useQuery({ queryKey: ["users"], queryFn: () => json<{ users: { id: string; email: string }[] }>("/users"), enabled: everybody });
  const changed = () => client.invalidateQueries({ queryKey: ["tokens"] });
  const make = useMutation({
    mutationFn: ({ name, role, days }: Record<string, string>) => json<{ secret: string }>("/tokens", { method: "POST", body: { name, role, days: Number(days) } }),
    onSuccess: (made) => {
      setSecret(made.secret);
      void changed();
    },
  });
  const end = useMutation({
    mutationFn: (token: Token) => json(`/tokens/${token.id}/revoke`, { method: "POST", body: {} }),
    onSuccess: () => {
      setEnding(null);
      toast(t("settings.done"));
      void changed();
    },
  });
  if (tokens.isError) return <ErrorBox error={tokens.error} retry={() => tokens.refetch()} />;
  if (!tokens.data) return <Skeleton />;
  const columns: Column<Token>[] = [
    { id: "name", label: t("tokens.name"), value: (one) => one.name, cell: (one) => one.name },
    ...(everybody ? [{ id: "whose", label: t("tokens.whose"), value: (one: Token) => one.user_id, cell: (one: Token) => users.data?.users.find((user) => user.id === one.user_id)?.email ?? one.user_id }] : []),
    { id: "role", label: t("tokens.role"), value: (one) => ROLES.indexOf(one.role), cell: (one) => t(`role.${one.role}`) },
    { id: "made", label: t("settings.made"), value: (one) => one.created_at, cell: (one) => timeOf(one.created_at) },
    { id: "ends", label: t("tokens.ends"), value: (one) => one.expires_at, cell: (one) => timeOf(one.expires_at) },
    { id: "used", label: t("tokens.used"), value: (one) => one.used_at, cell: (one) => (one.used_at === null ? t("tokens.unused") : timeOf(one.used_at)) },
    { id: "state", label: t("settings.state"), value: (one) => stateOf(one), cell: (one) => <Badge tone={stateOf(one) === "works" ? "good" : "plain"}>{stateOf(one) === "works" ? t("settings.works") : stateOf(one) === "ended" ? t("settings.ended") : t("tokens.over")}</Badge> },
    { id: "end", label: t("tokens.revoke"), cell: (one) => (stateOf(one) === "works" ? <Button look="quiet" onClick={() => setEnding(one)} aria-label={`${t("tokens.revoke")} ${one.name}`}>{t("tokens.revoke")}</Button> : null) },
  ];
  return (
    <div className="stack wide-gap">
      <p className="muted">{t("settings.tokens.why")}</p>
      {session.isOwner && (
        <label className="check">
          <input type="checkbox" checked={everybody} onChange={(event) => setEverybody(event.target.checked)} /> {t("tokens.everybody")}
        </label>
      )}
      {tokens.data.tokens.length === 0 ? <Empty title={t("tokens.none")} icon="keys" /> : <DataTable label={t("settings.tokens")} columns={columns} rows={tokens.data.tokens} rowKey={(one) => one.id} />}
      <Order submit={t("tokens.make")} error={make.error} busy={make.isPending} onOrder={(given) => make.mutate(given)}>
        <Text name="name" label={t("tokens.name")} required />
        <Pick name="role" label={t("tokens.role")} options={ROLES.filter((one) => suffices(session.role, one)).map((one) => [one, t(`role.${one}`)])} />
        <Pick name="days" label={t("tokens.days")} options={DAYS.map((one) => [String(one), t("tokens.days.n", { n: one })])} usual="90" />
      </Order>
      <Shown text={secret} lead={t("tokens.secret")} title={t("tokens.make")} onClose={() => setSecret(null)} />
      <Sure open={ending !== null} title={t("tokens.revoke")} text={t("tokens.revoke.sure")} error={end.error} onClose={() => setEnding(null)} onYes={() => ending && end.mutate(ending)} />
    </div>
  );
}

function stateOf(one: Token): "works" | "ended" | "old" {
  if (one.revoked_at !== null) return "ended";
  return one.expires_at <= Date.now() * 1000 ? "old" : "works";
}
