const paths = {
  check: "M3.5 8.5l3 3 6-7",
  clock: "M8 4.5V8l2.3 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0z",
  again: "M13.5 3.5v3.2h-3.2M13 6.6A5.3 5.3 0 1 0 13.2 9",
  hand: "M5.2 2.3h5.6l2.9 2.9v5.6l-2.9 2.9H5.2l-2.9-2.9V5.2zM8 5v3.6M8 10.9v.1",
  same: "M3.5 6h9M3.5 10h9",
  newer: "M3 8h9M8.5 4.5L12 8l-3.5 3.5M14 3.5v9",
  cross: "M4.2 4.2l7.6 7.6M11.8 4.2l-7.6 7.6",
  down: "M8 3v9.5M4 8.6l4 4 4-4",
  pause: "M5.6 3.8v8.4M10.4 3.8v8.4",
  play: "M5 3.4l7 4.6-7 4.6z",
  warn: "M8 2.4l6.2 11H1.8zM8 6.6v3.2M8 11.7v.1",
  copy: "M5.8 5.8h7.4v7.4H5.8zM10.2 5.8v-3h-7.4v7.4h3",
  overview: "M2.5 2.5h4.6v6H2.5zM8.9 2.5h4.6v3.4H8.9zM8.9 7.7h4.6v5.8H8.9zM2.5 10.3h4.6v3.2H2.5z",
  packet: "M8 1.8l5.6 3v6.4L8 14.2l-5.6-3V4.8zM2.6 4.9L8 7.9l5.4-3M8 7.9v6",
  bulk: "M2.5 5.8L8 3l5.5 2.8L8 8.6zM2.5 8.4L8 11.2l5.5-2.8M2.5 11L8 13.8l5.5-2.8",
  sheet: "M3.5 1.8h6l3 3v9.4h-9zM9.3 1.8v3.2h3.2M5.7 8h4.6M5.7 10.8h4.6",
  job: "M2.5 4h11M2.5 8h7.5M2.5 12h4.5M12 9.3v4.4M9.8 11.5h4.4",
  ledger:
    "M3.5 2.2h7.6a1.4 1.4 0 0 1 1.4 1.4v10.2H4.9a1.4 1.4 0 0 1-1.4-1.4zM3.5 11.8a1.4 1.4 0 0 1 1.4-1.4h7.6M6.2 5.2h3.6",
  event: "M8.9 1.8L3.5 9h4l-.6 5.2L12.5 7h-4z",
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9",
  moon: "M13.2 9.6A5.7 5.7 0 0 1 6.4 2.8a5.7 5.7 0 1 0 6.8 6.8z",
  auto: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  help: "M5.9 6.1A2.2 2.2 0 1 1 8 8.9v.9M8 11.9v.1M14.2 8A6.2 6.2 0 1 1 1.8 8a6.2 6.2 0 0 1 12.4 0z",
  arrow: "M3 8h9.5M9 4.5L12.5 8 9 11.5",
  back: "M13 8H3.5M7 4.5L3.5 8 7 11.5",
  probe: "M2 8h2.6l1.8-4.5L9.4 12.5 11.2 8H14",
} as const;

export type IconName = keyof typeof paths;

/** A decorative icon beside text. It is hidden from screen readers. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
