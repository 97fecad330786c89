/** What a number or a day of a chart opens. Where nobody provides it, nothing opens: behind a link, for one. */
import { createContext, useContext } from "react";
import type { Question } from "../api/types";
import type { Annotating } from "../screens/annotating";

export interface Behind {
  title: string;
  people: Question;
  events?: Question;
  /** Of a number of accounts: which they are. */
  accounts?: Question;
  /** The number is of sessions: they are listed, and not the people they are of. */
  isOfSessions?: boolean;
  /** The same of accounts. */
  isOfAccounts?: boolean;
}

export const Opening = createContext<((behind: Behind) => void) | null>(null);
export const Noting = createContext<((what: Annotating) => void) | undefined>(undefined);
/** What stands where a number is not told: it is of few people, or would give one away that is. */
export const Untold = createContext("–");
const nothing = () => undefined;

/** Return how to open what is behind a number. */
export function useDrill(): (behind: Behind) => void {
  return useContext(Opening) ?? nothing;
}

/** Return how to say a number that may not be told. */
export function useSaying(): (value: number | null, say: (value: number) => string) => string {
  const untold = useContext(Untold);
  return (value, say) => (value === null ? untold : say(value));
}

/** Whether numbers open at all; behind a link nobody may see who is meant. */
export function useOpens(): boolean {
  return useContext(Opening) !== null;
}

/** Return how to annotate, undefined for whoever may not. */
export function useAnnotating(): ((what: Annotating) => void) | undefined {
  return useContext(Noting);
}
