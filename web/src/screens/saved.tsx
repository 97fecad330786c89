/** A saved question by itself: how those that are written in files are looked at. */
import { useParams } from "wouter";
import { useSavedQuestions, useTile } from "../api/boards";
import { TileView } from "../boards/TileView";
import { t } from "../i18n/t";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { PageHead } from "./controls";

export default function SavedScreen() {
  const { id = "" } = useParams<{ id: string }>();
  const saved = useSavedQuestions();
  const one = saved.data?.saved.find((each) => each.id === id);
  const answer = useTile({ saved: id, question: null, range: null, filters: [] }, false);
  return (
    <>
      <PageHead title={one?.name ?? t("saved.title")} lead={one?.description ?? ""} />
      <section className="card stack" aria-label={one?.name ?? t("saved.title")} aria-busy={answer.isFetching}>
        {saved.data && !one ? (
          <Empty title={t("saved.gone")} />
        ) : answer.isError ? (
          <ErrorBox error={answer.error} retry={() => answer.refetch()} />
        ) : answer.data && one ? (
          <TileView insight={one.insight} address={one.address} title={one.name} answer={answer.data} height={340} opens />
        ) : (
          <Skeleton />
        )}
        {one && <p className="muted">{t("saved.asked")} <code>tallymark ask @{one.id}</code></p>}
      </section>
    </>
  );
}
