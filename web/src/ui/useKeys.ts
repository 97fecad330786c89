/** Single letters that do something, unless somebody types, or has turned them off. */
import { useEffect, useRef } from "react";
import { preferences } from "./preferences";

type Keys = Record<string, () => void>;

/** Call what a key stands for; "g f" is g and then f within a second. */
export function useKeys(keys: Keys): void {
  const now = useRef(keys);
  now.current = keys;
  useEffect(() => {
    let before: { key: string; at: number } | null = null;
    function pressed(event: KeyboardEvent): void {
      if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented || !preferences().shortcuts || isTyping(event.target)) return;
      const both = before && event.timeStamp - before.at < 1_000 ? `${before.key} ${event.key}` : event.key;
      before = { key: event.key, at: event.timeStamp };
      const act = now.current[both] ?? now.current[event.key];
      // A second key of a sequence does not mean what it means alone.
      if (!act || (both !== event.key && !(both in now.current) && both.startsWith("g "))) return;
      event.preventDefault();
      act();
    }
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.closest("input, textarea, select, [role=listbox], [role=menu], [role=dialog]") !== null);
}
