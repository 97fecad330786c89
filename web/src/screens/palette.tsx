/** The command palette: type a few letters of a screen, an event or an action. */
import { useState, type KeyboardEvent } from "react";
import { useLocation } from "wouter";
import { useBoards, useSavedQuestions } from "../api/boards";
import { useNames } from "../api/queries";
import { enter, useSession } from "../api/session";
import { nextTheme } from "../app";
import { t } from "../i18n/t";
import { encode } from "../query/codec";
import { query, row } from "../query/types";
import { SCREENS } from "../routes";
import { hrefOf } from "./dashboards";
import { narrowed, type OptionGroup } from "../ui/Combobox";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";

const MOST = 40;

export default function Palette({ onClose, onPreferences }: { onClose: () => void; onPreferences: () => void }) {
  const names = useNames().data;
  const boards = useBoards().data?.dashboards ?? [];
  const session = useSession()!;
  const elsewhere = session.projects.filter((one) => one.id !== session.project);
  const saved = useSavedQuestions().data?.saved ?? [];
  const [, navigate] = useLocation();
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const groups: OptionGroup[] = [
    { label: t("palette.screens"), options: SCREENS.map((one) => ({ id: `go:${one.path}`, label: t(one.name), ...(one.key ? { note: `g ${one.key}` } : {}) })) },
    { label: t("palette.actions"), options: [{ id: "theme", label: t("palette.theme") }, { id: "preferences", label: t("app.settings") }] },
    { label: t("screen.dashboards"), options: boards.map((one) => ({ id: `go:/dashboards/${one.id}`, label: one.name })) },
    { label: t("saved.title"), options: saved.map((one) => ({ id: `go:${hrefOf(one)}`, label: one.name })) },
    { label: t("settings.projects"), options: elsewhere.map((one) => ({ id: `enter:${one.id}`, label: one.name, note: one.id })) },
    { label: t("palette.events"), options: typed ? (names?.events ?? []).map((one) => ({ id: `event:${one.name}`, label: one.name })) : [] },
  ];
  const found = narrowed(groups, typed);
  if (typed.trim() && !typed.includes(" ")) found.push({ label: t("screen.people"), options: [{ id: `person:${typed.trim()}`, label: t("palette.person", { id: typed.trim() }) }, { id: `account:${typed.trim()}`, label: t("palette.account", { id: typed.trim() }) }] });
  const flat = found.flatMap((one) => one.options).slice(0, MOST);
  const chosen = flat[Math.min(at, flat.length - 1)];
  function act(id: string): void {
    onClose();
    const [kind, rest] = [id.slice(0, id.indexOf(":")), id.slice(id.indexOf(":") + 1)];
    if (kind === "go") navigate(rest);
    else if (kind === "enter") enter(rest);
    else if (kind === "event") navigate(`/explore?${encode(query("trends", { rows: [row(rest)] }))}`);
    else if (kind === "person") navigate(`/people/user/${encodeURIComponent(rest)}`);
    else if (kind === "account") navigate(`/accounts/${encodeURIComponent(rest)}`);
    else if (id === "theme") nextTheme();
    else onPreferences();
  }
  function press(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setAt((before) => (before + step + flat.length) % Math.max(1, flat.length));
    } else if (event.key === "Enter" && chosen) {
      event.preventDefault();
      act(chosen.id);
    }
  }
  return (
    <Dialog title={t("app.palette")} open onClose={onClose} look="palette">
      <div className="search palette-search">
        <Icon name="search" />
        <input
          className="input"
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={chosen ? `palette-${chosen.id}` : undefined}
          aria-label={t("app.palette")}
          placeholder={t("app.palette")}
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
            setAt(0);
          }}
          onKeyDown={press}
        />
      </div>
      <div id="palette-list" role="listbox" aria-label={t("app.palette")} className="palette-list">
        {found.map((group) => (
          <div key={group.label} role="group" aria-label={group.label}>
            <div className="listbox-head" aria-hidden="true">
              {group.label}
            </div>
            {group.options.filter((one) => flat.includes(one)).map((one) => (
              <div key={one.id} id={`palette-${one.id}`} role="option" aria-selected={one === chosen} className="listbox-item" data-focused={one === chosen ? "" : undefined} onClick={() => act(one.id)}>
                <span className="cut">{one.label}</span>
                {one.note && <kbd className="key note">{one.note}</kbd>}
              </div>
            ))}
          </div>
        ))}
        {flat.length === 0 && <p className="listbox-empty">{t("palette.empty")}</p>}
      </div>
    </Dialog>
  );
}
