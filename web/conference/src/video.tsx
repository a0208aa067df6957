/** A picture without sound; the SDK plays the sound. */

import { useEffect, useRef } from 'preact/hooks';

interface Props {
  stream?: MediaStream | null;
  track?: MediaStreamTrack | null;
  isMirrored?: boolean;
  isWhole?: boolean;
}

/** `isWhole` shows all of the picture instead of filling the tile. */
export function Video({ stream = null, track = null, isMirrored, isWhole }: Props) {
  const ref = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    element.srcObject = track ? new MediaStream([track]) : stream;
    // Without a gesture the browser may hold it back, although it is silent; it then shows a still.
    element.play().catch(() => undefined);
    return () => {
      element.srcObject = null;
    };
  }, [stream, track]);
  return (
    <video
      ref={ref}
      class="picture"
      data-mirrored={isMirrored ?? false}
      data-whole={isWhole ?? false}
      muted
      autoplay
      playsInline
    />
  );
}
