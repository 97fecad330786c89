/** The frame of all screens: the menu, the palette, the keys, and the screen itself. */
import { QueryClientProvider } from "@tanstack/react-query";
import { Component, lazy, Suspense, useEffect, useId, useRef, useState, type ReactNode } from "react";
import { Link, Route, Router, Switch, useLocation } from "wouter";
import { boot } from "./api/client";
import { queries } from "./api/queries";
import { begin, enter, signOut, useSession, useSessionState } from "./api/session";
import { t, type MessageKey } from "./i18n/t";
import { entriesFor, entryOf, GROUPS, INNER, SCREENS, screenAt, tabsOf, type Group, type Screen } from "./routes";
import { AnnotateProvider } from "./screens/annotate";
import { DrillProvider } from "./screens/drill";
import { Entrance } from "./screens/signin";
import { Button, Choice, Key } from "./ui/basics";
import { Icon, type IconName } from "./ui/Icon";
import { prefer, preferences, usePreferences } from "./ui/preferences";
import { Empty, ErrorBox, Skeleton } from "./ui/states";
import { Toasts } from "./ui/toast";
import { useKeys } from "./ui/useKeys";

const Palette = lazy(() => import("./screens/palette"));
const Preferences = lazy(() => import("./screens/preferences"));
const THEMES = ["auto", "light", "dark"] as const;

export function nextTheme(): void {
  prefer({ theme: THEMES[(THEMES.indexOf(preferences().theme) + 1) % THEMES.length]! });
}

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <Router base={boot.base}>
        <Signed />
        <Toasts />
      </Router>
    </QueryClientProvider>
  );
}

function Signed() {
  const state = useSessionState();
  const [error, setError] = useState<unknown>(null);
  const session = state.known ? state.session : null;
  const ask = () => {
    setError(null);
    begin().catch(setError);
  };
  useEffect(ask, []);
  useEffect(() => {
    // What one session was told is not for the next, and nor is one project's for another.
    queries.clear();
  }, [session?.email, session?.project]);
  if (error !== null) return <ErrorBox error={error} retry={ask} />;
  if (!state.known) return <Skeleton height={420} />;
  if (!session) return <Entrance needsOwner={state.needsOwner} />;
  if (!session.project) return <NoProject />;
  return (
    <DrillProvider key={session.project}>
      <AnnotateProvider>
        <Frame />
      </AnnotateProvider>
    </DrillProvider>
  );
}

/** Somebody who is in no project sees nothing, and is told who can change that. */
function NoProject() {
  return (
    <main className="signin">
      <Empty title={t("app.noproject")}>
        <p className="muted">{t("app.noproject.who")}</p>
        <Button onClick={() => void signOut()}>{t("app.signout")}</Button>
      </Empty>
    </main>
  );
}

function Frame() {
  const [open, setOpen] = useState<"palette" | "preferences" | null>(null);
  const [path, navigate] = useLocation();
  const keys: Record<string, () => void> = { "?": () => setOpen("preferences"), "/": () => setOpen("palette") };
  for (const screen of SCREENS) if (screen.key) keys[`g ${screen.key}`] = () => navigate(screen.path);
  useKeys(keys);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setOpen("palette");
      }
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
  return (
    <div className="shell">
      <a href="#content" className="skip" onClick={(event) => { event.preventDefault(); document.getElementById("content")?.focus(); }}>
        {t("app.skip")}
      </a>
      <Rail onPalette={() => setOpen("palette")} onPreferences={() => setOpen("preferences")} />
      <main className="main" id="content" tabIndex={-1}>
        <div className="page">
          <ScreenTabs path={path} />
          <Guard key={path}>
            <Suspense fallback={<Skeleton height={420} />}>
              <Switch>
                {[...SCREENS, ...INNER].map((one) => (
                  <Route key={one.path} path={one.path}>
                    <Titled name={one.name}>
                      <one.view />
                    </Titled>
                  </Route>
                ))}
                <Route>
                  <Empty title={t("app.notfound")}>
                    <Link href="/">{t("app.home")}</Link>
                  </Empty>
                </Route>
              </Switch>
            </Suspense>
          </Guard>
        </div>
      </main>
      <Suspense fallback={null}>
        {open === "palette" && <Palette onClose={() => setOpen(null)} onPreferences={() => setOpen("preferences")} />}
        {open === "preferences" && <Preferences onClose={() => setOpen(null)} />}
      </Suspense>
    </div>
  );
}

