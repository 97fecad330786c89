/** Where tiles stand: a grid of twelve columns without gaps above a tile, and never two at one place. */

export const COLUMNS = 12;
export const MOST_ROWS = 40;

export interface Box {
  id: string;
  x: number;
  y: number;
  w: number;
  h: number;
}

/** Return the tiles with one of them put elsewhere or made larger; those in its way go below it. */
export function placed<T extends Box>(tiles: readonly T[], moved: Box): T[] {
  const box = fitted(moved);
  const others = settled(tiles.filter((one) => one.id !== box.id));
  const mine = tiles.filter((one) => one.id === box.id).map((one) => ({ ...one, ...box, id: one.id }));
  const found: T[] = [...mine];
  for (const one of others) {
    let y = one.y;
    while (found.some((other) => meet(other, { ...one, y }))) y++;
    found.push({ ...one, y });
  }
  return settled(found, box.id);
}

/** Return the tiles with one moved a step by a key: on, until something is different, or not at all. */
export function stepped<T extends Box>(tiles: readonly T[], id: string, dx: number, dy: number): T[] {
  const one = tiles.find((tile) => tile.id === id);
  if (!one) return [...tiles];
  const before = shape(tiles);
  for (let far = 1; far <= 2 * MOST_ROWS; far++) {
    const next = placed(tiles, { ...one, x: one.x + dx * far, y: one.y + dy * far });
    if (shape(next) !== before) return next;
    if (dx !== 0 || one.y + dy * far < 0) break;
  }
  return [...tiles];
}

/** Return the tiles with one made wider or higher by so many cells. */
export function resized<T extends Box>(tiles: readonly T[], id: string, dw: number, dh: number): T[] {
  const one = tiles.find((tile) => tile.id === id);
  if (!one) return [...tiles];
  return placed(tiles, { ...one, w: Math.min(one.w + dw, COLUMNS - one.x), h: one.h + dh });
}

/** Return a free place for one more tile: below all others. */
export function below(tiles: readonly Box[], w: number, h: number): Omit<Box, "id"> {
  return { x: 0, y: Math.max(0, ...tiles.map((one) => one.y + one.h)), w, h };
}

/** Return a name that no tile has. */
export function freshId(tiles: readonly { id: string }[]): string {
  let number = tiles.length + 1;
  while (tiles.some((one) => one.id === `t${number}`)) number++;
  return `t${number}`;
}

/** Tiles as they are read: from above, and from the side where lines begin. */
export function inOrder<T extends Box>(tiles: readonly T[]): T[] {
  return [...tiles].sort((a, b) => a.y - b.y || a.x - b.x || (a.id < b.id ? -1 : 1));
}

function settled<T extends Box>(tiles: readonly T[], first?: string): T[] {
  const found: T[] = [];
  const order = [...tiles].sort((a, b) => a.y - b.y || Number(b.id === first) - Number(a.id === first) || a.x - b.x || (a.id < b.id ? -1 : 1));
  for (const one of order) {
    let y = one.y;
    while (found.some((other) => meet(other, { ...one, y }))) y++;
    while (y > 0 && !found.some((other) => meet(other, { ...one, y: y - 1 }))) y--;
    found.push({ ...one, y });
  }
  return inOrder(found);
}

function fitted(box: Box): Box {
  const w = Math.min(COLUMNS, Math.max(1, box.w));
  return { id: box.id, w, h: Math.min(MOST_ROWS, Math.max(1, box.h)), x: Math.min(COLUMNS - w, Math.max(0, box.x)), y: Math.max(0, box.y) };
}

function meet(a: Box, b: Box): boolean {
  return a.id !== b.id && a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

function shape(tiles: readonly Box[]): string {
  return JSON.stringify(inOrder(tiles).map(({ id, x, y, w, h }) => [id, x, y, w, h]));
}
