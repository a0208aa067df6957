/** How people and telephones are shown. */

/** `+31612345678` as `+316 ••••• 78`: enough to be recognised by those who know the number. */
export function maskedNumber(callerId: string): string {
  // The conference masks numbers itself, unless the room says otherwise.
  if (/^\+?[\d*]*\*\d*$/.test(callerId)) return callerId.replace(/\*+/, ' •••• ').trim();
  const digits = callerId.replace(/[^\d+]/g, '');
  if (digits.length < 5) return digits === '' ? 'Telephone' : digits;
  const shown = digits.startsWith('+') ? 4 : 3;
  const head = digits.slice(0, Math.min(shown, digits.length - 4));
  const hidden = digits.length - head.length - 2;
  return `${head} ${'•'.repeat(Math.min(hidden, 6))} ${digits.slice(-2)}`;
}

/** One or two letters for a name, by what a reader sees as a letter. */
export function initials(name: string): string {
  const words = name.match(/[\p{L}\p{N}\p{Extended_Pictographic}][^\s<>]*/gu) ?? [];
  const first = firstLetter(words[0] ?? '');
  const last = words.length > 1 ? firstLetter(words[words.length - 1] ?? '') : '';
  return (first + last).toLocaleUpperCase() || '?';
}

function firstLetter(word: string): string {
  const segments = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(word);
  return segments[Symbol.iterator]().next().value?.segment ?? '';
}

/** One of `count` colours, always the same for an id. */
export function colourOf(id: string, count = 8): number {
  let hash = 0;
  for (const letter of id) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 1_000_003;
  return hash % count;
}

/** Most tiles at once; the others are on further pages. */
export const TILES_MAX = 9;
/** The same on a telephone's screen. */
export const SMALL_TILES_MAX = 6;

/** Cameras give 16:9. In an upright window a little more of the height is used. */
const WIDE = 16 / 9;
const UPRIGHT = 4 / 3;

/** The size of all tiles of a grid, in pixels. */
export interface TileSize {
  width: number;
  height: number;
}

/** The largest tiles of which `count` fit into `width` by `height`. */
export function fitTiles(count: number, width: number, height: number, gap = 12): TileSize {
  const ratio = width < height ? UPRIGHT : WIDE;
  let best = 0;
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(count / columns);
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = ((height - gap * (rows - 1)) / rows) * ratio;
    best = Math.max(best, Math.min(byWidth, byHeight));
  }
  // Rounded down, so that a row holds as many as it was reckoned with.
  return { width: Math.floor(best), height: Math.floor(best / ratio) };
}

/** The part of `all` that page `wanted` of `size` each shows; there is always a first page. */
export function pageOf<T>(all: readonly T[], wanted: number, size: number) {
  const pages = Math.max(1, Math.ceil(all.length / size));
  const page = Math.min(Math.max(0, wanted), pages - 1);
  return { shown: all.slice(page * size, (page + 1) * size), page, pages };
}
