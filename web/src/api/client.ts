/** Talks to the server: every call goes through here, with what the session adds to it. */
import { authorize, expired } from "./session";

export interface Boot {
  base: string;
  version: string;
}

/** What the server put into the page; under the development server there is nothing. */
export const boot: Boot = JSON.parse(
  globalThis.document?.getElementById("boot")?.textContent ?? '{"base":"","version":"development"}',
);

export const API = `${boot.base}/tm/v1`;

/** Why the server did not answer as asked; `code` is a row of the error reference. */
export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly hint: string;
  readonly requestId: string;
  readonly path: string | undefined;

  constructor(said: { code: string; status: number; detail: string; hint?: string; request_id?: string; path?: string }) {
    super(said.detail);
    this.code = said.code;
    this.status = said.status;
    this.hint = said.hint ?? "";
    this.requestId = said.request_id ?? "";
    this.path = said.path;
  }
}

export interface Asked {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
  /** As nobody, whoever is signed in: for what a link shows. */
  anonymous?: boolean;
}

/** Return the answer, unread; throws Problem for any but a success. */
export async function call(path: string, asked: Asked = {}): Promise<Response> {
  const headers = new Headers(asked.headers);
  if (!asked.anonymous) authorize(headers, asked.method ?? "GET");
  if (asked.body !== undefined) headers.set("Content-Type", "application/json");
  let answer: Response;
  try {
    answer = await fetch(API + path, {
      method: asked.method ?? "GET",
      headers,
      credentials: asked.anonymous ? "omit" : "same-origin",
      body: asked.body === undefined ? undefined : JSON.stringify(asked.body),
      signal: asked.signal,
    });
  } catch (error) {
    if (asked.signal?.aborted) throw error;
    throw new Problem({ code: "UNREACHABLE", status: 0, detail: "The server cannot be reached.", hint: "Is it running, and are you online?" });
  }
  if (answer.ok) return answer;
  const problem = await problemOf(answer);
  if (problem.status === 401 && !asked.anonymous) expired();
  throw problem;
}

/** Return the decoded answer. */
export async function json<T>(path: string, asked: Asked = {}): Promise<T> {
  return (await call(path, asked)).json() as Promise<T>;
}

async function problemOf(answer: Response): Promise<Problem> {
  try {
    return new Problem(await answer.json());
  } catch {
    return new Problem({ code: "UNREADABLE", status: answer.status, detail: `The answer was ${answer.status} and no more.`, hint: "Something between you and the server may have answered in its place." });
  }
}
