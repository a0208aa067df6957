import { describe, expect, test } from 'vitest';
import { type CallEnd, CONNECTION, Connection, type ConnectionAction } from '../src/connection.js';

const HOUR = 3_600_000;
const FAULT: CallEnd = { cause: 'fault', code: 0, word: '', text: '', retryAfterMs: 0 };
const PASSING = { isPassing: true, retryAfterMs: 0, text: '' };

type Step = (connection: Connection, now: number) => ConnectionAction[];

const lineUp: Step = (it) => it.lineUp();
const lineDown: Step = (it, now) => it.lineDown(now, 'network');
const restart: Step = (it, now) => it.lineDown(now, 'restart');
const refused: Step = (it, now) => it.lineRefused(now, 'who?');
const failed =
  (attempts: number): Step =>
  (it, now) =>
    it.attemptFailed(now, attempts);
const answers: Step = (it) => it.serverAnswered();
const same: Step = (it, now) => it.admitted(now, true, HOUR);
const other: Step = (it, now) => it.admitted(now, false, HOUR);
const notNow: Step = (it, now) => it.notAdmitted(now, PASSING);
const never: Step = (it, now) => it.notAdmitted(now, { ...PASSING, isPassing: false, text: 'no' });
const callUp: Step = (it, now) => it.callUp(now);
const silent: Step = (it, now) => it.media(now, false);
const heard: Step = (it, now) => it.media(now, true);
const ends =
  (change: Partial<CallEnd>): Step =>
  (it, now) =>
    it.callEnded(now, { ...FAULT, ...change });
const tick: Step = (it, now) => it.tick(now);
const leave: Step = (it) => it.leave('left');

/** What an action is, in a word or a few. */
function words(action: ConnectionAction): string {
  if (action.kind === 'end') return `end ${action.reason} ${action.text}`.trim();
  return action.kind === 'reconnecting' ? `reconnecting ${action.cause}` : action.kind;
}

type Row = [atMs: number, step: Step, wanted: string[]];

function check(rows: readonly Row[]): void {
  const connection = new Connection(0, HOUR, () => 1);
  rows.forEach(([now, step, wanted], index) => {
    const actions = step(connection, now).map(words);
    expect(actions, `row ${index + 1}, at ${now} ms`).toEqual(wanted);
  });
}

const IN: Row[] = [
  [0, lineUp, ['place-call']],
  [500, callUp, ['connected']],
];
const GONE = ['drop-call'];

describe('a call with the conference', () => {
  test.each<[string, Row[]]>([
    ['is placed when the line is up, and only once', [...IN, [600, callUp, []]]],
    [
      'goes on by itself when the line is lost and comes back',
      [
        ...IN,
        [20_000, lineDown, ['reconnecting network']],
        [21_000, lineDown, []],
        [40_000, lineUp, ['resume-call']],
        [40_200, callUp, ['reconnected']],
      ],
    ],
    [
      'is back when its media are, but not before its line',
      [
        ...IN,
        [20_000, silent, ['reconnecting network']],
        [21_000, lineDown, []],
        [22_000, heard, []],
        [23_000, lineUp, ['resume-call']],
        [23_100, heard, ['reconnected']],
      ],
    ],
    [
      'that the server has forgotten meanwhile is placed again',
      [
        ...IN,
        [20_000, lineDown, ['reconnecting network']],
        [25_000, lineUp, ['resume-call']],
        [25_100, ends({}), []],
        [25_200, tick, []],
        [25_600, tick, ['place-call']],
        [26_000, callUp, ['reconnected']],
      ],
    ],
    [
      'that ends while the line is down waits for the line',
      [
        ...IN,
        [20_000, lineDown, ['reconnecting network']],
        [20_100, ends({}), []],
        [21_000, tick, []],
        [30_000, lineUp, ['place-call']],
      ],
    ],
    [
      'that the server hangs up is over',
      [...IN, [9_000, ends({ cause: 'decision', text: 'bye' }), [...GONE, 'end ended bye']]],
    ],
    [
      'that another one took is over, and says so',
      [
        ...IN,
        [
          9_000,
          ends({ cause: 'decision', word: 'replaced', text: 'gone' }),
          [...GONE, 'end replaced gone'],
        ],
      ],
    ],
    [
      'that ends because the server restarts is placed when it is back',
      [
        ...IN,
        [20_000, ends({ cause: 'restart' }), ['reconnecting restart']],
        [20_100, restart, []],
        [20_500, tick, []],
        [24_000, lineUp, ['place-call']],
        [24_500, callUp, ['reconnected']],
      ],
    ],
    [
      'whose line closes because the server restarts says so',
      [...IN, [20_000, restart, ['reconnecting restart']]],
    ],
    [
      'is placed again after waits that grow when it fails at once each time',
      [
        ...IN,
        [1_000, ends({}), ['reconnecting network']],
        [1_500, tick, ['place-call']],
        [1_600, callUp, ['reconnected']],
        [1_700, ends({}), ['reconnecting network']],
        [2_600, tick, []],
        [2_700, tick, ['place-call']],
        [2_800, callUp, ['reconnected']],
        [20_000, ends({}), ['reconnecting network']],
        [20_500, tick, ['place-call']],
      ],
    ],
    [
      'that is refused for a moment waits as long as it is told',
      [
        [0, lineUp, ['place-call']],
        [100, ends({ code: 503, retryAfterMs: 3_000 }), []],
        [3_000, tick, []],
        [3_100, tick, ['place-call']],
        [3_200, ends({ code: 503, retryAfterMs: 3_600_000 }), []],
        [3_200 + CONNECTION.retryAfterMaxMs, tick, ['place-call']],
      ],
    ],
    [
      'that is refused for good is over',
      [
        [0, lineUp, ['place-call']],
        [100, ends({ code: 486, text: 'full' }), [...GONE, 'end refused full']],
        [200, lineUp, []],
      ],
    ],
    [
      'is over when we leave, and nothing follows',
      [
        ...IN,
        [9_000, leave, [...GONE, 'end left']],
        [9_000, leave, []],
        [9_100, ends({}), []],
        [9_200, lineUp, []],
        [9_300, lineDown, []],
        [9_400, callUp, []],
        [9_500, same, []],
        [200_000, tick, []],
      ],
    ],
  ])('%s', (_, rows) => check(rows));
});

