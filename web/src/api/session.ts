/**
 * Who is signed in, in which project they look around, and how calls show it. Everything about signing
 * in is in this file. The session itself is a cookie that no script can read.
 */
import { useSyncExternalStore } from "react";
import { json } from "./client";
import type { Role } from "./roles";

export interface MyProject {
  id: string;
  name: string;
  timezone: string;
  role: Role;
}

interface Told {
  user: { id: string; email: string; name: string; is_owner: boolean } | null;
  projects: MyProject[];
  csrf: string | null;
  needs_owner: boolean;
}

export interface Session {
  email: string;
  name: string;
  project: string;
  projects: readonly MyProject[];
  role: Role;
  /** Whether whoever is signed in may define and repair things, or only ask. */
  mayChange: boolean;
  /** Whether it may see to keys and the plan of the project. */
  mayAdminister: boolean;
  isOwner: boolean;
}

/** Before the server was asked there is neither a session nor none. */
export type State = { known: false } | { known: true; session: Session | null; needsOwner: boolean };

const PROJECT = "tallymark.project.1";
const listeners = new Set<() => void>();
let csrf = "";
let told: Told | null = null;
let state: State = { known: false };

/** Return what is known of the session; draws again when that changes. */
export function useSessionState(): State {
  return useSyncExternalStore(subscribe, () => state);
}

/** Return who is signed in, null if nobody is. */
export function useSession(): Session | null {
  const now = useSessionState();
  return now.known ? now.session : null;
}

/** Ask the server who is signed in. */
export async function begin(): Promise<void> {
  take(await json<Told>("/session"));
}

/** Add to a call what shows who makes it, and about which project. */
export function authorize(headers: Headers, method: string): void {
  if (!state.known || !state.session) return;
  headers.set("Tallymark-Project", state.session.project);
  if (method !== "GET") headers.set("X-CSRF-Token", csrf);
}

/** Sign in; throws Problem. */
export async function signIn(email: string, password: string): Promise<void> {
  take(await json<Told>("/session", { method: "POST", body: { email, password } }));
}

/** Become the first owner, with the token of the link that the server printed; throws Problem. */
export async function setUp(token: string, email: string, password: string): Promise<void> {
  take(await json<Told>("/setup", { method: "POST", body: { token, email, password } }));
}

/** Set the password of whoever was invited, with the token of their link; throws Problem. */
export async function setPassword(token: string, password: string): Promise<void> {
  take(await json<Told>("/password", { method: "POST", body: { token, password } }));
}

/** Sign in with the token of a link, once; throws Problem. */
export async function enterBy(token: string): Promise<void> {
  take(await json<Told>("/entrance", { method: "POST", body: { token } }));
}

/** End the session. */
export async function signOut(): Promise<void> {
  take(await json<Told>("/session", { method: "DELETE" }));
}

/** Look around in another project. */
export function enter(project: string): void {
  keep(project);
  if (told) take(told);
}

/** The server knows the session no more. */
export function expired(): void {
  if (state.known && state.session) take({ user: null, projects: [], csrf: null, needs_owner: false });
}

function take(given: Told): void {
  told = given;
  csrf = given.csrf ?? "";
  // A project that is new must not put anybody elsewhere: whoever is in one stays in it, also where nothing may be kept.
  const before = state.known ? state.session?.project : undefined;
  const project = [kept(), before].map((id) => given.projects.find((one) => one.id === id)).find(Boolean) ?? given.projects[0];
  if (given.user && project && project.id !== kept()) keep(project.id);
  const session = given.user && {
    email: given.user.email,
    name: given.user.name,
    project: project?.id ?? "",
    projects: given.projects,
    role: project?.role ?? "viewer",
    mayChange: project !== undefined && project.role !== "viewer",
    mayAdminister: project?.role === "admin" || project?.role === "owner",
    isOwner: given.user.is_owner,
  };
  state = { known: true, session, needsOwner: given.needs_owner };
  for (const changed of listeners) changed();
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}

function kept(): string | null {
  try {
    return localStorage.getItem(PROJECT);
  } catch {
    return null;
  }
}

function keep(project: string): void {
  try {
    localStorage.setItem(PROJECT, project);
  } catch {
    // Storage may be forbidden; then the choice lasts until the page is left.
  }
}
