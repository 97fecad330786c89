/** The grid of a dashboard: tiles at their places, moved and made larger by pointer or keys while it is changed. */
import { useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from "react";
import type { Tile } from "../api/boards";
import { useWidth } from "../charts/useWidth";
import { t } from "../i18n/t";
import { COLUMNS, inOrder, placed, resized, stepped } from "./layout";

export const ROW = 52;
export const GAP = 12;

interface GridProps {
  tiles: readonly Tile[];
  /** Without it nothing can be moved. */
  onChange?: ((tiles: Tile[]) => void) | undefined;
  name: (tile: Tile) => string;
  children: (tile: Tile, height: number) => ReactNode;
}

interface Drag {
  tile: Tile;
  from: readonly Tile[];
  x: number;
  y: number;
  isSize: boolean;
}

export function Grid({ tiles, onChange, name, children }: GridProps) {
  const [ref, width] = useWidth<HTMLDivElement>(1000);
  const drag = useRef<Drag | null>(null);
  const [held, setHeld] = useState<string | null>(null);
  const [said, setSaid] = useState("");
  const cell = (width - GAP * (COLUMNS - 1)) / COLUMNS + GAP;

  function take(event: PointerEvent<HTMLElement>, tile: Tile, isSize: boolean): void {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    drag.current = { tile, from: tiles, x: event.clientX, y: event.clientY, isSize };
    setHeld(tile.id);
  }
  function pull(event: PointerEvent<HTMLElement>): void {
    const now = drag.current;
    if (!now) return;
    const dx = Math.round((event.clientX - now.x) / cell);
    const dy = Math.round((event.clientY - now.y) / (ROW + GAP));
    onChange?.(now.isSize ? resized(now.from, now.tile.id, dx, dy) : placed(now.from, { ...now.tile, x: now.tile.x + dx, y: now.tile.y + dy }));
  }
  function drop(): void {
    drag.current = null;
    setHeld(null);
  }
  function press(event: KeyboardEvent, tile: Tile, isSize: boolean): void {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = isSize || event.shiftKey ? resized(tiles, tile.id, step[0]!, step[1]!) : stepped(tiles, tile.id, step[0]!, step[1]!);
    const now = next.find((one) => one.id === tile.id)!;
    setSaid(t("grid.said", { name: name(tile), column: now.x + 1, row: now.y + 1, w: now.w, h: now.h }));
    onChange?.(next);
  }
  const handle = (tile: Tile, isSize: boolean) => ({
    type: "button" as const,
    "aria-label": t(isSize ? "grid.resize" : "grid.move", { name: name(tile) }),
    title: t(isSize ? "grid.resize.how" : "grid.move.how"),
    onPointerDown: (event: PointerEvent<HTMLElement>) => take(event, tile, isSize),
    onPointerMove: pull,
    onPointerUp: drop,
    onPointerCancel: drop,
    onKeyDown: (event: KeyboardEvent) => press(event, tile, isSize),
  });
  return (
    <>
      <div ref={ref} className="board" data-editing={onChange ? "" : undefined}>
        {inOrder(tiles).map((tile) => (
          <div key={tile.id} className="tile" data-tile={tile.id} data-held={held === tile.id ? "" : undefined} style={{ gridColumn: `${tile.x + 1} / span ${tile.w}`, gridRow: `${tile.y + 1} / span ${tile.h}` }}>
            {onChange && (
              <button className="tile-move" {...handle(tile, false)}>
                <i aria-hidden="true">⠿</i>
              </button>
            )}
            {children(tile, tile.h * (ROW + GAP) - GAP)}
            {onChange && <button className="tile-size" {...handle(tile, true)} />}
          </div>
        ))}
      </div>
      <p className="sr" aria-live="polite">
        {said}
      </p>
    </>
  );
}
