import { describe, expect, test } from 'vitest';
import { MESH, Mesh, type MeshAction } from '../src/mesh.js';

const call = (peer: string): MeshAction => ({ kind: 'call', peer });
const hangUp = (peer: string): MeshAction => ({ kind: 'hang-up', peer });
const failure = (peer: string, caller: string, callee: string): MeshAction => ({
  kind: 'report-failure',
  peer,
  caller,
  callee,
});

describe('placing calls', () => {
  test('the higher id calls the lower ones and waits for the higher ones', () => {
    expect(new Mesh('m').roster(0, ['a', 'm', 'z'])).toEqual([call('a')]);
  });

  test('of every pair exactly one side calls', () => {
    const ids = ['anna', 'bob', 'Bob', 'carl', 'b'];
    const pairs = ids.flatMap((self) =>
      new Mesh(self).roster(0, ids).map(({ peer }) => [self, peer].sort().join(' ')),
    );
    expect(pairs).toHaveLength((ids.length * (ids.length - 1)) / 2);
    expect(new Set(pairs).size).toBe(pairs.length);
  });

  test('a repeated roster places no second call', () => {
    const mesh = new Mesh('z');
    mesh.roster(0, ['a', 'z']);
    expect(mesh.roster(10, ['a', 'z'])).toEqual([]);
    mesh.connected(20, 'a');
    expect(mesh.roster(30, ['z', 'a'])).toEqual([]);
  });

  test('who leaves the roster is hung up', () => {
    const mesh = new Mesh('z');
    mesh.roster(0, ['a', 'b', 'z']);
    mesh.connected(5, 'a');
    expect(mesh.roster(10, ['b', 'z'])).toEqual([hangUp('a')]);
    expect(mesh.link('a')).toBe('connecting');
  });

  test('who comes back is called again', () => {
    const mesh = new Mesh('z');
    mesh.roster(0, ['a']);
    mesh.roster(1, []);
    expect(mesh.roster(2, ['a'])).toEqual([call('a')]);
  });

  test('a call that is not taken is placed again, ever more slowly', () => {
    const mesh = new Mesh('z');
    mesh.roster(0, ['a']);
    const waits: number[] = [];
    let now = 0;
    for (let attempt = 0; attempt < 8; attempt += 1) {
      mesh.ended(now, 'a');
      const next = mesh.nextAt() ?? Number.NaN;
      waits.push(next - now);
      expect(mesh.tick(next - 1)).toEqual([]);
      expect(mesh.tick(next)).toEqual([call('a')]);
      now = next;
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  });
});

describe('calls that arrive', () => {
  test('are accepted, also before the roster tells of the caller', () => {
    const mesh = new Mesh('a');
    expect(mesh.incoming(0, 'z')).toEqual({ accept: true, actions: [] });
    expect(mesh.roster(1, ['a', 'z'])).toEqual([]);
    mesh.connected(2, 'z');
    expect(mesh.link('z')).toBe('direct');
  });

  test('replace the call of a page that was reloaded', () => {
    const mesh = new Mesh('a');
    mesh.incoming(0, 'z');
    mesh.connected(1, 'z');
    expect(mesh.incoming(2, 'z')).toEqual({ accept: true, actions: [hangUp('z')] });
  });

  test('are refused while ours to the same peer is on its way', () => {
    const mesh = new Mesh('z');
    mesh.roster(0, ['a']);
    expect(mesh.incoming(1, 'a')).toEqual({ accept: false, actions: [] });
  });
});

describe('a call that the server has forgotten', () => {
  test('is placed again by its caller, and goes on for the other until then', () => {
    const [caller, called] = [new Mesh('z'), new Mesh('a')];
    caller.roster(0, ['a']);
    called.roster(0, ['z']);
    called.incoming(5, 'z');
    for (const [mesh, peer] of [[caller, 'a'], [called, 'z']] as const) mesh.connected(10, peer);
    expect(called.detached(20, 'z')).toEqual([]);
    expect(called.link('z')).toBe('direct');
    expect(caller.detached(20, 'a')).toEqual([call('a')]);
    expect(caller.detached(21, 'a')).toEqual([]);
    expect(called.incoming(25, 'z')).toEqual({ accept: true, actions: [hangUp('z')] });
  });
});

describe('ICE that fails', () => {
  test('is reported by the called side, which then waits for the next call', () => {
    const mesh = new Mesh('a');
    mesh.incoming(0, 'z');
    expect(mesh.failed(10, 'z')).toEqual([hangUp('z'), failure('z', 'z', 'a')]);
    expect(mesh.failed(11, 'z')).toEqual([]);
    expect(mesh.incoming(12, 'z').accept).toBe(true);
  });

  test('makes the caller wait for the report of the called side', () => {
    const mesh = new Mesh('z');
    mesh.roster(0, ['a']);
    expect(mesh.failed(10, 'a')).toEqual([]);
    mesh.ended(20, 'a');
    expect(mesh.toldFailed(30, 'a')).toEqual([hangUp('a')]);
    expect(mesh.tick(30 + MESH.retryMs)).toEqual([call('a')]);
  });

  test('is reported by the caller when the called side says nothing', () => {
    const mesh = new Mesh('z');
    mesh.roster(0, ['a']);
    mesh.failed(10, 'a');
    expect(mesh.tick(10 + MESH.doubtMs)).toEqual([hangUp('a'), failure('a', 'z', 'a')]);
    // The conference sends our own report back to us.
    expect(mesh.toldFailed(10 + MESH.doubtMs + 50, 'a')).toEqual([]);
    expect(mesh.tick(10 + MESH.doubtMs + MESH.retryMs)).toEqual([call('a')]);
  });

  test('twice in a row pauses the pair, which is relayed meanwhile', () => {
    const mesh = new Mesh('z');
    mesh.roster(0, ['a']);
    mesh.toldFailed(5_000, 'a');
    expect(mesh.link('a')).toBe('connecting');
    mesh.tick(6_000);
    mesh.toldFailed(15_000, 'a');
    expect(mesh.link('a')).toBe('relayed');
    expect(mesh.tick(15_000 + MESH.pauseMs - 1)).toEqual([]);
    expect(mesh.tick(15_000 + MESH.pauseMs)).toEqual([call('a')]);
  });

  test('and then connects: the conference is told once, and the count starts anew', () => {
    const mesh = new Mesh('z');
    mesh.roster(0, ['a']);
    mesh.toldFailed(0, 'a');
    mesh.toldFailed(10_000, 'a');
    mesh.tick(40_000);
    expect(mesh.connected(41_000, 'a')).toEqual([
      { kind: 'report-success', peer: 'a', caller: 'z', callee: 'a' },
    ]);
    expect(mesh.connected(42_000, 'a')).toEqual([]);
    mesh.toldFailed(50_000, 'a');
    expect(mesh.link('a')).toBe('connecting');
  });

  test('of a call that never connects is a failure after a while', () => {
    const mesh = new Mesh('a');
    mesh.incoming(0, 'z');
    expect(mesh.tick(MESH.tryMs)).toEqual([hangUp('z'), failure('z', 'z', 'a')]);
  });

  test('of a call that never comes is reported, and rarer in a pause', () => {
    const mesh = new Mesh('a');
    mesh.roster(0, ['a', 'z']);
    const reports: number[] = [];
    for (let now = 0; now <= 100_000; now += 500) {
      if (mesh.tick(now).length > 0) reports.push(now);
    }
    expect(reports).toEqual([12_000, 24_000, 66_000]);
  });

  test('told by a peer who is to call us changes nothing', () => {
    const mesh = new Mesh('a');
    mesh.incoming(0, 'z');
    expect(mesh.toldFailed(1, 'z')).toEqual([]);
    expect(mesh.toldFailed(1, 'nobody')).toEqual([]);
  });
});

describe('while we are away', () => {
  test('nothing is placed, reported or counted, and back again all is tried at once', () => {
    const mesh = new Mesh('m');
    mesh.roster(0, ['a', 'b', 'z']);
    mesh.connected(10, 'a');
    mesh.incoming(20, 'z');
    mesh.connected(30, 'z');
    mesh.away();
    // Of a call that is up, of one that is up as the called side, and of one on its way.
    for (const peer of ['a', 'z', 'b']) expect(mesh.failed(1_000, peer)).toEqual([]);
    expect(mesh.toldFailed(8_000, 'a')).toEqual([]);
    expect(mesh.nextAt()).toBeNull();
    expect(mesh.tick(60_000)).toEqual([]);
    expect(mesh.back(61_000)).toEqual([hangUp('a'), hangUp('b'), hangUp('z'), call('a'), call('b')]);
    expect(['a', 'b', 'z'].map((peer) => mesh.link(peer))).toEqual(Array(3).fill('connecting'));
    expect(mesh.nextAt()).toBe(61_000 + MESH.expectMs);
    expect(mesh.back(61_001)).toEqual([]);
  });

  test('a call that goes on is left alone', () => {
    const mesh = new Mesh('m');
    mesh.roster(0, ['a', 'b']);
    mesh.connected(10, 'a');
    mesh.away();
    expect(mesh.back(5_000)).toEqual([]);
    expect(mesh.link('a')).toBe('direct');
    expect(mesh.connected(6_000, 'b')).toEqual([]);
  });

  test('a pair that paused before is tried too', () => {
    const mesh = new Mesh('m');
    mesh.roster(0, ['a']);
    mesh.toldFailed(100, 'a');
    mesh.tick(100 + MESH.retryMs);
    mesh.toldFailed(10_000, 'a');
    mesh.away();
    expect(mesh.back(12_000)).toEqual([call('a')]);
    expect(mesh.link('a')).toBe('relayed');
  });

  test('who calls us is answered all the same', () => {
    const mesh = new Mesh('m');
    mesh.roster(0, ['z']);
    mesh.away();
    expect(mesh.incoming(5, 'z').accept).toBe(true);
  });
});

test('two machines over any order of failures keep at most one call and come together', () => {
  // A small world: what one side does reaches the other, and ICE works from a certain time on.
  for (const worksFrom of [0, 5_000, 33_000, 90_000]) {
    const [a, z] = [new Mesh('a'), new Mesh('z')];
    let connected = false;
    let ringing: number | null = null;
    const run = (now: number, side: 'a' | 'z', actions: MeshAction[]): void => {
      for (const action of actions) {
        if (action.kind === 'call') {
          expect(side).toBe('z');
          expect(ringing).toBeNull();
          ringing = now;
          run(now, 'a', a.incoming(now, 'z').actions);
        } else if (action.kind === 'hang-up') {
          ringing = null;
          connected = false;
          if (side === 'a') run(now, 'z', z.ended(now, 'a'));
          else run(now, 'a', a.ended(now, 'z'));
        } else if (action.kind === 'report-failure') {
          run(now, 'z', z.toldFailed(now, 'a'));
        }
      }
    };
    run(0, 'z', z.roster(0, ['a', 'z']));
    run(0, 'a', a.roster(0, ['a', 'z']));
    for (let now = 0; now < 140_000 && !connected; now += 100) {
      if (ringing !== null && now - ringing > 1_000) {
        if (now >= worksFrom) {
          connected = true;
          run(now, 'a', a.connected(now, 'z'));
          run(now, 'z', z.connected(now, 'a'));
          break;
        }
        run(now, 'z', z.failed(now, 'a'));
        run(now, 'a', a.failed(now, 'z'));
      }
      run(now, 'z', z.tick(now));
      run(now, 'a', a.tick(now));
    }
    expect(connected).toBe(true);
    expect([a.link('z'), z.link('a')]).toEqual(['direct', 'direct']);
  }
});
