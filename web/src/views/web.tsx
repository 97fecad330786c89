/** The numbers of a site. */
import { toNumber, type Question, type WebData } from "../api/types";
import { BigNumber } from "../charts/BigNumber";
import { format, t } from "../i18n/t";
import { useDrill, useOpens } from "./opening";

export function Numbers({ data, asked }: { data: WebData; asked: Question }) {
  const drill = useDrill();
  const opens = useOpens();
  const { numbers } = data;
  const before = data.compared?.numbers;
  const than = data.compared ? t(`than.${data.compared.how}`) : "";
  const was = (value: number | string | null | undefined) => (before ? { before: toNumber(value), than } : {});
  return (
    <div className="grid-5">
      <BigNumber label={t("web.visitors")} value={toNumber(numbers.visitors)} {...was(before?.visitors)} {...(opens ? { onOpen: () => drill({ title: t("web.visitors"), people: { behind: { insight: "web", question: asked, place: {} } } }) } : {})} />
      <BigNumber label={t("web.visits")} value={toNumber(numbers.visits)} {...was(before?.visits)} />
      <BigNumber label={t("web.page_views")} value={toNumber(numbers.page_views)} {...was(before?.page_views)} />
      <BigNumber label={t("web.bounce")} about={t(`label.bounce.${data.bounce}`)} value={toNumber(numbers.bounce_rate.value)} {...was(before?.bounce_rate.value)} say={format.percent} moreIsGood={false} />
      <BigNumber label={t("web.duration")} value={toNumber(numbers.seconds_per_visit)} {...was(before?.seconds_per_visit)} say={format.seconds} />
    </div>
  );
}
