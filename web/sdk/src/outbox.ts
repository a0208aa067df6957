/** Texts on their way to the other side, one at a time, so that their order holds. */

/** More waiting texts than this are refused. */
export const OUTBOX_MAX = 64;

export type SendResult = 'ok' | 'refused' | 'lost' | 'gone';

/**
 * Sends one text; `lost` means that nobody answered, `gone` that nobody is there: it may be sent
 * again over another connection. Texts are numbered from 1, and keep their number then.
 */
export type SendText = (text: string, number: number) => Promise<SendResult>;

interface Waiting {
  text: string;
  number: number;
  resolve: () => void;
  reject: (reason: Error) => void;
}

export class Outbox {
  readonly #waiting: Waiting[] = [];
  #send: SendText | null = null;
  #isSending = false;
  #count = 0;
  /** Ends the wait for an answer that a connection before this one owes. */
  #abandon: () => void = () => undefined;

  /** Starts sending by `send`, or pauses with null; what waits is kept. */
  connect(send: SendText | null): void {
    this.#send = send;
    this.#abandon();
    void this.#pump();
  }

  /** Resolves when the other side has taken `text`. */
  push(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= OUTBOX_MAX) {
        reject(new Error('too many messages are waiting'));
        return;
      }
      this.#count += 1;
      this.#waiting.push({ text, number: this.#count, resolve, reject });
      void this.#pump();
    });
  }

  /** Rejects everything that waits. */
  close(): void {
    this.#send = null;
    for (const one of this.#waiting.splice(0)) one.reject(new Error('the conference is over'));
  }

  async #pump(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    for (;;) {
      const send = this.#send;
      const first = this.#waiting[0];
      if (send === null || first === undefined) break;
      const abandoned = new Promise<SendResult>((resolve) => {
        this.#abandon = () => resolve('lost');
      });
      const result = await Promise.race([send(first.text, first.number), abandoned]);
      if (result === 'lost' || result === 'gone') {
        // The text stays the first one for the next connection.
        if (this.#send === send) this.#send = null;
        continue;
      }
      if (this.#waiting[0] === first) this.#waiting.shift();
      if (result === 'ok') first.resolve();
      else first.reject(new Error('the message was refused'));
    }
    this.#isSending = false;
  }
}
