/** What this project can be asked about, as Home wants to know it before it offers a question. */
import { useQuery } from "@tanstack/react-query";
import { ask, useStatus } from "../api/queries";
import { useSession } from "../api/session";
import { toNumber, type Question } from "../api/types";
import { signedUp } from "../query/usual";
import type { Facts } from "./guides";

const RANGE = "30d";
const MOST_EVENTS = 1_000;
const LIVE_US = 30 * 60 * 1_000_000;
const IS_VIEW = { op: "in", field: "kind", values: ["page", "screen"] };

const has = (field: string) => ({ op: "exists", field });

/** Return the facts, and how the asking went. */
export function useFacts(): { facts: Facts | null; error: unknown; retry: () => void } {
  const project = useSession()?.project;
  const status = useStatus().data;
  const result = useQuery({
    queryKey: ["home", project],
    queryFn: async ({ signal }) => {
      const events = await eventsOf(signal);
      return { events, ...(await numbersOf(signedUp(events), signal)) };
    },
    enabled: project !== undefined,
    staleTime: 60_000,
  });
  const received = status?.last_received_us ?? 0;
  const facts = result.data && status ? { ...result.data, failed: status.failed_events, isLive: Date.now() * 1_000 - received < LIVE_US } : null;
  return { facts, error: result.error, retry: () => void result.refetch() };
}

async function eventsOf(signal: AbortSignal): Promise<string[]> {
  const { data } = await ask("trends", { series: [{ event: null }], range: RANGE, interval: "year", breakdown: ["event"], top: MOST_EVENTS }, signal);
  return data.lines.filter((line) => !line.is_other && Number(line.total ?? 0) > 0).map((line) => String(line.breakdown?.[0]));
}

async function numbersOf(joined: string | undefined, signal: AbortSignal): Promise<Omit<Facts, "events" | "failed" | "isLive">> {
  const series: Question[] = [
    { event: null, measure: "unique_people" },
    { event: null, measure: "unique_accounts" },
    { event: null, measure: "count", filter: IS_VIEW },
    { event: null, measure: "count", filter: { op: "and", filters: [IS_VIEW, has("device_type")] } },
    ...(joined === undefined ? [] : [{ event: joined, measure: "count", filter: has("channel") }]),
  ];
  const { data } = await ask("trends", { series, range: RANGE, interval: "year" }, signal);
  const [people = 0, accounts = 0, views = 0, devices = 0, channels = 0] = data.lines.map((line) => toNumber(line.total) ?? 0);
  return { people, accounts, views, devices, channels };
}
