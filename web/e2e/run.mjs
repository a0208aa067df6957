/**
 * Runs tests in browsers, several files at a time: `node e2e/run.mjs page` those without the engine,
 * `engine` those with it, nothing for all.
 */

import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

/** Those that take longest come first, so that no core is idle at the end. */
const FILES = [
  'engine-survive',
  'engine-token',
  'engine-meet',
  'engine-firefox',
  'engine-plain',
  'engine-still',
  'engine-page',
  'engine-turn',
  'engine-firefox-local',
  'engine-relay',
  'page',
];
/** Most of the time they wait, for a timer of a browser or of the engine. */
const FILES_PER_CORE = 1;

const wanted = process.argv[2] ?? '';
const folder = dirname(fileURLToPath(import.meta.url));
const files = FILES.filter((name) => name.startsWith(wanted)).map((name) =>
  join(folder, `${name}.test.mjs`),
);
const concurrency = Number(process.env.FILES ?? availableParallelism() * FILES_PER_CORE);
const tests = run({ files, concurrency: Math.max(1, Math.floor(concurrency)) });
tests.on('test:fail', () => {
  process.exitCode = 1;
});
tests.compose(new spec()).pipe(process.stdout);
