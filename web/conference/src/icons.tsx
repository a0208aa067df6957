/** Line icons, drawn on 24 by 24. They are decoration: what they mean is said in text. */

const PATHS = {
  mic: 'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3ZM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21',
  micOff:
    'M15 9.5V6a3 3 0 0 0-5.8-1.1M9 9.5V11a3 3 0 0 0 4.5 2.6M5.5 11a6.5 6.5 0 0 0 10 5.5M18.5 11a6.5 6.5 0 0 1-.7 2.9M12 17.5V21M4 3l16 18',
  camera:
    'M4.5 6.5h9a1.5 1.5 0 0 1 1.5 1.5v8a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16V8a1.5 1.5 0 0 1 1.5-1.5ZM15 10.5l6-3v9l-6-3',
  cameraOff:
    'M9.5 6.5h4A1.5 1.5 0 0 1 15 8v4M15 13.5l6 3v-9l-4.5 2.25M14.5 17.2a1.5 1.5 0 0 1-1 .3h-9A1.5 1.5 0 0 1 3 16V8a1.5 1.5 0 0 1 1.5-1.5H5M4 3l16 18',
  screen:
    'M4.5 4.5h15A1.5 1.5 0 0 1 21 6v9a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 15V6a1.5 1.5 0 0 1 1.5-1.5ZM8.5 20h7M12 13.5V8M9.5 10.2 12 7.7l2.5 2.5',
  chat: 'M5 4.5h14A1.5 1.5 0 0 1 20.5 6v9.5A1.5 1.5 0 0 1 19 17h-7l-5 3.5V17H5a1.5 1.5 0 0 1-1.5-1.5V6A1.5 1.5 0 0 1 5 4.5ZM8 9h8M8 12.5h5',
  invite:
    'M10 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM3.5 20a6.5 6.5 0 0 1 11-4.7M18 14v6M15 17h6',
  settings:
    'M4 7h9M17 7h3M4 17h3M11 17h9M15 9.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4ZM9 19.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4Z',
  leave:
    'M3 13.5c0-2 4-4 9-4s9 2 9 4v1.7a1 1 0 0 1-1.3 1l-3-.9a1 1 0 0 1-.7-1v-1.6a13 13 0 0 0-8 0v1.6a1 1 0 0 1-.7 1l-3 .9a1 1 0 0 1-1.3-1Z',
  phone:
    'M6.5 3.5h3l1.5 4.5-2 1.5a11 11 0 0 0 5.5 5.5l1.5-2 4.5 1.5v3a2 2 0 0 1-2.2 2A16.5 16.5 0 0 1 4.5 5.7a2 2 0 0 1 2-2.2Z',
  copy: 'M9.5 8.5h9A1.5 1.5 0 0 1 20 10v9a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 8 19v-9a1.5 1.5 0 0 1 1.5-1.5ZM16 5.5A1.5 1.5 0 0 0 14.5 4h-9A1.5 1.5 0 0 0 4 5.5v9A1.5 1.5 0 0 0 5.5 16',
  check: 'm5 12.5 4.5 4.5L19 7.5',
  back: 'm15 5-7 7 7 7',
  next: 'm9 5 7 7-7 7',
  close: 'm6 6 12 12M18 6 6 18',
  send: 'M4 12 20 4.5 14.5 20l-3-6.5ZM11.5 13.5 20 4.5',
  alert: 'M12 4 2.8 19.5h18.4ZM12 10v4.5M12 17.2v.1',
  sound: 'M4 9.5v5h3.5L12 18V6L7.5 9.5ZM15.5 9a4 4 0 0 1 0 6M18 6.5a7.5 7.5 0 0 1 0 11',
  pin: 'M9 4h6l-.7 6.5L17 13v1.5H7V13l2.7-2.5ZM12 14.5V20',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 22 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width={size} height={size} aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The mark beside the name of the program. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="9" />
      <path d="M6.5 18v-4M11 22V10M16 20v-8M21 24V8M25.5 18v-4" />
    </svg>
  );
}
