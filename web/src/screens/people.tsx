/** People: find somebody, or everybody of a range. */
import { useMemo } from "react";
import { Conditions } from "../builder/Conditions";
import { t } from "../i18n/t";
import { filter, range } from "../query/ask";
import { useQueryUrl } from "../query/useQueryUrl";
import { NothingFound } from "../ui/nothing";
import { SearchForm } from "../ui/SearchForm";
import { Empty } from "../ui/states";
import { Dropped, PageHead, RangeControl } from "./controls";
import { PeoplePages } from "./drill";

export default function People() {
  const url = useQueryUrl("trends");
  const { query, change, dropped } = url;
  const wanted = query.options["search"] ?? "";
  const asked = useMemo(() => ({ range: range(query.range), filter: filter(query.where), search: wanted || null }), [query, wanted]);
  const search = (text: string) => {
    const { search: _, ...rest } = query.options;
    change({ options: text ? { ...rest, search: text } : rest });
  };
  return (
    <>
      <PageHead title={t("screen.people")} lead={t("lead.people")}>
        <RangeControl {...url} />
      </PageHead>
      <Dropped what={dropped} />
      <section className="card stack" aria-label={t("screen.people")}>
        <div className="row">
          <SearchForm label={t("people.search")} wanted={wanted} onSearch={search} />
          <Conditions conds={query.where} event={null} onChange={(where) => change({ where })} />
        </div>
        <PeoplePages
          question={asked}
          empty={
            wanted ? (
              <Empty title={t("people.none")} icon="people">
                <p className="muted">{t("people.nomatch")}</p>
              </Empty>
            ) : (
              <NothingFound filtered={query.where.length > 0} clear={() => change({ where: [] })} wider={() => change({ range: "90d" })} />
            )
          }
        />
      </section>
    </>
  );
}
