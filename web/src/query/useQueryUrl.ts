/** The query of a screen lives in its address: Back undoes, and the address can be sent to somebody. */
import { useCallback, useMemo } from "react";
import { useLocation, useSearch } from "wouter";
import { decode, encode, type Decoded } from "./codec";
import type { Kind, Query } from "./types";

export interface QueryUrl extends Decoded {
  change: (part: Partial<Query>) => void;
}

/** Return the query of the address and how to change it; `usual` is what a bare address means. */
export function useQueryUrl(kind: Kind, usual: Partial<Query> = {}): QueryUrl {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const told = JSON.stringify(usual);
  const decoded = useMemo(() => decode(kind, search, JSON.parse(told) as Partial<Query>), [kind, search, told]);
  const change = useCallback(
    (part: Partial<Query>) => navigate(`${path}?${encode({ ...decoded.query, ...part }) || "v=1"}`),
    [decoded, navigate, path],
  );
  return { ...decoded, change };
}
