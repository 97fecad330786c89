/** Four numbers of what somebody works on; each opens who is behind it, or the screen that tells it whole. */
import { useQuery } from "@tanstack/react-query";
import { useLocation } from "wouter";
import { useSession } from "../api/session";
import { BigNumber } from "../charts/BigNumber";
import { format, t, type MessageKey } from "../i18n/t";
import { ErrorBox, Skeleton } from "../ui/states";
import { useDrill } from "../views/opening";
import { figures, FIGURES, type Figure, type Way } from "./figures";
import { useFacts } from "./useFacts";
import { useWork } from "./Works";

const SAY: Record<Way, (value: number) => string> = { number: format.short, percent: format.percent, seconds: format.seconds };

export function Figures() {
  const work = useWork();
  const { facts, error, retry } = useFacts();
  if (error) return <ErrorBox error={error} retry={retry} />;
  return (
    <section className="card stack" aria-label={t("figure.title")}>
      <div className="grid">{facts ? figures(work, facts).map((one) => <One key={one.id} figure={one} />) : Array.from({ length: FIGURES }, (_, at) => <Skeleton key={at} height={84} />)}</div>
      <p className="muted small">{t("figure.range")}</p>
    </section>
  );
}

function One({ figure }: { figure: Figure }) {
  const project = useSession()?.project;
  const drill = useDrill();
  const [, navigate] = useLocation();
  const { id, event, way, moreIsGood, ask } = figure;
  const result = useQuery({ queryKey: ["figure", project, id, event], queryFn: ({ signal }) => ask(signal), enabled: project !== undefined });
  if (result.isError) return <ErrorBox error={result.error} retry={() => result.refetch()} />;
  if (!result.data) return <Skeleton height={84} />;
  const { value, before, trend, behind, href, name } = result.data;
  const label = t(`figure.${id}`, { event, name: name || t("common.none") });
  const open = behind ? () => drill({ title: label, ...behind }) : href ? () => navigate(href) : undefined;
  return <BigNumber label={label} value={value} say={SAY[way]} moreIsGood={moreIsGood} {...(before === undefined ? {} : { before, than: t(thanOf(id)) })} {...(trend ? { trend } : {})} {...(open && value !== null ? { onOpen: open } : {})} />;
}

function thanOf(id: Figure["id"]): MessageKey {
  return id === "week" || id === "day" || id === "hour" ? `figure.than.${id}` : "home.before";
}
