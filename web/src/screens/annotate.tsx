/** Lets any chart add or change an annotation, where whoever looks at it may. */
import { lazy, Suspense, useState, type ReactNode } from "react";
import { useSession } from "../api/session";
import { Noting } from "../views/opening";
import type { Annotating } from "./annotating";

export { useAnnotating } from "../views/opening";

const AnnotationDialog = lazy(() => import("./annotating").then((all) => ({ default: all.AnnotationDialog })));

export function AnnotateProvider({ children }: { children: ReactNode }) {
  const may = useSession()?.mayChange ?? false;
  const [what, setWhat] = useState<Annotating | null>(null);
  return (
    <Noting.Provider value={may ? setWhat : undefined}>
      {children}
      <Suspense fallback={null}>{what && <AnnotationDialog what={what} onClose={() => setWhat(null)} />}</Suspense>
    </Noting.Provider>
  );
}
