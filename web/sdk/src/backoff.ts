/** How long to wait before the next attempt: doubling, bounded, spread by chance. */

export interface BackoffLimits {
  firstMs: number;
  longestMs: number;
}

export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #random: () => number;
  #attempts = 0;

  constructor(limits: BackoffLimits, random: () => number = Math.random) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Attempts since the last `reset`. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Milliseconds to wait now: between half of the step and all of it. */
  next(): number {
    const { firstMs, longestMs } = this.#limits;
    const step = Math.min(longestMs, firstMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts += 1;
    return Math.round(step * (0.5 + this.#random() / 2));
  }

  reset(): void {
    this.#attempts = 0;
  }
}
