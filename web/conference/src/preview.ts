/** Microphone and camera before the conference: a picture of oneself and a level. */

import { CAMERA, MICROPHONE, levelOf } from '@talkpath/web';

export interface PreviewState {
  microphone: MediaStreamTrack | null;
  camera: MediaStreamTrack | null;
  /** The names of `getUserMedia`'s errors; empty when there was none. */
  microphoneFault: string;
  cameraFault: string;
  isAsking: boolean;
}

export class Preview {
  state: PreviewState = {
    microphone: null,
    camera: null,
    microphoneFault: '',
    cameraFault: '',
    isAsking: true,
  };
  readonly #onChange: () => void;
  #context: AudioContext | null = null;
  #analyser: AnalyserNode | null = null;
  #samples = new Float32Array(1024);
  #isOver = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Asks for both at once, so that the browser asks the user once; then for what is left. */
  async open(wantsCamera: boolean): Promise<void> {
    const media = navigator.mediaDevices as MediaDevices | undefined;
    if (media === undefined) {
      this.#set({ isAsking: false, microphoneFault: 'NotSupportedError' });
      return;
    }
    try {
      const constraints = { audio: MICROPHONE, ...(wantsCamera ? { video: CAMERA } : {}) };
      const stream = await media.getUserMedia(constraints);
      this.#useMicrophone(stream.getAudioTracks()[0] ?? null);
      this.#useCamera(stream.getVideoTracks()[0] ?? null);
    } catch {
      await this.setMicrophone();
      if (wantsCamera) await this.setCamera();
    }
    this.#set({ isAsking: false });
  }

  async setMicrophone(deviceId?: string): Promise<void> {
    try {
      const audio = { ...MICROPHONE, ...exactly(deviceId) };
      const stream = await navigator.mediaDevices.getUserMedia({ audio });
      this.#useMicrophone(stream.getAudioTracks()[0] ?? null);
    } catch (fault) {
      this.#set({ microphoneFault: nameOf(fault) });
    }
  }

  async setCamera(deviceId?: string): Promise<void> {
    try {
      const video = { ...CAMERA, ...exactly(deviceId) };
      const stream = await navigator.mediaDevices.getUserMedia({ video });
      this.#useCamera(stream.getVideoTracks()[0] ?? null);
    } catch (fault) {
      this.#set({ cameraFault: nameOf(fault) });
    }
  }

  stopCamera(): void {
    this.#useCamera(null);
  }

  /** Level of the microphone now, from 0 to 1. */
  level(): number {
    if (this.#analyser === null) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    return levelOf(this.#samples);
  }

  /** Lets go of the tracks without stopping them: the conference goes on with them. */
  handOver(): { microphone: MediaStreamTrack | null; camera: MediaStreamTrack | null } {
    const { microphone, camera } = this.state;
    this.state = { ...this.state, microphone: null, camera: null };
    return { microphone, camera };
  }

  close(): void {
    this.#isOver = true;
    this.state.microphone?.stop();
    this.state.camera?.stop();
    void this.#context?.close();
    this.#context = null;
    this.#analyser = null;
  }

  #useMicrophone(track: MediaStreamTrack | null): void {
    if (this.#isOver) {
      track?.stop();
      return;
    }
    this.state.microphone?.stop();
    this.#set({ microphone: track, microphoneFault: '' });
    if (track === null) return;
    this.#context ??= new AudioContext();
    // Before the first click of the user it may be held back; the meter then starts with the click.
    void this.#context.resume();
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = this.#samples.length;
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(this.#analyser);
  }

  #useCamera(track: MediaStreamTrack | null): void {
    if (this.#isOver) {
      track?.stop();
      return;
    }
    this.state.camera?.stop();
    this.#set({ camera: track, cameraFault: '' });
  }

  #set(change: Partial<PreviewState>): void {
    this.state = { ...this.state, ...change };
    this.#onChange();
  }
}

function exactly(deviceId: string | undefined): MediaTrackConstraints {
  return deviceId ? { deviceId: { exact: deviceId } } : {};
}

function nameOf(fault: unknown): string {
  return fault instanceof Error ? fault.name : 'Error';
}
