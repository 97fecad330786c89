/** Questions to begin with, in plain words: each opens its screen with what this project has filled in. */
import { Link } from "wouter";
import { useSession } from "../api/session";
import { t } from "../i18n/t";
import { screenAt } from "../routes";
import { Icon } from "../ui/Icon";
import { prefer, usePreferences } from "../ui/preferences";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { guides, WORKS, workOf, type Guide } from "./guides";
import { useFacts } from "./useFacts";

export function Guided() {
  const session = useSession()!;
  const [{ work: chosen }] = usePreferences();
  const work = WORKS.find((one) => one === chosen) ?? workOf(session.role);
  const { facts, error, retry } = useFacts();
  const found = facts && guides(work, facts);
  return (
    <section className="stack" aria-label={t("guide.title")}>
      <div className="row">
        <h2>{t("guide.title")}</h2>
        <div role="group" aria-label={t("guide.work")} className="row tight works">
          {WORKS.map((one) => (
            <button key={one} type="button" className="range-one" aria-pressed={one === work} onClick={() => prefer({ work: one })}>
              {t(`guide.work.${one}`)}
            </button>
          ))}
        </div>
      </div>
      {error ? (
        <ErrorBox error={error} retry={retry} />
      ) : found === null ? (
        <Skeleton height={132} />
      ) : found.length === 0 ? (
        <section className="card">
          <Empty title={t("guide.none")} icon="calendar">
            <p className="muted">{t("guide.none.why")}</p>
            {session.mayChange ? (
              <Link className="button main" href="/setup-guide">
                {t("screen.setup")}
              </Link>
            ) : (
              <Link href="/live">{t("screen.live")}</Link>
            )}
          </Empty>
        </section>
      ) : (
        <ul className="bare grid-three guides">
          {found.map((one) => (
            <li key={one.id}>
              <Asking guide={one} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Asking({ guide }: { guide: Guide }) {
  const screen = screenAt(guide.href.split("?", 1)[0]!);
  return (
    <Link href={guide.href} className="card asking">
      <Icon name={guide.icon} size={20} />
      <span className="wrap">
        {t(`guide.${guide.id}`, { event: guide.event })}
        {screen && <span className="muted small asking-where">{t(screen.tab ?? screen.name)}</span>}
      </span>
    </Link>
  );
}
