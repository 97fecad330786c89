/** An answer as a file: its table as CSV, its chart as SVG or PNG. */
import type { Table } from "../api/types";

/** Return a table as CSV (RFC 4180). A cell that a spreadsheet would take for a formula gets an apostrophe. */
export function csv(table: Table): string {
  const cell = (value: unknown): string => {
    const text = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [table.columns, ...table.rows].map((row) => (row as unknown[]).map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Return a chart as a picture that stands by itself: with its title, its colours and a ground. */
export function picture(chart: SVGSVGElement, title: string): string {
  const style = getComputedStyle(document.documentElement);
  const width = chart.width.baseVal.value;
  const height = chart.height.baseVal.value;
  const within = (chart.cloneNode(true) as SVGSVGElement).innerHTML;
  const named = new Option(title).innerHTML;
  const text = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height + 34}" font-family="system-ui, sans-serif"><title>${named}</title><rect width="100%" height="100%" fill="var(--surface)"/><text x="12" y="22" font-size="14" font-weight="600" fill="var(--text)">${named}</text><g transform="translate(0 34)">${within}</g></svg>`;
  return text.replace(/var\((--[\w-]+)\)/g, (_, name: string) => style.getPropertyValue(name).trim() || "currentColor");
}

export async function png(svg: string): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth * 2;
  canvas.height = image.naturalHeight * 2;
  const context = canvas.getContext("2d")!;
  context.scale(2, 2);
  context.drawImage(image, 0, 0);
  return new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("no picture"))), "image/png"));
}

export function download(name: string, content: string | Blob, type = "text/plain"): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: `${type};charset=utf-8` }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