describe('without a connection', () => {
  test.each<[string, Row[]]>([
    [
      'it is over after a while',
      [
        ...IN,
        [10_000, lineDown, ['reconnecting network']],
        [99_999, tick, []],
        [100_000, tick, [...GONE, 'end unreachable']],
      ],
    ],
    ['it is over when it never began', [[90_000, tick, [...GONE, 'end unreachable']]]],
    [
      'the time in which the machine slept does not count',
      [
        ...IN,
        [10_000, lineDown, ['reconnecting network']],
        [700_000, tick, []],
        [701_000, lineUp, ['resume-call']],
        [701_100, callUp, ['reconnected']],
      ],
    ],
  ])('%s', (_, rows) => check(rows));
});

describe('the token', () => {
  test.each<[string, Row[]]>([
    [
      'is exchanged before it expires, and the call goes on',
      [
        ...IN,
        [HOUR * 0.75 - 1, tick, []],
        [HOUR * 0.75, tick, ['ask-admission']],
        [HOUR * 0.75 + 1, tick, []],
        [HOUR * 0.75 + 100, same, ['renew-line']],
        [HOUR * 1.5 + 99, tick, []],
        [HOUR * 1.5 + 100, tick, ['ask-admission']],
      ],
    ],
    [
      'that cannot be exchanged now is asked for again, and the call goes on',
      [
        ...IN,
        [HOUR * 0.75, tick, ['ask-admission']],
        [HOUR * 0.75 + 100, notNow, []],
        [HOUR * 0.75 + 1_100, tick, ['ask-admission']],
        [HOUR * 0.75 + 1_200, never, []],
        [HOUR * 0.75 + 3_200, tick, ['ask-admission']],
        [HOUR * 0.75 + 3_300, same, ['renew-line']],
      ],
    ],
    [
      'that the server refuses is exchanged, and we are who we were',
      [
        ...IN,
        [20_000, lineDown, ['reconnecting network']],
        [21_000, refused, ['ask-admission']],
        [21_100, same, ['renew-line']],
        [21_200, lineUp, ['resume-call']],
      ],
    ],
    [
      'of somebody whom the server has forgotten makes us somebody else',
      [
        ...IN,
        [20_000, lineDown, ['reconnecting network']],
        [21_000, refused, ['ask-admission']],
        [21_100, other, [...GONE, 'replace-line']],
        [21_200, lineUp, ['place-call']],
      ],
    ],
    [
      'that is refused time after time is a refusal',
      [
        [0, refused, ['ask-admission']],
        [100, same, ['renew-line']],
        [200, refused, ['ask-admission']],
        [300, same, ['renew-line']],
        [400, refused, [...GONE, 'end refused who?']],
      ],
    ],
    [
      'that cannot be exchanged while we are out is a refusal',
      [
        [0, refused, ['ask-admission']],
        [100, never, [...GONE, 'end refused no']],
      ],
    ],
    [
      'is doubted when the server answers and the line does not open',
      [
        [100, failed(1), []],
        [200, failed(2), ['probe-server']],
        [300, answers, ['hurry-line']],
        [400, failed(3), ['ask-admission']],
        [450, failed(4), []],
        [500, notNow, []],
        [600, failed(5), ['probe-server']],
        [1_500, tick, ['ask-admission']],
        [1_600, same, ['renew-line']],
      ],
    ],
    [
      'is trusted for longer after it has worked',
      [
        ...IN,
        [20_000, lineDown, ['reconnecting network']],
        [21_000, failed(5), []],
        [30_000, failed(6), ['probe-server']],
      ],
    ],
  ])('%s', (_, rows) => check(rows));

  test('with a strange clock is not asked for again and again', () => {
    const connection = new Connection(0, -HOUR, () => 1);
    expect(connection.nextAt()).toBe(CONNECTION.refreshMinMs);
  });
});

test('the next time is that of what is due first', () => {
  const connection = new Connection(0, HOUR, () => 1);
  expect(connection.nextAt()).toBe(CONNECTION.giveUpMs);
  connection.lineUp();
  connection.callUp(10);
  expect(connection.nextAt()).toBe(HOUR * 0.75);
  connection.callEnded(20_000, FAULT);
  expect(connection.nextAt()).toBe(20_500);
  connection.leave('left');
  expect(connection.nextAt()).toBeNull();
});
