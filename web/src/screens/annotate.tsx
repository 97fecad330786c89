/** Lets any chart add or change an annotation, where whoever looks at it may. */
import { createContext, lazy, Suspense, useContext, useState, type ReactNode } from "react";
import { useSession } from "../api/session";
import type { Annotating } from "./annotating";

const AnnotationDialog = lazy(() => import("./annotating").then((all) => ({ default: all.AnnotationDialog })));
const Opening = createContext<((what: Annotating) => void) | undefined>(undefined);

/** Return how to annotate, undefined for whoever may not. */
export function useAnnotating(): ((what: Annotating) => void) | undefined {
  return useContext(Opening);
}

export function AnnotateProvider({ children }: { children: ReactNode }) {
  const may = useSession()?.mayChange ?? false;
  const [what, setWhat] = useState<Annotating | null>(null);
  return (
    <Opening.Provider value={may ? setWhat : undefined}>
      {children}
      <Suspense fallback={null}>{what && <AnnotationDialog what={what} onClose={() => setWhat(null)} />}</Suspense>
    </Opening.Provider>
  );
}
