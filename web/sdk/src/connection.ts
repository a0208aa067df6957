/**
 * Whether we are in the conference, and how we come back into it: a pure machine from facts and
 * times to actions.
 *
 *   fact                            what follows
 *   ------------------------------  -----------------------------------------------------------
 *   the line is up, no call         a call with the conference is placed
 *   the line is up, a call          the first request inside the call goes out at once: it moves
 *                                   the call to this line, or learns that the server has ended it
 *   the server ends the call        over, except when it restarts or something failed
 *   the call ends by anything else  another call, after a wait that grows
 *   a refusal that will stay        over
 *   the line's login is refused     a new token for the old one, `refusalsMax` times
 *   the line does not open          we ask whether the server answers; if so, a new token
 *   the token nears its end         a new token for the old one; the line goes on
 *   not up for `giveUpMs`           over
 *
 * A token that the server gives for an identity that it no longer knows is somebody new: all calls
 * are placed again as that one.
 */

import { Backoff } from './backoff.js';
import type { EndReason, ReconnectCause } from './types.js';

export const CONNECTION = {
  /** Without a connection for that long, it is over. */
  giveUpMs: 90_000,
  /** A timer that is later than this: the machine slept, and the time did not count. */
  lateMs: 5_000,
  /** Failed attempts to connect before we ask whether it is the token that is refused. */
  doubtAfter: { neverConnected: 2, connectedBefore: 6 },
  /** Logins that a server may refuse in a row, before we believe that it means us. */
  refusalsMax: 2,
  /** The part of a token's life after which it is replaced. */
  refreshAfter: 0.75,
  /** No token is replaced sooner, whatever the clocks say. */
  refreshMinMs: 10_000,
  recall: { firstMs: 500, longestMs: 5_000 },
  /** A call that was up for that long shows that calls work: the next wait is the first again. */
  steadyMs: 10_000,
  ask: { firstMs: 1_000, longestMs: 15_000 },
  /** A server that wants us to wait longer is asked sooner all the same. */
  retryAfterMaxMs: 15_000,
} as const;

/** SIP refusals that another attempt will not change. */
const FINAL_CODES = new Set([400, 402, 404, 410, 484, 486, 488, 600, 603, 604, 606]);
/** Reasons that the server gives when it ends a call that worked. */
export const SAID_BY_SERVER: ReadonlySet<string> = new Set<EndReason>(['replaced', 'full']);

/** How a call with the conference ended. */
export interface CallEnd {
  /**
   * `decision`: the conference ended a call that worked. `restart`: the server goes, and comes
   * back. `fault`: anything else, refusals among them.
   */
  cause: 'decision' | 'restart' | 'fault';
  /** SIP status of the refusal; 0 when the call was up and ended, or the network was lost. */
  code: number;
  /** The server's reason for programs; empty when it gave none. */
  word: string;
  /** The same for people. */
  text: string;
  /** How long the server wants us to wait; 0 when it does not say. */
  retryAfterMs: number;
}

/** Why a server gave no token. */
export interface AdmissionFault {
  /** Another attempt may help: the server is away, restarts or is busy. */
  isPassing: boolean;
  retryAfterMs: number;
  text: string;
}

export type ConnectionAction =
  | { kind: 'place-call' }
  | { kind: 'resume-call' }
  | { kind: 'drop-call' }
  /** Ask for a new token in exchange for the old one. */
  | { kind: 'ask-admission' }
  /** Go on with the new token; a line that is down is tried at once. */
  | { kind: 'renew-line' }
  /** Start anew, as who the new token says. */
  | { kind: 'replace-line' }
  /** Ask whether the server answers at all. */
  | { kind: 'probe-server' }
  | { kind: 'hurry-line' }
  | { kind: 'connected' }
  | { kind: 'reconnecting'; cause: ReconnectCause }
  | { kind: 'reconnected' }
  | { kind: 'end'; reason: EndReason; text: string };

export class Connection {
  #phase: 'starting' | 'up' | 'reconnecting' | 'over' = 'starting';
  #isLineUp = false;
  #hasCall = false;
  #hasConnected = false;
  #serverAnswers = false;
  #isAsking = false;
  #refusals = 0;
  #upSince = Number.POSITIVE_INFINITY;
  #giveUpAt: number | null;
  #recallAt: number | null = null;
  #askAt: number | null = null;
  readonly #recall: Backoff;
  readonly #ask: Backoff;

  /** `lifetimeMs` of the token that we start with. */
  constructor(now: number, lifetimeMs: number, random: () => number = Math.random) {
    this.#giveUpAt = now + CONNECTION.giveUpMs;
    this.#recall = new Backoff(CONNECTION.recall, random);
    this.#ask = new Backoff(CONNECTION.ask, random);
    this.#refreshLater(now, lifetimeMs);
  }

  get isOver(): boolean {
    return this.#phase === 'over';
  }

