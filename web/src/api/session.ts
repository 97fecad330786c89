/**
 * Who is signed in, and how calls show it. Everything about signing in is in this file, so that
 * another way to do so changes no other.
 *
 * For now that is a read key, kept only for as long as the tab is open.
 */
import { useSyncExternalStore } from "react";
import type { MessageKey } from "../i18n/en";
import { json, Problem } from "./client";

export interface Session {
  project: string;
  /** Whether this session may change things, or only ask. */
  mayChange: boolean;
}

export interface SignInField {
  name: string;
  label: MessageKey;
  hint: MessageKey;
  type: "password" | "email" | "text";
  autoComplete: string;
}

export const SIGN_IN_FIELDS: readonly SignInField[] = [
  { name: "key", label: "signin.key", hint: "signin.key.hint", type: "password", autoComplete: "off" },
];

const KEPT = "tallymark.session.1";
const listeners = new Set<() => void>();
let kept: { key: string; project: string } | null = read();
let session: Session | null = kept && { project: kept.project, mayChange: false };

/** Return who is signed in, null if nobody is; draws again when that changes. */
export function useSession(): Session | null {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => session,
  );
}

/** Add to a call what shows who makes it. */
export function authorize(headers: Headers, _method: string): void {
  if (kept && !headers.has("Authorization")) headers.set("Authorization", `Bearer ${kept.key}`);
}

/** Sign in with what the form asked for; throws Problem. */
export async function signIn(given: Record<string, string>): Promise<void> {
  const key = (given["key"] ?? "").trim();
  if (key.startsWith("pk_")) {
    throw new Problem({ code: "AUTH_WRONG_KIND", status: 403, detail: "This is a public key, which only sends events.", hint: "Use a read key: it begins with rk_." });
  }
  const status = await json<{ project: string }>("/status", { headers: { Authorization: `Bearer ${key}` } });
  change({ key, project: status.project });
}

/** End the session. */
export async function signOut(): Promise<void> {
  change(null);
}

/** The server knows the session no more. */
export function expired(): void {
  if (session) change(null);
}

function change(to: typeof kept): void {
  kept = to;
  session = to && { project: to.project, mayChange: false };
  try {
    if (to) sessionStorage.setItem(KEPT, JSON.stringify(to));
    else sessionStorage.removeItem(KEPT);
  } catch {
    // Storage may be forbidden; then the session lasts until the page is left.
  }
  for (const changed of listeners) changed();
}

function read(): typeof kept {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  } catch {
    return null;
  }
}
