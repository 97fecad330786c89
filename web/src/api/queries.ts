/** One hook for each thing that is asked of the server. */
import { keepPreviousData, QueryClient, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { json, Problem } from "./client";
import { useSession } from "./session";
import type { Answer, Defined, FailedPage, GroupPortrait, InsightName, MembersPage, Names, Portrait, Question, SqlRows, Status } from "./types";

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      refetchOnWindowFocus: false,
      retry: (failures, error) => failures < 2 && error instanceof Problem && (error.status === 0 || error.status === 503),
    },
  },
});

export function ask<K extends InsightName>(insight: K, question: Question, signal?: AbortSignal): Promise<Answer<K>> {
  return json<Answer<K>>(`/ask/${insight}`, { method: "POST", body: question, signal });
}

/** Ask a question; while a changed one is answered the last answer stays. Null asks nothing. */
export function useAsk<K extends InsightName>(insight: K, question: Question | null) {
  const project = useSession()?.project;
  return useQuery({
    queryKey: ["ask", project, insight, question],
    queryFn: ({ signal }) => ask(insight, question ?? {}, signal),
    enabled: question !== null && project !== undefined,
    placeholderData: keepPreviousData,
  });
}

/** Page through people, accounts, events or a timeline. */
export function usePages<K extends "people" | "accounts" | "visits" | "events" | "timeline">(insight: K, question: Question | null) {
  const project = useSession()?.project;
  return useInfiniteQuery({
    queryKey: ["pages", project, insight, question],
    queryFn: ({ signal, pageParam }) => ask(insight, { ...question, ...(pageParam ? { cursor: pageParam } : {}) }, signal),
    enabled: question !== null && project !== undefined,
    initialPageParam: null as string | null,
    getNextPageParam: (last) => (last.data as { cursor: string | null }).cursor,
  });
}

export function useNames() {
  const project = useSession()?.project;
  return useQuery({
    queryKey: ["names", project],
    queryFn: ({ signal }) => json<Names>("/names", { signal }),
    enabled: project !== undefined,
    staleTime: 60_000,
  });
}

export function useStatus() {
  const project = useSession()?.project;
  return useQuery({
    queryKey: ["status", project],
    queryFn: ({ signal }) => json<Status>("/status", { signal }),
    enabled: project !== undefined,
    refetchInterval: 15_000,
  });
}

export function usePortrait(kind: string, id: string) {
  const project = useSession()?.project;
  return useQuery({
    queryKey: ["person", project, kind, id],
    queryFn: ({ signal }) => json<Portrait>(`/people/${kind}/${encodeURIComponent(id)}`, { signal }),
    enabled: id !== "",
  });
}

/** One account, as of an instant or now. */
export function useAccount(id: string, at: string | null = null) {
  const project = useSession()?.project;
  return useQuery({
    queryKey: ["account", project, id, at],
    queryFn: ({ signal }) => json<GroupPortrait>(`/groups/account/${encodeURIComponent(id)}${at ? `?at=${encodeURIComponent(at)}` : ""}`, { signal }),
    enabled: id !== "" && project !== undefined,
  });
}

/** The people of an account, as of an instant or now, those seen last first. */
export function useMembers(id: string, at: string | null) {
  const project = useSession()?.project;
  return useInfiniteQuery({
    queryKey: ["members", project, id, at],
    queryFn: ({ signal, pageParam }) => json<MembersPage>(`/groups/account/${encodeURIComponent(id)}/people?${new URLSearchParams({ limit: "50", ...(at ? { at } : {}), ...(pageParam ? { cursor: pageParam } : {}) })}`, { signal }),
    enabled: id !== "" && project !== undefined,
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.cursor,
  });
}

export function useFailed(where: Record<string, string>) {
  const project = useSession()?.project;
  return useInfiniteQuery({
    queryKey: ["failed", project, where],
    queryFn: ({ signal, pageParam }) =>
      json<FailedPage>(`/failed?${new URLSearchParams({ ...where, limit: "50", ...(pageParam ? { cursor: pageParam } : {}) })}`, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.cursor,
  });
}

/** A public key of the project, whole, if there is one that can be shown. */
export function usePublicKey(wanted = true) {
  const project = useSession()?.project;
  return useQuery({
    queryKey: ["public-key", project],
    queryFn: ({ signal }) => json<{ key: { text: string } | null }>(`/projects/${project}/public-key`, { signal }),
    enabled: wanted && project !== undefined,
  });
}

/** What the project defines by name, and of which version. */
export function useDefinitions(wanted = true) {
  const project = useSession()?.project;
  return useQuery({
    queryKey: ["definitions", project],
    queryFn: ({ signal }) => json<Defined>("/definitions", { signal }),
    enabled: wanted && project !== undefined,
    staleTime: 60_000,
  });
}

/** The values of a field in a range, those of most events first. */
export function useValues(field: string, event: string | null, range: unknown = "30d") {
  const project = useSession()?.project;
  return useQuery({
    queryKey: ["values", project, field, event, range],
    queryFn: async ({ signal }) => {
      const answer = await ask("trends", { series: [{ event }], range, interval: "year", breakdown: [field], top: 50 }, signal);
      return answer.data.lines.filter((line) => !line.is_other && line.breakdown?.[0] != null).map((line) => ({ value: line.breakdown![0]!, count: Number(line.total ?? 0) }));
    },
    enabled: field !== "" && project !== undefined,
    staleTime: 60_000,
  });
}

/** How often each event came in a range, by its name; undefined until that is known. */
export function useEventCounts(range: unknown): Map<string, number> | undefined {
  const project = useSession()?.project;
  return useQuery({
    queryKey: ["counts", project, range],
    queryFn: async ({ signal }) => {
      const answer = await ask("trends", { series: [{ event: null }], range, interval: "year", breakdown: ["event"], top: 1_000 }, signal);
      return new Map(answer.data.lines.filter((line) => !line.is_other).map((line) => [String(line.breakdown?.[0]), Number(line.total ?? 0)]));
    },
    enabled: project !== undefined,
    staleTime: 60_000,
  }).data;
}

export function askSql(statement: string, signal?: AbortSignal): Promise<SqlRows> {
  return json<SqlRows>("/sql", { method: "POST", body: { sql: statement }, signal });
}
