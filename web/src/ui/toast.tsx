/** A short word that something was done; read out, and gone by itself. */
import { useSyncExternalStore } from "react";

let said: string | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();

export function toast(text: string): void {
  said = text;
  clearTimeout(timer);
  timer = setTimeout(() => tell(null), 4_000);
  tell(text);
}

function tell(text: string | null): void {
  said = text;
  for (const changed of listeners) changed();
}

export function Toasts() {
  const text = useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => said,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {text && <div className="toast">{text}</div>}
    </div>
  );
}
