/** Of many things to ask a few at a time. */
const MOST_AT_ONCE = 3;
let running = 0;
const waiting: (() => void)[] = [];

/** Run something when there is room, so that a dashboard does not ask everything at once. */
export async function few<T>(act: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  while (running >= MOST_AT_ONCE) await new Promise<void>((go) => waiting.push(go));
  running++;
  try {
    signal?.throwIfAborted();
    return await act();
  } finally {
    running--;
    waiting.shift()?.();
  }
}
