/**
 * The other web participants: who they are, and the direct calls with them, as the mesh decides.
 */

import { headerLine, type Session } from './jssip.js';
import type { Line } from './line.js';
import type { LocalMedia } from './media.js';
import { Mesh, type MeshAction } from './mesh.js';
import { type RosterPeer, writeIceConnected, writeIceFailed } from './messages.js';
import { PeerCall } from './peer-call.js';
import { compareIds } from './roster.js';
import type { Peer } from './types.js';

/** Direct calls at a time; more would melt the machine long before. */
const CALLS_MAX = 32;

export interface PeersHooks {
  onJoined: (peer: Peer) => void;
  onLeft: (peer: Peer) => void;
  onChanged: (peer: Peer) => void;
  onStream: (peer: Peer, stream: MediaStream | null) => void;
  /** JSON for the conference. */
  send: (json: string) => void;
}

type MutablePeer = { -readonly [K in keyof Peer]: Peer[K] };

export class Peers {
  readonly #self: RosterPeer;
  readonly #line: Line;
  readonly #media: LocalMedia;
  readonly #hooks: PeersHooks;
  readonly #mesh: Mesh;
  readonly #peers = new Map<string, MutablePeer>();
  readonly #calls = new Map<string, PeerCall>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(self: RosterPeer, line: Line, media: LocalMedia, hooks: PeersHooks) {
    this.#self = self;
    this.#line = line;
    this.#media = media;
    this.#hooks = hooks;
    this.#mesh = new Mesh(self.id);
  }

  get list(): Peer[] {
    return [...this.#peers.values()];
  }

  /** The membership as the conference tells it, ourselves included. */
  setRoster(roster: readonly RosterPeer[]): void {
    const others = roster.filter(({ id }) => id !== this.#self.id);
    const ids = others.map(({ id }) => id);
    const { left } = compareIds(this.#peers.keys(), ids);
    const actions = this.#mesh.roster(performance.now(), ids);
    for (const { id, displayName } of others) this.#put(id, displayName);
    this.#run(actions);
    for (const id of left) {
      const peer = this.#peers.get(id);
      this.#peers.delete(id);
      if (peer) this.#hooks.onLeft({ ...peer });
    }
  }

  /** Somebody calls us directly. */
  handleIncoming(session: Session, from: string): void {
    const isFull = this.#calls.size >= CALLS_MAX && !this.#calls.has(from);
    if (from === '' || from === this.#self.id || isFull) {
      session.terminate({ status_code: 486 });
      return;
    }
    const { accept, actions } = this.#mesh.incoming(performance.now(), from);
    this.#run(actions);
    if (!accept) {
      session.terminate({ status_code: 486 });
      return;
    }
    const call = this.#newCall(from);
    call.attach(session, 'received');
    this.#line.answer(session);
    this.#refresh(from);
  }

  /** The conference passes on that `peer` could not connect. */
  handleToldFailed(peer: string): void {
    this.#run(this.#mesh.toldFailed(performance.now(), peer));
  }

  /** What we send has changed. */
  announce(): void {
    for (const call of this.#calls.values()) call.announce();
  }

  /** We have lost the conference. */
  away(): void {
    this.#mesh.away();
  }

  /** We are in the conference again. */
  back(): void {
    this.#run(this.#mesh.back(performance.now()));
  }

  /** The WebSocket is back. */
  resume(): void {
    for (const call of this.#calls.values()) call.resume();
  }

  /** Hangs up on everybody; nobody is told to the hooks. */
  close(): void {
    this.#run(this.#mesh.clear());
    clearTimeout(this.#timer);
    this.#peers.clear();
  }

  #put(id: string, displayName: string): void {
    const known = this.#peers.get(id);
    if (known === undefined) {
      const link = this.#mesh.link(id);
      // A call can be faster than the roster that announces the caller.
      const stream = this.#calls.get(id)?.stream ?? null;
      const peer: MutablePeer = { id, displayName, link, stream, sends: null };
      this.#peers.set(id, peer);
      this.#hooks.onJoined({ ...peer });
    } else if (known.displayName !== displayName) {
      known.displayName = displayName;
      this.#hooks.onChanged({ ...known });
    }
  }

  #run(actions: MeshAction[]): void {
    for (const action of actions) this.#act(action);
    for (const id of this.#peers.keys()) this.#refresh(id);
    clearTimeout(this.#timer);
    const nextAt = this.#mesh.nextAt();
    if (nextAt === null) return;
    const wait = Math.max(0, nextAt - performance.now());
    this.#timer = setTimeout(() => this.#run(this.#mesh.tick(performance.now())), wait);
  }

  #act(action: MeshAction): void {
    switch (action.kind) {
      case 'call':
        this.#place(action.peer);
        break;
      case 'hang-up':
        this.#drop(action.peer);
        break;
      case 'report-failure': {
        const { caller, callee } = action;
        this.#hooks.send(writeIceFailed(caller, callee, this.#self.displayName));
        break;
      }
      case 'report-success':
        this.#hooks.send(writeIceConnected(action.caller, action.callee));
        break;
    }
  }

  #place(peer: string): void {
    const call = this.#newCall(peer);
    const name = headerLine('X-DisplayName', this.#self.displayName);
    call.attach(this.#line.call(peer, ['X-DirectCall: true', name]), 'placed');
  }

  #newCall(id: string): PeerCall {
    const fact = (report: (now: number) => MeshAction[]) => () => {
      if (this.#calls.get(id) === call) this.#run(report(performance.now()));
    };
    const call: PeerCall = new PeerCall(this.#media, {
      onConnected: fact((now) => this.#mesh.connected(now, id)),
      onIceFailed: fact((now) => this.#mesh.failed(now, id)),
      onDetached: fact((now) => this.#mesh.detached(now, id)),
      onEnded: fact((now) => {
        this.#forget(id);
        return this.#mesh.ended(now, id);
      }),
      onStream: (stream) => this.#setStream(id, call, stream),
      onSends: (sends) => {
        const peer = this.#peers.get(id);
        if (!peer || this.#calls.get(id) !== call) return;
        peer.sends = sends;
        this.#hooks.onChanged({ ...peer });
      },
    });
    this.#drop(id);
    this.#calls.set(id, call);
    this.#shareUplink();
    return call;
  }

  #setStream(id: string, call: PeerCall, stream: MediaStream | null): void {
    const peer = this.#peers.get(id);
    if (!peer || this.#calls.get(id) !== call) return;
    peer.stream = stream;
    this.#hooks.onStream({ ...peer }, stream);
  }

  #drop(id: string): void {
    const call = this.#calls.get(id);
    this.#forget(id);
    call?.hangUp();
  }

  #forget(id: string): void {
    if (!this.#calls.delete(id)) return;
    this.#shareUplink();
    const peer = this.#peers.get(id);
    if (!peer || peer.stream === null) return;
    peer.stream = null;
    peer.sends = null;
    this.#hooks.onStream({ ...peer }, null);
  }

  #shareUplink(): void {
    for (const call of this.#calls.values()) call.setPeers(this.#calls.size);
  }

  #refresh(id: string): void {
    const peer = this.#peers.get(id);
    const link = this.#mesh.link(id);
    if (!peer || peer.link === link) return;
    peer.link = link;
    this.#hooks.onChanged({ ...peer });
  }
}