  /** Registered. */
  lineUp(): ConnectionAction[] {
    if (this.isOver) return [];
    this.#isLineUp = true;
    this.#hasConnected = true;
    this.#serverAnswers = false;
    if (this.#hasCall) return [{ kind: 'resume-call' }];
    return this.#place();
  }

  lineDown(now: number, cause: ReconnectCause): ConnectionAction[] {
    if (this.isOver) return [];
    this.#isLineUp = false;
    return this.#lost(now, cause);
  }

  /** The registration was refused. */
  lineRefused(now: number, text: string): ConnectionAction[] {
    if (this.isOver) return [];
    if (this.#refusals >= CONNECTION.refusalsMax) return this.#end('refused', text);
    return [...this.#lost(now, 'network'), ...this.#askNow()];
  }

  /** The line did not open; `attempts` since it was open last. */
  attemptFailed(now: number, attempts: number): ConnectionAction[] {
    const { neverConnected, connectedBefore } = CONNECTION.doubtAfter;
    const patience = this.#hasConnected ? connectedBefore : neverConnected;
    const isPatient = attempts < patience || this.#refusals >= CONNECTION.refusalsMax;
    if (this.isOver || isPatient || this.#isAsking) return [];
    if (!this.#serverAnswers) return [{ kind: 'probe-server' }];
    this.#serverAnswers = false;
    return [...this.#lost(now, 'network'), ...this.#askNow()];
  }

  /** The server answers, although the line did not open. */
  serverAnswered(): ConnectionAction[] {
    if (this.isOver) return [];
    this.#serverAnswers = true;
    return [{ kind: 'hurry-line' }];
  }

  admitted(now: number, isSame: boolean, lifetimeMs: number): ConnectionAction[] {
    this.#isAsking = false;
    if (this.isOver) return [];
    this.#ask.reset();
    this.#refreshLater(now, lifetimeMs);
    if (isSame) return [{ kind: 'renew-line' }];
    this.#hasCall = false;
    this.#isLineUp = false;
    this.#hasConnected = false;
    this.#recallAt = null;
    return [...this.#lost(now, 'network'), { kind: 'drop-call' }, { kind: 'replace-line' }];
  }

  notAdmitted(now: number, fault: AdmissionFault): ConnectionAction[] {
    this.#isAsking = false;
    if (this.isOver) return [];
    if (!fault.isPassing && this.#phase !== 'up') return this.#end('refused', fault.text);
    const wait = Math.min(fault.retryAfterMs, CONNECTION.retryAfterMaxMs);
    this.#askAt = now + Math.max(wait, this.#ask.next());
    return [];
  }

  /** The call is answered, or its media came back. */
  callUp(now: number): ConnectionAction[] {
    if (this.isOver || this.#phase === 'up') return [];
    const isFirst = this.#phase === 'starting';
    this.#phase = 'up';
    this.#upSince = now;
    this.#giveUpAt = null;
    this.#refusals = 0;
    return [{ kind: isFirst ? 'connected' : 'reconnected' }];
  }

  /** The media of the call stopped or came back, while the call goes on. */
  media(now: number, works: boolean): ConnectionAction[] {
    if (!works) return this.#lost(now, 'network');
    return this.#phase === 'reconnecting' && this.#isLineUp ? this.callUp(now) : [];
  }

  callEnded(now: number, end: CallEnd): ConnectionAction[] {
    this.#hasCall = false;
    if (this.isOver) return [];
    if (end.cause === 'decision') {
      const { word, text } = end;
      return this.#end(SAID_BY_SERVER.has(word) ? (word as EndReason) : 'ended', text);
    }
    if (end.code === 401 || end.code === 403) return this.lineRefused(now, end.text);
    if (FINAL_CODES.has(end.code)) return this.#end('refused', end.text);
    if (now - this.#upSince >= CONNECTION.steadyMs) this.#recall.reset();
    this.#upSince = Number.POSITIVE_INFINITY;
    const wait = Math.min(end.retryAfterMs, CONNECTION.retryAfterMaxMs);
    this.#recallAt = now + Math.max(wait, this.#recall.next());
    return this.#lost(now, end.cause === 'restart' ? 'restart' : 'network');
  }

  /** Over by a decision on this side. */
  leave(reason: EndReason): ConnectionAction[] {
    return this.isOver ? [] : this.#end(reason, '');
  }

  /** What is due. */
  tick(now: number): ConnectionAction[] {
    if (this.isOver) return [];
    const actions: ConnectionAction[] = [];
    if (this.#giveUpAt !== null && this.#giveUpAt <= now) {
      if (now - this.#giveUpAt <= CONNECTION.lateMs) return this.#end('unreachable', '');
      this.#giveUpAt = now + CONNECTION.giveUpMs;
    }
    if (this.#recallAt !== null && this.#recallAt <= now) {
      this.#recallAt = null;
      actions.push(...this.#place());
    }
    if (this.#askAt !== null && this.#askAt <= now) {
      this.#askAt = null;
      if (!this.#isAsking) {
        this.#isAsking = true;
        actions.push({ kind: 'ask-admission' });
      }
    }
    return actions;
  }

  /** When `tick` has something to do next; null for never. */
  nextAt(): number | null {
    const times = [this.#giveUpAt, this.#recallAt, this.#askAt].filter((at) => at !== null);
    return this.isOver || times.length === 0 ? null : Math.min(...times);
  }

  #place(): ConnectionAction[] {
    if (this.#hasCall || !this.#isLineUp || this.#recallAt !== null) return [];
    this.#hasCall = true;
    return [{ kind: 'place-call' }];
  }

  #lost(now: number, cause: ReconnectCause): ConnectionAction[] {
    if (this.#phase !== 'up') return [];
    this.#phase = 'reconnecting';
    this.#giveUpAt = now + CONNECTION.giveUpMs;
    return [{ kind: 'reconnecting', cause }];
  }

  /** A refusal: the token may be what is wrong. */
  #askNow(): ConnectionAction[] {
    if (this.#isAsking) return [];
    this.#refusals += 1;
    this.#isAsking = true;
    this.#askAt = null;
    return [{ kind: 'ask-admission' }];
  }

  #refreshLater(now: number, lifetimeMs: number): void {
    const wait = Math.max(CONNECTION.refreshMinMs, lifetimeMs * CONNECTION.refreshAfter);
    this.#askAt = now + wait;
  }

  #end(reason: EndReason, text: string): ConnectionAction[] {
    this.#phase = 'over';
    return [{ kind: 'drop-call' }, { kind: 'end', reason, text }];
  }
}