function Titled({ name, children }: { name: MessageKey; children: ReactNode }) {
  const project = useSession()?.project;
  useEffect(() => {
    document.title = `${t(name)} · ${project} · Tallymark`;
  }, [name, project]);
  return <>{children}</>;
}

function Rail({ onPalette, onPreferences }: { onPalette: () => void; onPreferences: () => void }) {
  const [held] = usePreferences();
  const session = useSession()!;
  const entries = entriesFor(session.role);
  const [path] = useLocation();
  const rail = useCurrentInSight(screenAt(path));
  return (
    <nav ref={rail} className="rail" aria-label={t("app.menu")}>
      <Link href="/" className="brand">
        <img src="./icon.svg" alt="" width={24} height={24} />
        <span className="rail-word">Tallymark</span>
      </Link>
      {session.projects.length > 1 && (
        <div className="rail-only">
          <Choice quiet label={t("app.project")} value={session.project} options={session.projects.map((one) => [one.id, one.name] as const)} onChange={enter} />
        </div>
      )}
      <RailButton icon="search" label={t("app.palette")} onClick={onPalette} keys="Ctrl K" />
      {GROUPS.map((group) => (
        <RailGroup key={group} heading={group} entries={entries.filter((one) => one.group === group)} />
      ))}
      <div className="rail-end">
        <RailButton icon="settings" label={t("app.settings")} onClick={onPreferences} />
        <div className="rail-only">
          <RailButton icon="rail" label={t("app.rail")} onClick={() => prefer({ rail: held.rail === "narrow" ? "wide" : "narrow" })} />
        </div>
        <RailButton icon="out" label={t("app.signout")} onClick={() => void signOut()} />
      </div>
    </nav>
  );
}

function RailGroup({ heading, entries }: { heading: Group; entries: Screen[] }) {
  const id = useId();
  if (entries.length === 0) return null;
  const isNamed = heading !== "first" && heading !== "last";
  return (
    <div className={heading === "last" ? "rail-part last" : "rail-part"}>
      {isNamed && (
        <div className="rail-group" id={id}>
          {t(heading)}
        </div>
      )}
      <ul className="rail-list" {...(isNamed ? { "aria-labelledby": id } : {})}>
        {entries.map((one) => (
          <li key={one.path}>
            <RailLink screen={one} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function RailLink({ screen }: { screen: Screen }) {
  const [path] = useLocation();
  const at = screenAt(path);
  const name = t(screen.entry ?? screen.name);
  return (
    <Link href={screen.path} className="rail-link" aria-current={at && entryOf(at) === screen ? "page" : undefined} title={name}>
      <Icon name={screen.icon} />
      <span className="rail-word">{name}</span>
    </Link>
  );
}

/** Where a row is wider than the window, what one is at must not be out of sight. */
function useCurrentInSight(at: Screen | undefined) {
  const row = useRef<HTMLElement>(null);
  useEffect(() => {
    row.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [at]);
  return row;
}

/** The screens that share an entry of the menu, side by side. */
function ScreenTabs({ path }: { path: string }) {
  const role = useSession()!.role;
  const at = screenAt(path);
  const entry = at && entryOf(at);
  const tabs = entry ? tabsOf(entry, role) : [];
  const row = useCurrentInSight(at);
  if (!entry || tabs.length === 0) return null;
  return (
    <nav ref={row} className="tab-list screen-tabs" aria-label={t(entry.entry ?? entry.name)}>
      {tabs.map((one) => (
        <Link key={one.path} href={one.path} className="tab" aria-current={one === at ? "page" : undefined}>
          <Icon name={one.icon} size={14} /> {t(one.tab ?? one.name)}
        </Link>
      ))}
    </nav>
  );
}

function RailButton({ icon, label, onClick, keys }: { icon: IconName; label: string; onClick: () => void; keys?: string }) {
  return (
    <button type="button" className="rail-link" onClick={onClick} title={label}>
      <Icon name={icon} />
      <span className="rail-word">{label}</span>
      {keys && (
        <span className="spacer rail-key">
          <Key>{keys}</Key>
        </span>
      )}
    </button>
  );
}

/** A screen that fails must not take the others along. */
class Guard extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  override render(): ReactNode {
    return this.state.error ? <ErrorBox error={this.state.error} retry={() => this.setState({ error: null })} /> : this.props.children;
  }
}
