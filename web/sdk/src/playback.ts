/** Plays streams through hidden audio elements, on one loudspeaker. */

export class Playback {
  readonly #elements = new Map<string, HTMLAudioElement>();
  readonly #onBlocked: (blocked: boolean) => void;
  #speaker = '';
  #isBlocked = false;

  constructor(speaker: string, onBlocked: (blocked: boolean) => void) {
    this.#speaker = speaker;
    this.#onBlocked = onBlocked;
  }

  /** `deviceId` of the loudspeaker; empty for the browser's own choice. */
  get speaker(): string {
    return this.#speaker;
  }

  /** Plays `stream` as `key`, instead of what had that key; null stops it. */
  play(key: string, stream: MediaStream | null): void {
    const old = this.#elements.get(key);
    if (stream === null) {
      if (old) old.srcObject = null;
      this.#elements.delete(key);
      return;
    }
    const element = old ?? new Audio();
    this.#elements.set(key, element);
    if (element.srcObject !== stream) element.srcObject = stream;
    if (this.#speaker && !old) void this.#direct(element).catch(() => undefined);
    void this.#start(element);
  }

  /** After a click of the user: plays what the browser held back. */
  async resume(): Promise<void> {
    this.#isBlocked = false;
    await Promise.all([...this.#elements.values()].map((element) => this.#start(element)));
    if (!this.#isBlocked) this.#onBlocked(false);
  }

  /** Throws when the browser cannot, or does not know the device. */
  async setSpeaker(deviceId: string): Promise<void> {
    this.#speaker = deviceId;
    await Promise.all([...this.#elements.values()].map((element) => this.#direct(element)));
  }

  close(): void {
    for (const key of [...this.#elements.keys()]) this.play(key, null);
  }

  async #start(element: HTMLAudioElement): Promise<void> {
    try {
      await element.play();
    } catch (fault) {
      if (!(fault instanceof Error) || fault.name !== 'NotAllowedError') return;
      this.#isBlocked = true;
      this.#onBlocked(true);
    }
  }

  async #direct(element: HTMLAudioElement): Promise<void> {
    const capable = element as { setSinkId?: (id: string) => Promise<void> };
    if (capable.setSinkId) await capable.setSinkId.call(element, this.#speaker);
    else throw new DOMException('this browser has one loudspeaker', 'NotSupportedError');
  }
}
