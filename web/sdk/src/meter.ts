/** Measures the level of streams by WebAudio. */

import { levelOf } from './speaking.js';

interface Probe {
  source: MediaStreamAudioSourceNode;
  analyser: AnalyserNode;
  samples: Float32Array<ArrayBuffer>;
  trackId: string;
}

export class Meter {
  readonly #context: AudioContext;
  readonly #probes = new Map<string, Probe>();

  constructor(context: AudioContext) {
    this.#context = context;
  }

  /** Measures the sound of `stream` as `key`; without sound, nothing under that key. */
  watch(key: string, stream: MediaStream | null): void {
    const track = stream?.getAudioTracks()[0];
    const old = this.#probes.get(key);
    if (track && old?.trackId === track.id) return;
    old?.source.disconnect();
    this.#probes.delete(key);
    if (!track) return;
    const source = this.#context.createMediaStreamSource(new MediaStream([track]));
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 1024;
    source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.#probes.set(key, { source, analyser, samples, trackId: track.id });
  }

  read(): Map<string, number> {
    const levels = new Map<string, number>();
    for (const [key, { analyser, samples }] of this.#probes) {
      analyser.getFloatTimeDomainData(samples);
      levels.set(key, levelOf(samples));
    }
    return levels;
  }

  close(): void {
    for (const key of [...this.#probes.keys()]) this.watch(key, null);
  }
}
