/** Names for what the API's description calls its schemas. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Provenance = Schemas["Provenance"];
export type Table = Schemas["Table"];
export type Names = Schemas["Names"];
export type KnownEvent = Schemas["KnownEvent"];
export type Status = Schemas["Status"];
export type Portrait = Schemas["Portrait"];
export type GroupPortrait = Schemas["GroupPortrait"];
export type MembersPage = Schemas["MembersPage"];
export type GroupMember = Schemas["GroupMember"];
export type PersonRow = Schemas["PersonRow"];
export type VisitRow = Schemas["VisitRow"];
export type VisitsData = Schemas["VisitsData"];
export type EventRow = Schemas["EventRow"];
export type FailedPage = Schemas["FailedPage"];
export type SqlRows = Schemas["SqlRows"];
export type TrendsData = Schemas["TrendsData"];
export type Line = Schemas["Line"];
export type FunnelsData = Schemas["FunnelsData"];
export type Funnel = Schemas["Funnel"];
export type RetentionData = Schemas["RetentionData"];
export type PathsData = Schemas["PathsData"];
export type LifecycleData = Schemas["LifecycleData"];
export type StickinessData = Schemas["StickinessData"];
export type WebData = Schemas["WebData"];
export type WebRow = Schemas["WebRow"];
export type DistributionData = Schemas["DistributionData"];
export type ScrollData = Schemas["ScrollData"];
export type FrustrationData = Schemas["FrustrationData"];
export type FormsData = Schemas["FormsData"];
export type HeatData = Schemas["HeatData"];
export type Rate = Schemas["Rate"];
export type CorrelationData = Schemas["CorrelationData"];
export type AccountRow = Schemas["AccountRow"];
export type AccountsData = Schemas["AccountsData"];
export type PeopleData = Schemas["PeopleData"];
export type EventsData = Schemas["EventsData"];
export type TimelineData = Schemas["TimelineData"];

/** What each insight answers with. */
export interface DataOf {
  trends: TrendsData;
  funnels: FunnelsData;
  correlation: CorrelationData;
  retention: RetentionData;
  paths: PathsData;
  lifecycle: LifecycleData;
  stickiness: StickinessData;
  web: WebData;
  distribution: DistributionData;
  scroll: ScrollData;
  frustration: FrustrationData;
  forms: FormsData;
  heat: HeatData;
  people: PeopleData;
  accounts: AccountsData;
  visits: VisitsData;
  events: EventsData;
  timeline: TimelineData;
}
export type InsightName = keyof DataOf;

export interface Answer<K extends InsightName = InsightName> {
  data: DataOf[K];
  view: string;
  table: Table;
  question: Question;
  provenance: Provenance;
}

/** One version of what a project defines, by kind and name. */
export interface Defined {
  version: number;
  definitions: Partial<Record<"events" | "properties" | "cohorts" | "metrics" | "questions", Record<string, Record<string, unknown>>>>;
}

/** A question as it is sent; the server checks it whole. */
export type Question = Record<string, unknown>;

/** A number of an answer: exact ones that a JSON number cannot hold come as text. */
export type Exact = number | string | null | undefined;

/** What a link says in place of a number of too few people. */
export const FEW = "few";

export function toNumber(value: Exact): number | null {
  return value === null || value === undefined || value === FEW ? null : Number(value);
}
