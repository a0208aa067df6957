/**
 * Who calls whom, browser to browser: a pure machine from facts and times to actions.
 *
 * Of each pair the participant with the higher caller id calls the lower one. The called side
 * reports a call whose ICE failed, or that never came, to the conference, which tells the caller;
 * the caller tries again. A caller that sees the failure first leaves the called side a moment for
 * its report, so that one failure is one report. After two failures in a row the pair pauses, and
 * the conference relays its sound. While we ourselves are away nothing is placed, reported or
 * counted: that a call fails then says nothing about the pair. Back again, all is tried at once.
 *
 *             roster                 placed               ICE connected
 *   (unknown) ──────▶ idle (due) ──▶ trying ────────────▶ up
 *                      ▲   caller      │ ICE failed,       │ ICE failed
 *                      │               │ too slow          │
 *                      └── report ◀── doubt (caller) ◀─────┘
 */

import type { Link } from './types.js';

export type MeshAction =
  | { kind: 'call'; peer: string }
  | { kind: 'hang-up'; peer: string }
  | { kind: 'report-failure'; peer: string; caller: string; callee: string }
  | { kind: 'report-success'; peer: string; caller: string; callee: string };

export const MESH = {
  /** A call that has no ICE connection by then has failed. */
  tryMs: 20_000,
  /** How long the called side waits for a call that does not come. */
  expectMs: 12_000,
  /** How long a caller that sees a failure waits for the other side's report. */
  doubtMs: 2_000,
  /** Before a call that the other side did not take is placed again; doubles up to `pauseMs`. */
  retryMs: 1_000,
  /** No attempts for that long after `failuresMax` failures in a row. */
  pauseMs: 30_000,
  failuresMax: 2,
  /** A second word about a failure within this time is about the same failure. */
  sameFailureMs: 4_000,
} as const;

interface Pair {
  phase: 'idle' | 'trying' | 'up' | 'doubt';
  failures: number;
  /** Calls in a row that were not taken. */
  setbacks: number;
  failedAt: number;
  dueAt: number | null;
}

export class Mesh {
  readonly #self: string;
  readonly #pairs = new Map<string, Pair>();
  #isAway = false;

  constructor(self: string) {
    this.#self = self;
  }

