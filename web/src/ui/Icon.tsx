/** The signs of the pages, drawn as lines of the text's colour; a word always stands beside one, or names it. */
const PATHS = {
  home: "M3 8.5 8 4l5 4.5M4.5 7.5V13h7V7.5",
  explore: "M2.5 13.5h11M3 10.5l3-4 2.5 2.5L13 3.5",
  funnels: "M2.5 3h11l-4 5v5l-3-1.5V8z",
  retention: "M3 3h3v3H3zM6 3h4v3H6zM10 3h3v3h-3zM3 6h3v3.5H3zM6 6h4v3.5H6zM3 9.500h3V13H3z",
  paths: "M2.500 8C6 8 6 3.500 10 3.500h3.500M2.500 8C6 8 6 12.500 10 12.500h3.500M2.500 8h11",
  web: "M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11M2.500 8h11M8 2.500c-3.300 3.500-3.300 7.500 0 11M8 2.500c3.300 3.500 3.300 7.500 0 11",
  people: "M6 7.500a2.200 2.200 0 1 0 0-4.400 2.200 2.200 0 0 0 0 4.400M2 13c0-2.500 1.700-4 4-4s4 1.500 4 4M11 7.300a1.800 1.800 0 1 0-.8-3.400M11.500 9.200c1.600.4 2.500 1.800 2.500 3.800",
  experience: "M4.500 2.500l8 5-3.500 1 2 4-1.600.8-2-4L5 12z",
  distribution: "M2.500 13.500h11M4 13.500V11M6 13.500V8M8 13.500V4M10 13.500V7M12 13.500V10.500",
  lifecycle: "M3 8a5 5 0 0 1 8.600-3.500L13 6M13 3v3h-3M13 8a5 5 0 0 1-8.600 3.500L3 10M3 13v-3h3",
  stickiness: "M3 13V9.500M6.300 13V5M9.700 13V7.500M13 13V3",
  live: "M8 9.200a1.200 1.200 0 1 0 0-2.400 1.200 1.200 0 0 0 0 2.400M5.200 10.800a4 4 0 0 1 0-5.600M10.800 5.200a4 4 0 0 1 0 5.600M3.300 12.700a6.600 6.600 0 0 1 0-9.400M12.700 3.300a6.600 6.600 0 0 1 0 9.400",
  data: "M8 2.500c3 0 5 .8 5 2s-2 2-5 2-5-.8-5-2 2-2 5-2M3 4.500v7c0 1.200 2 2 5 2s5-.8 5-2v-7M3 8c0 1.200 2 2 5 2s5-.8 5-2",
  sql: "M2.500 3.500h11v9h-11zM5 6.500l2 1.500-2 1.500M8.500 10h2.500",
  search: "M7 11.500a4.500 4.500 0 1 0 0-9 4.500 4.500 0 0 0 0 9M10.300 10.300l3.200 3.200",
  more: "M3.500 8h.01M8 8h.01M12.500 8h.01",
  close: "M4 4l8 8M12 4l-8 8",
  plus: "M8 3v10M3 8h10",
  down: "M4 6l4 4 4-4",
  up: "M4 10l4-4 4 4",
  calendar: "M3 4h10v9H3zM3 7h10M5.500 2.500V5M10.500 2.500V5",
  settings: "M2.500 4.500h6M11.500 4.500h2M8.500 3v3M2.500 11.500h2M7.500 11.500h6M4.500 10v3",
  rail: "M2.500 3h11v10h-11zM6 3v10",
  out: "M6.500 3H3v10h3.500M6.500 8H13.500M11 5.500 13.500 8 11 10.500",
  warn: "M8 2.500 14 13H2zM8 6.500v3M8 11.300v.01",
  good: "M3 8.500l3.500 3.500L13 4.500",
  filter: "M2.500 4h11M4.500 8h7M6.500 12h3",
  copy: "M5.500 5.500h7v7h-7zM3.500 10.500v-7h7",
  clock: "M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11M8 5v3.300l2 1.200",
  keyboard: "M2 4.500h12v7H2zM4.500 7h.01M7 7h.01M9.500 7h.01M11.800 7h.01M5 9.300h6",
  keys: "M5 10.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5M7.500 8h6M11 8v2.500M13.500 8v2",
  accounts: "M3 13.500V3.500h6v10M9 7h4v6.500M2 13.500h12M5 6h2M5 8.500h2M5 11h2",
  cohorts: "M6 3.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7M10 5.500a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7",
  boards: "M2.5 3h5v4h-5zM9.500 3h4v6.500h-4zM2.500 9h5v4h-5zM9.500 11.500h4v1.500h-4z",
  docs: "M3.500 2.500h6l3 3v8h-9zM9.500 2.500v3h3M5.500 8h5M5.500 10.500h5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth={name === "more" ? 2.4 : 1.4} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
