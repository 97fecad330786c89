/** Follows what the server accepts and refuses, as it says it (server-sent events), and goes on after a break. */
import { useEffect, useRef, useState } from "react";
import { call } from "./client";

export interface SeenEvent {
  name: string;
  id: string;
  /** Microseconds since 1970. */
  time: number;
  kind?: string;
  user_id?: string;
  anonymous_id?: string;
  account?: string;
  host?: string;
  path?: string;
  browser?: string;
  /** How it is known to be a robot's. */
  bot?: "user_agent" | "declared";
  /** There where the client's clock was not believed as it was. */
  time_rule?: "repaired" | "clamped" | "received";
  flags?: string[];
}
export interface SeenFailure {
  code: string;
  message: string;
  name?: string;
  id?: string;
  path?: string;
  fix?: string;
  is_quarantined?: boolean;
}
/** Items of which nothing may be kept but their count. */
export interface SeenDrop {
  code: string;
  items: number;
  message: string;
  fix?: string;
}
/** What one request brought. */
export interface Seen {
  number: number;
  received_at: number;
  protocol: string;
  source: string;
  counts: Record<string, number>;
  accepted?: SeenEvent[];
  failed?: SeenFailure[];
  dropped?: SeenDrop[];
}

export type Line = { key: string; received_at: number; protocol: string; source: string } & (
  | { event: SeenEvent; failure?: undefined; drop?: undefined }
  | { failure: SeenFailure; event?: undefined; drop?: undefined }
  | { drop: SeenDrop; event?: undefined; failure?: undefined }
);

const KEPT = 200;
/** Most lines of one look; there are two looks a second. */
export const AT_ONCE = 10;
const AGAIN_MS = 2_000;

export interface LiveState {
  lines: Line[];
  connected: boolean;
  lost: boolean;
  lastMinute: number;
  /** The first event that counts, also where more came than can be shown. */
  first: Line | null;
  /** How many came at the last look, where that was more than can be shown; else 0. */
  flood: number;
}

/** Return what came since the page was opened, newest first; follows only while `on` and in sight. */
export function useLive(on: boolean): LiveState {
  const [state, setState] = useState<LiveState>({ lines: [], connected: false, lost: false, lastMinute: 0, first: null, flood: 0 });
  const waiting = useRef<Line[]>([]);
  const arrivals = useRef<{ at: number; count: number }[]>([]);
  const last = useRef<string | null>(null);
  useEffect(() => {
    if (!on) return;
    const stop = new AbortController();
    void follow(stop.signal, last, (seen) => {
      const lines = linesOf(seen);
      waiting.current.unshift(...lines.reverse());
      const counted = lines.findLast((one) => one.event && !one.event.bot);
      if (counted) setState((before) => (before.first ? before : { ...before, first: counted }));
      arrivals.current.push({ at: Date.now(), count: ["accepted", "failed", "dropped", "refused"].reduce((sum, one) => sum + (seen.counts[one] ?? 0), 0) });
    }, (connected) => setState((before) => ({ ...before, connected, lost: !connected })));
    // Drawn twice a second, however much arrives: nobody reads faster, and a flood must not stop the page.
    const timer = setInterval(() => {
      const now = Date.now();
      arrivals.current = arrivals.current.filter((one) => now - one.at < 60_000);
      const lastMinute = arrivals.current.reduce((sum, one) => sum + one.count, 0);
      const came = waiting.current.splice(0);
      const fresh = came.slice(0, AT_ONCE);
      const flood = came.length > AT_ONCE ? came.length : 0;
      setState((before) => (came.length === 0 && before.lastMinute === lastMinute && before.flood === 0 ? before : { ...before, lastMinute, flood, lines: [...fresh, ...before.lines].slice(0, KEPT) }));
    }, 500);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [on]);
  return state;
}

async function follow(signal: AbortSignal, last: { current: string | null }, onSeen: (seen: Seen) => void, onConnected: (connected: boolean) => void): Promise<void> {
  while (!signal.aborted) {
    try {
      const answer = await call("/live", { signal, headers: { Accept: "text/event-stream", ...(last.current ? { "Last-Event-ID": last.current } : {}) } });
      onConnected(true);
      await read(answer.body!.pipeThrough(new TextDecoderStream()).getReader(), (id, data) => {
        last.current = id || last.current;
        if (data) onSeen(JSON.parse(data) as Seen);
      });
    } catch {
      // Whatever broke it, the answer is to try again.
    }
    if (signal.aborted) return;
    onConnected(false);
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}

async function read(reader: ReadableStreamDefaultReader<string>, onFrame: (id: string, data: string) => void): Promise<void> {
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const frames = text.split("\n\n");
    text = frames.pop() ?? "";
    for (const frame of frames) {
      const field = (name: string) => frame.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      // The first frame has a place and nothing that happened: from there on nothing is missed.
      onFrame(field("id") ?? "", field("data") ?? "");
    }
  }
}

function linesOf(seen: Seen): Line[] {
  const common = { received_at: seen.received_at, protocol: seen.protocol, source: seen.source };
  return [
    ...(seen.accepted ?? []).map((event, at) => ({ ...common, key: `${seen.number}:${at}`, event })),
    ...(seen.failed ?? []).map((failure, at) => ({ ...common, key: `${seen.number}:f${at}`, failure })),
    ...(seen.dropped ?? []).map((drop, at) => ({ ...common, key: `${seen.number}:d${at}`, drop })),
  ];
}