  /** Everybody in the conference; our own id among them is ignored. */
  roster(now: number, ids: readonly string[]): MeshAction[] {
    const actions: MeshAction[] = [];
    for (const [id, pair] of this.#pairs) {
      if (ids.includes(id)) continue;
      this.#pairs.delete(id);
      if (pair.phase !== 'idle') actions.push({ kind: 'hang-up', peer: id });
    }
    for (const id of ids) {
      if (id !== this.#self && !this.#pairs.has(id)) this.#add(now, id);
    }
    return [...actions, ...this.tick(now)];
  }

  /** A call from `peer` arrived. `accept` false: ours to them is on its way already. */
  incoming(now: number, peer: string): { accept: boolean; actions: MeshAction[] } {
    const pair = this.#pairs.get(peer) ?? this.#add(now, peer);
    if (this.#isCaller(peer) && pair.phase === 'trying') return { accept: false, actions: [] };
    // A call on top of one that is up comes from a page that was reloaded.
    const actions: MeshAction[] = pair.phase === 'idle' ? [] : [{ kind: 'hang-up', peer }];
    this.#trying(pair, now);
    return { accept: true, actions };
  }

  /** ICE of the call with `peer` is connected. */
  connected(now: number, peer: string): MeshAction[] {
    const pair = this.#pairs.get(peer);
    if (pair === undefined) return [];
    const wasFailing = pair.failures > 0;
    Object.assign(pair, { phase: 'up', failures: 0, setbacks: 0, dueAt: null });
    if (!wasFailing || !this.#isCaller(peer)) return this.tick(now);
    const success: MeshAction = { kind: 'report-success', peer, ...this.#roles(peer) };
    return [success, ...this.tick(now)];
  }

  /** ICE of the call with `peer` failed. */
  failed(now: number, peer: string): MeshAction[] {
    const pair = this.#pairs.get(peer);
    if (pair === undefined || pair.phase === 'idle' || pair.phase === 'doubt') return [];
    if (!this.#isCaller(peer) && !this.#isAway) return this.#fail(now, peer, pair, true);
    pair.phase = 'doubt';
    pair.dueAt = now + MESH.doubtMs;
    return [];
  }

  /** The call with `peer` ended: refused, hung up by the other side, or lost. */
  ended(now: number, peer: string): MeshAction[] {
    const pair = this.#pairs.get(peer);
    if (pair === undefined || pair.phase === 'idle') return [];
    // In doubt it is the called side that hangs up, and its report will follow.
    if (pair.phase !== 'doubt') {
      const wait = Math.min(MESH.pauseMs, MESH.retryMs * 2 ** Math.min(pair.setbacks, 10));
      pair.dueAt = now + (this.#isCaller(peer) ? wait : MESH.expectMs);
      pair.setbacks += 1;
      pair.phase = 'idle';
    }
    return [];
  }

  /**
   * The server has forgotten the call with `peer`, as after a restart. The caller places another;
   * until that is connected, the media of the old one go on on the called side.
   */
  detached(now: number, peer: string): MeshAction[] {
    const pair = this.#pairs.get(peer);
    if (pair?.phase !== 'up' || !this.#isCaller(peer)) return [];
    this.#trying(pair, now);
    return [{ kind: 'call', peer }];
  }

  /** We have lost the conference. */
  away(): void {
    this.#isAway = true;
  }

  /** We are in the conference again. */
  back(now: number): MeshAction[] {
    if (!this.#isAway) return [];
    this.#isAway = false;
    const actions: MeshAction[] = [];
    for (const [peer, pair] of this.#pairs) {
      const isOverdue = pair.dueAt !== null && pair.dueAt <= now;
      if (pair.phase === 'up' || (pair.phase === 'trying' && !isOverdue)) continue;
      if (pair.phase !== 'idle') actions.push({ kind: 'hang-up', peer });
      pair.phase = 'idle';
      pair.setbacks = 0;
      pair.dueAt = this.#isCaller(peer) ? now : now + MESH.expectMs;
    }
    return [...actions, ...this.tick(now)];
  }

  /** The conference says that `peer` could not connect the call that we placed. */
  toldFailed(now: number, peer: string): MeshAction[] {
    const pair = this.#pairs.get(peer);
    if (pair === undefined || !this.#isCaller(peer) || this.#isAway) return [];
    // Our own report comes back to us as the caller.
    if (now - pair.failedAt < MESH.sameFailureMs) return [];
    return [...this.#fail(now, peer, pair, false), ...this.tick(now)];
  }

  /** What is due. */
  tick(now: number): MeshAction[] {
    const actions: MeshAction[] = [];
    if (this.#isAway) return actions;
    for (const [peer, pair] of this.#pairs) {
      if (pair.dueAt === null || pair.dueAt > now) continue;
      if (pair.phase === 'idle' && this.#isCaller(peer)) {
        this.#trying(pair, now);
        actions.push({ kind: 'call', peer });
      } else if (pair.phase === 'trying' && this.#isCaller(peer)) {
        pair.phase = 'doubt';
        pair.dueAt = now + MESH.doubtMs;
      } else {
        actions.push(...this.#fail(now, peer, pair, true));
      }
    }
    return actions;
  }

  /** When `tick` has something to do next; null for never. */
  nextAt(): number | null {
    let next: number | null = null;
    if (this.#isAway) return next;
    for (const { dueAt } of this.#pairs.values()) {
      if (dueAt !== null && (next === null || dueAt < next)) next = dueAt;
    }
    return next;
  }

  link(peer: string): Link {
    const pair = this.#pairs.get(peer);
    if (pair?.phase === 'up') return 'direct';
    return (pair?.failures ?? 0) >= MESH.failuresMax ? 'relayed' : 'connecting';
  }

  /** Gives up all calls and starts anew, after the identity changed or the conference was lost. */
  clear(): MeshAction[] {
    return this.roster(0, []);
  }

  #isCaller(peer: string): boolean {
    return this.#self > peer;
  }

  #roles(peer: string): { caller: string; callee: string } {
    return this.#isCaller(peer)
      ? { caller: this.#self, callee: peer }
      : { caller: peer, callee: this.#self };
  }

  #add(now: number, peer: string): Pair {
    const dueAt = this.#isCaller(peer) ? now : now + MESH.expectMs;
    const failedAt = Number.NEGATIVE_INFINITY;
    const pair: Pair = { phase: 'idle', failures: 0, setbacks: 0, failedAt, dueAt };
    this.#pairs.set(peer, pair);
    return pair;
  }

  #trying(pair: Pair, now: number): void {
    pair.phase = 'trying';
    pair.dueAt = now + MESH.tryMs;
  }

  #fail(now: number, peer: string, pair: Pair, report: boolean): MeshAction[] {
    const actions: MeshAction[] = [];
    if (pair.phase !== 'idle') actions.push({ kind: 'hang-up', peer });
    if (report) actions.push({ kind: 'report-failure', peer, ...this.#roles(peer) });
    pair.failures += 1;
    pair.failedAt = now;
    pair.phase = 'idle';
    const pause = pair.failures >= MESH.failuresMax ? MESH.pauseMs : 0;
    const wait = this.#isCaller(peer) ? MESH.retryMs : MESH.expectMs;
    pair.dueAt = now + Math.max(wait, pause + (this.#isCaller(peer) ? 0 : wait));
    return actions;
  }
}
