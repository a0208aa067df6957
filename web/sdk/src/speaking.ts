/** Who speaks, out of levels: pure decisions with hysteresis, so that nothing flickers. */

const START_LEVEL = 0.35;
const STOP_LEVEL = 0.25;
/** A speaker keeps the word through pauses of this length. */
const HOLD_MS = 1_200;
/** Another one must be louder by this much (7 dB) to take the word from somebody who speaks. */
const TAKE_OVER = 0.15;

/** Root mean square of samples from -1 to 1, on a scale where speech lies between 0.1 and 1. */
export function levelOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  if (rms <= 0.001) return 0;
  // -60 dB is 0 and -12 dB is 1.
  return Math.min(1, Math.max(0, (20 * Math.log10(rms) + 60) / 48));
}

/** The one who has the word. */
export class ActiveSpeaker {
  #id: string | null = null;
  #heardAt = 0;

  /** `levels` by id. Returns true when the speaker changed. */
  update(now: number, levels: ReadonlyMap<string, number>): boolean {
    let loudest: string | null = null;
    let level = START_LEVEL;
    for (const [id, value] of levels) {
      if (value > level) [loudest, level] = [id, value];
    }
    const current = this.#id === null ? 0 : (levels.get(this.#id) ?? 0);
    if (current > STOP_LEVEL) this.#heardAt = now;
    const isOver = this.#id === null || !levels.has(this.#id) || now - this.#heardAt > HOLD_MS;
    const before = this.#id;
    if (isOver) this.#id = loudest;
    else if (loudest !== null && level > current + TAKE_OVER) this.#id = loudest;
    if (this.#id !== before) this.#heardAt = now;
    return this.#id !== before;
  }

  get id(): string | null {
    return this.#id;
  }
}
