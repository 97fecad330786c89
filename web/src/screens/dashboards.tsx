/** Dashboards and saved questions: everything people made to look at again. */
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { useBoards, useDeleteBoard, useDeleteQuestion, useSaveBoard, useSavedQuestions, type BoardBrief, type Saved } from "../api/boards";
import { useNames } from "../api/queries";
import { useSession } from "../api/session";
import { template, TEMPLATES, type Template } from "../boards/templates";
import { screenOf } from "../boards/TileView";
import { format, t, word } from "../i18n/t";
import { Badge, Button, IconButton } from "../ui/basics";
import { DataTable, type Column } from "../ui/DataTable";
import { Dialog } from "../ui/Dialog";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { toast } from "../ui/toast";
import { PageHead } from "./controls";

export default function Dashboards() {
  return (
    <>
      <PageHead title={t("screen.dashboards")} lead={t("lead.dashboards")} />
      <Boards />
      <Questions />
    </>
  );
}

function Boards() {
  const boards = useBoards();
  const session = useSession();
  const remove = useDeleteBoard();
  const [leaving, setLeaving] = useState<BoardBrief | null>(null);
  const may = session?.mayChange ?? false;
  const mayDelete = (owner: string) => may && (session?.mayAdminister || owner === session?.email);
  const columns: Column<BoardBrief>[] = [
    { id: "name", label: t("common.name"), value: (one) => one.name, cell: (one) => <Link href={`/dashboards/${one.id}`}>{one.name}</Link> },
    { id: "about", label: t("common.description"), value: (one) => one.description, cell: (one) => one.description || "–" },
    { id: "tiles", label: t("boards.tiles"), number: true, value: (one) => one.tiles, cell: (one) => format.number(one.tiles) },
    { id: "owner", label: t("common.owner"), value: (one) => one.owner, cell: (one) => one.owner || "–" },
    { id: "at", label: t("common.changed"), value: (one) => one.updated_at, cell: (one) => timeOf(one.updated_at) },
    ...(may ? [{ id: "delete", label: t("common.delete"), cell: (one: BoardBrief) => mayDelete(one.owner) && <IconButton icon="close" label={t("common.deletenamed", { name: one.name })} onClick={() => setLeaving(one)} /> }] : []),
  ];
  return (
    <section className="card stack" aria-label={t("screen.dashboards")}>
      {may && <Begin />}
      {boards.isError ? (
        <ErrorBox error={boards.error} retry={() => boards.refetch()} />
      ) : !boards.data ? (
        <Skeleton height={120} />
      ) : boards.data.dashboards.length === 0 ? (
        <Empty title={t("boards.none")} icon="boards"><p className="muted">{may ? t("boards.none.why") : t("boards.none.viewer")}</p></Empty>
      ) : (
        <DataTable label={t("screen.dashboards")} columns={columns} rows={boards.data.dashboards} rowKey={(one) => one.id} />
      )}
      {leaving && <Sure name={leaving.name} why={t("boards.delete.sure")} error={remove.error} onClose={() => setLeaving(null)} onYes={() => remove.mutate(leaving.id, { onSuccess: () => { setLeaving(null); toast(t("common.deleted")); } })} />}
    </section>
  );
}

/** Begin a dashboard: an empty one, or one of a few that are usual. */
function Begin() {
  const names = useNames();
  const save = useSaveBoard();
  const [, navigate] = useLocation();
  const begin = (which: Template) => {
    const events = (names.data?.events ?? []).filter((one) => one.events > 0).map((one) => one.name);
    save.mutate(template(which, events), { onSuccess: (made) => navigate(`/dashboards/${made.id}${which === "empty" ? "?edit=1" : ""}`) });
  };
  return (
    <div className="stack">
      <div className="row" role="group" aria-label={t("boards.begin")}>
        <Button look="main" icon="plus" disabled={save.isPending} onClick={() => begin("empty")}>{t("boards.new")}</Button>
        <span className="muted">{t("boards.begin")}</span>
        {TEMPLATES.map((one) => (
          <Button key={one} disabled={save.isPending || !names.data} onClick={() => begin(one)} title={word("templatelead", one)}>
            {word("template", one)}
          </Button>
        ))}
      </div>
      {save.error && <ErrorBox error={save.error} />}
    </div>
  );
}

function Questions() {
  const saved = useSavedQuestions();
  const session = useSession();
  const remove = useDeleteQuestion();
  const [leaving, setLeaving] = useState<Saved | null>(null);
  const may = session?.mayChange ?? false;
  const columns: Column<Saved>[] = [
    { id: "name", label: t("common.name"), value: (one) => one.name, cell: (one) => <Link href={hrefOf(one)}>{one.name}</Link> },
    { id: "insight", label: t("about.insight"), value: (one) => one.insight, cell: (one) => word("screen", one.insight === "trends" ? "explore" : one.insight) },
    { id: "about", label: t("common.description"), value: (one) => one.description, cell: (one) => one.description || "–" },
    { id: "ask", label: t("saved.ask"), cell: (one) => <code>@{one.id}</code> },
    { id: "owner", label: t("common.owner"), value: (one) => one.owner, cell: (one) => (one.origin === "file" ? <Badge>{t("saved.file")}</Badge> : one.owner || "–") },
    { id: "at", label: t("common.changed"), value: (one) => one.updated_at, cell: (one) => timeOf(one.updated_at) },
    ...(may ? [{ id: "delete", label: t("common.delete"), cell: (one: Saved) => one.origin === "page" && (session?.mayAdminister || one.owner === session?.email) && <IconButton icon="close" label={t("common.deletenamed", { name: one.name })} onClick={() => setLeaving(one)} /> }] : []),
  ];
  return (
    <section className="card stack" aria-label={t("saved.title")}>
      <h2>{t("saved.title")}</h2>
      {saved.isError ? (
        <ErrorBox error={saved.error} retry={() => saved.refetch()} />
      ) : !saved.data ? (
        <Skeleton height={120} />
      ) : saved.data.saved.length === 0 ? (
        <Empty title={t("saved.none")} icon="explore"><p className="muted">{t("saved.none.why")}</p></Empty>
      ) : (
        <DataTable label={t("saved.title")} columns={columns} rows={saved.data.saved} rowKey={(one) => one.id} />
      )}
      {leaving && <Sure name={leaving.name} why={t("saved.delete.sure")} error={remove.error} onClose={() => setLeaving(null)} onYes={() => remove.mutate(leaving.id, { onSuccess: () => { setLeaving(null); toast(t("common.deleted")); } })} />}
    </section>
  );
}

/** Where a saved question is looked at: on its screen, or as it is where it was written in a file. */
export function hrefOf(one: Saved): string {
  return (one.address && screenOf(one.insight, one.address, one.id)) || `/saved/${encodeURIComponent(one.id)}`;
}

export function Sure({ name, why, error, onClose, onYes }: { name: string; why: string; error: unknown; onClose: () => void; onYes: () => void }) {
  return (
    <Dialog title={t("common.deletenamed", { name })} open onClose={onClose}>
      <p>{why}</p>
      {error != null && <ErrorBox error={error} />}
      <div className="row">
        <Button look="main" onClick={onYes}>{t("common.delete")}</Button>
        <Button onClick={onClose}>{t("settings.cancel")}</Button>
      </div>
    </Dialog>
  );
}

export function timeOf(instant: number): string {
  return format.time(new Date(instant / 1000).toISOString());
}
