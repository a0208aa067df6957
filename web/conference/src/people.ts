/** How people and telephones are shown. */

/** `+31612345678` as `+316 ••••• 78`: enough to be recognised by those who know the number. */
export function maskedNumber(callerId: string): string {
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

/**
 * Columns of a grid of `count` tiles in `width` by `height` that leaves most room for a face in
 * each.
 */
export function bestColumns(count: number, width: number, height: number, gap = 12): number {
  let best = 1;
  let bestWidth = 0;
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(count / columns);
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = ((height - gap * (rows - 1)) / rows) * (4 / 3);
    const tile = Math.min(byWidth, byHeight);
    if (tile > bestWidth + 0.5) [best, bestWidth] = [columns, tile];
  }
  return best;
}
