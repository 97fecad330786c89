/** The width of an element as it is now, so that a chart is drawn for the room it has. */
import { useLayoutEffect, useRef, useState } from "react";

export function useWidth<T extends HTMLElement>(first = 640) {
  const ref = useRef<T>(null);
  const [width, setWidth] = useState(first);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    setWidth(element.clientWidth);
    const watch = new ResizeObserver(() => setWidth(element.clientWidth));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return [ref, Math.max(width, 160)] as const;
}
