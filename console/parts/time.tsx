import { signal } from "@preact/signals";
import { formatRelative, fullTime } from "../format.ts";

/** Difference between the bridge's clock and this machine's, which may be wrong. ms */
let clockOffsetMs = 0;
const tick = signal(Date.now());
setInterval(() => {
  if (!document.hidden) tick.value = Date.now();
}, 1_000);

/** Sets the bridge's clock from a time in its response. */
export function setClock(now: string): void {
  clockOffsetMs = Date.parse(now) - Date.now();
}

/** Returns the bridge's current time, in ms. A component that calls it is rendered again every second. */
export function bridgeNow(): number {
  return tick.value + clockOffsetMs;
}

/** A time relative to now. The full time is shown on hover. */
export function Ago({ at }: { readonly at: string }) {
  const time = Date.parse(at);
  return (
    <time dateTime={at} title={fullTime(time)}>
      {formatRelative(time, Math.max(bridgeNow(), 0))}
    </time>
  );
}
