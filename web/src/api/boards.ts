/** What people make on the pages: saved questions, dashboards, annotations and links; one hook for each. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { Answer, InsightName, Question } from "./types";
import { json } from "./client";
import { few } from "./few";
import type { components } from "./schema";
import { useSession } from "./session";

type Schemas = components["schemas"];

export interface Content {
  insight: string;
  question: Question;
  address: string;
}
export interface Saved extends Content {
  id: string;
  name: string;
  description: string;
  origin: "page" | "file";
  owner: string;
  changed_by: string;
  version: number;
  updated_at: number;
}
export interface Place {
  x: number;
  y: number;
  w: number;
  h: number;
}
export interface QuestionTile extends Place {
  kind: "question";
  id: string;
  title: string;
  saved: string | null;
  question: Content | null;
}
export interface TextTile extends Place {
  kind: "text";
  id: string;
  title: string;
  text: string;
}
export type Tile = QuestionTile | TextTile;
/** A filter or range as the API has it. */
export type ApiFilter = Record<string, unknown> & { op: string };
export type ApiRange = string | { since?: string | null; until?: string | null; last?: string | null } | null;

export interface BoardContent {
  tiles: Tile[];
  range: ApiRange;
  filters: ApiFilter[];
}
export interface Board extends BoardContent {
  id: string;
  name: string;
  description: string;
  owner: string;
  changed_by: string;
  version: number;
  updated_at: number;
}
export type BoardDraft = BoardContent & { name: string; description: string };
export type BoardBrief = Schemas["BoardBrief"];
export type Annotation = Schemas["ToldAnnotation"];
export type ShareLink = Schemas["ToldShare"];
export type Note = { at: string; text: string; kind: Annotation["kind"] };

export interface ShareOrder {
  kind: "question" | "dashboard";
  target: string;
  label: string;
  days: number | null;
  password: string | null;
  range: unknown;
  filters: unknown[];
  origins: string[];
  min_group: number;
}

/** Return what reads a list of the project, and what is needed to change it. */
function useList<T>(name: string, path: string, enabled = true) {
  const project = useSession()?.project;
  return useQuery({ queryKey: [name, project], queryFn: ({ signal }) => json<T>(path, { signal }), enabled: enabled && project !== undefined });
}

/** Return how to change something, after which the lists named are asked for again. */
function useChange<In, Out>(names: string[], act: (project: string, given: In) => Promise<Out>) {
  const project = useSession()?.project ?? "";
  const client = useQueryClient();
  return useMutation({
    mutationFn: (given: In) => act(project, given),
    onSettled: () => Promise.all(names.map((name) => client.invalidateQueries({ queryKey: [name] }))),
  });
}

const at = (project: string, ...rest: string[]) => `/projects/${[project, ...rest].map(encodeURIComponent).join("/")}`;

export function useSavedQuestions(enabled = true) {
  return useList<{ saved: Saved[] }>("saved", "/saved", enabled);
}

export function useSaveQuestion() {
  return useChange(["saved"], (project, { id, version, ...body }: Content & { name: string; description: string; id?: string; version?: number }) =>
    id === undefined ? json<Saved>(at(project, "saved"), { method: "POST", body }) : json<Saved>(at(project, "saved", id), { method: "PUT", body: { ...body, version } }),
  );
}

export function useDeleteQuestion() {
  return useChange(["saved"], (project, id: string) => json(at(project, "saved", id), { method: "DELETE" }));
}

export function useBoards(enabled = true) {
  return useList<{ dashboards: BoardBrief[] }>("boards", "/dashboards", enabled);
}

export function useBoard(id: string) {
  const project = useSession()?.project;
  return useQuery({ queryKey: ["board", project, id], queryFn: ({ signal }) => board(id, signal) });
}

export function board(id: string, signal?: AbortSignal): Promise<Board> {
  return json<Board>(`/dashboards/${encodeURIComponent(id)}`, { signal });
}

export function useSaveBoard() {
  return useChange(["boards", "board"], (project, { id, version, ...body }: BoardDraft & { id?: string; version?: number }) =>
    id === undefined ? json<Board>(at(project, "dashboards"), { method: "POST", body }) : json<Board>(at(project, "dashboards", id), { method: "PUT", body: { ...body, version } }),
  );
}

export function useDeleteBoard() {
  return useChange(["boards"], (project, id: string) => json(at(project, "dashboards", id), { method: "DELETE" }));
}

export interface TileOrder {
  saved: string | null;
  question: Content | null;
  range: unknown;
  filters: unknown[];
}

/** Ask what a tile shows; of all tiles of a page only a few at a time. */
export function useTile(order: TileOrder, refresh: number | false) {
  const project = useSession()?.project;
  return useQuery({
    queryKey: ["tile", project, order],
    queryFn: ({ signal }) => few(() => json<Answer<InsightName>>("/tile", { method: "POST", body: order, signal }), signal),
    refetchInterval: refresh,
    placeholderData: (before) => before,
  });
}

export function useAnnotations() {
  return useList<{ annotations: Annotation[] }>("annotations", "/annotations");
}

export function useAnnotate() {
  return useChange(["annotations"], (project, { id, ...body }: Note & { id?: string }) =>
    id === undefined ? json(at(project, "annotations"), { method: "POST", body }) : json(at(project, "annotations", id), { method: "PUT", body }),
  );
}

export function useDeleteAnnotation() {
  return useChange(["annotations"], (project, id: string) => json(at(project, "annotations", id), { method: "DELETE" }));
}

export function useShares(enabled: boolean) {
  const project = useSession()?.project ?? "";
  return useList<{ shares: ShareLink[] }>("shares", at(project, "shares"), enabled);
}

export function useShare() {
  return useChange(["shares"], (project, order: ShareOrder) => json<{ share: ShareLink; token: string }>(at(project, "shares"), { method: "POST", body: order }));
}

export function useRevoke() {
  return useChange(["shares"], (project, id: string) => json(at(project, "shares", id), { method: "DELETE" }));
}
