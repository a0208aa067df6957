/** Which messages have arrived: a sender whose answer is lost sends again. */

/** Ids beyond this number are forgotten, the oldest first. */
export const SEEN_MAX = 512;

export class Seen {
  readonly #keys = new Set<string>();

  /** Whether the message comes for the first time; one without an id always does. */
  isNew(from: string, id: string | null): boolean {
    if (id === null) return true;
    const key = `${from} ${id}`;
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    const [oldest] = this.#keys;
    if (this.#keys.size > SEEN_MAX && oldest !== undefined) this.#keys.delete(oldest);
    return true;
  }
}
