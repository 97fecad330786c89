/** The query of a screen lives in its address: Back undoes, and the address can be sent to somebody. */
import { useCallback, useMemo } from "react";
import { useLocation, useSearch } from "wouter";
import { decode, encode, type Decoded } from "./codec";
import type { Kind, Query } from "./types";

export interface QueryUrl extends Decoded {
  /** The saved question that this one was opened from, if it was. */
  saved: string | null;
  change: (part: Partial<Query>) => void;
}

/** Return the query of the address and how to change it; `usual` is what a bare address means. */
export function useQueryUrl(kind: Kind, usual: Partial<Query> = {}): QueryUrl {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const saved = useMemo(() => new URLSearchParams(search).get("s"), [search]);
  const told = JSON.stringify(usual);
  const decoded = useMemo(() => decode(kind, search, JSON.parse(told) as Partial<Query>), [kind, search, told]);
  const change = useCallback(
    (part: Partial<Query>) => navigate(`${path}?${addressOf({ ...decoded.query, ...part }, saved)}`),
    [decoded, navigate, path, saved],
  );
  return { ...decoded, saved, change };
}

/** Return what stands after the question mark of a query, and of the saved question it is. */
export function addressOf(query: Query, saved: string | null): string {
  const written = encode(query) || "v=1";
  return saved === null ? written : `${written}&s=${encodeURIComponent(saved)}`;
}
