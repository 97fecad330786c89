/** Questions to begin with, in plain words: each opens its screen with what this project has filled in. */
import { Link } from "wouter";
import { useSession } from "../api/session";
import { t } from "../i18n/t";
import { screenAt } from "../routes";
import { Icon } from "../ui/Icon";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { guides, type Guide } from "./guides";
import { useFacts } from "./useFacts";
import { useWork } from "./Works";

export function Guided() {
  const session = useSession()!;
  const work = useWork();
  const { facts, error, retry } = useFacts();
  const found = facts && guides(work, facts);
  return (
    <section className="stack" aria-label={t("guide.title")}>
      <h2>{t("guide.title")}</h2>
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
