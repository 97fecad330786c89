/** What somebody works on: Home's numbers and questions follow it. */
import { useSession } from "../api/session";
import { t } from "../i18n/t";
import { prefer, usePreferences } from "../ui/preferences";
import { WORKS, workOf, type Work } from "./guides";

/** Return what this browser was told, and before that what goes with the role. */
export function useWork(): Work {
  const session = useSession()!;
  const [{ work }] = usePreferences();
  return WORKS.find((one) => one === work) ?? workOf(session.role);
}

export function Works() {
  const work = useWork();
  return (
    <div role="group" aria-label={t("guide.work")} className="row tight works">
      {WORKS.map((one) => (
        <button key={one} type="button" className="range-one" aria-pressed={one === work} onClick={() => prefer({ work: one })}>
          {t(`guide.work.${one}`)}
        </button>
      ))}
    </div>
  );
}
