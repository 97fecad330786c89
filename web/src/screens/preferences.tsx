/** How somebody likes the pages, and the keys there are. */
import { boot } from "../api/client";
import { t } from "../i18n/t";
import { SCREENS } from "../routes";
import { Choice, Key } from "../ui/basics";
import { Dialog } from "../ui/Dialog";
import { usePreferences } from "../ui/preferences";

export default function Preferences({ onClose }: { onClose: () => void }) {
  const [held, prefer] = usePreferences();
  const keys: [string[], string][] = [
    [["Ctrl K"], t("shortcut.palette")],
    [["?"], t("shortcut.help")],
    [["t"], t("shortcut.table")],
    ...SCREENS.filter((one) => one.key).map((one): [string[], string] => [["g", one.key!], t("shortcut.goto", { screen: t(one.name) })]),
  ];
  return (
    <Dialog title={t("app.settings")} open onClose={onClose}>
      <div className="stack">
        <Choice label={t("app.theme")} value={held.theme} options={[["auto", t("app.theme.auto")], ["light", t("app.theme.light")], ["dark", t("app.theme.dark")]] as const} onChange={(theme) => prefer({ theme })} />
        <label className="check">
          <input type="checkbox" checked={held.density === "compact"} onChange={(event) => prefer({ density: event.target.checked ? "compact" : "comfortable" })} /> {t("app.density")}
        </label>
        <label className="check">
          <input type="checkbox" checked={held.shortcuts} onChange={(event) => prefer({ shortcuts: event.target.checked })} /> {t("shortcut.off")}
        </label>
        <p className="muted small">{t("shortcut.off.why")}</p>
        <h3>{t("app.shortcuts")}</h3>
        <dl className="facts">
          {keys.map(([parts, what]) => (
            <div key={what}>
              <dt>{what}</dt>
              <dd className="row tight">
                {parts.map((one, at) => (
                  <span key={one} className="row tight">
                    {at > 0 && t("shortcut.then")} <Key>{one}</Key>
                  </span>
                ))}
              </dd>
            </div>
          ))}
        </dl>
        <p className="muted small">
          Tallymark {boot.version} · <a href="./tm/v1/docs">{t("app.api")}</a>
        </p>
      </div>
    </Dialog>
  );
}
