import { signal } from "@preact/signals";
import { distance, fullTime } from "../format.ts";

/** The bridge's clock, as far as one knows: this machine's may go wrong. */
let aheadMs = 0;
const tick = signal(Date.now());
setInterval(() => {
  if (!document.hidden) tick.value = Date.now();
}, 1_000);

export function setClock(now: string): void {
  aheadMs = Date.parse(now) - Date.now();
}

export function bridgeNow(): number {
  return tick.value + aheadMs;
}

/** Distance of a time from now. The time itself is shown on hover. */
export function Ago({ at }: { readonly at: string }) {
  const time = Date.parse(at);
  return (
    <time dateTime={at} title={fullTime(time)}>
      {distance(time, Math.max(bridgeNow(), 0))}
    </time>
  );
}
