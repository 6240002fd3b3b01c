import { signal } from "@preact/signals";
import { goTo, route } from "./route.ts";

export const helpShown = signal(false);

/** Screens that `g` and a letter open. */
export const places = {
  o: ["overview", "Overview"],
  p: ["packets", "Packets"],
  b: ["bulk", "Bulk"],
  s: ["sheets", "Sheets"],
  j: ["jobs", "Jobs"],
  l: ["ledger", "Ledger"],
  e: ["events", "Events"],
} as const;

/** ms in which the letter follows `g`. */
const chordMs = 1_200;

/** Everything can be done without a mouse; single keys count only where nothing is being typed. */
export function listenToKeys(): void {
  let chord = Number.NEGATIVE_INFINITY;
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || isAsked()) return;
    const act = actOf(event.key, event.timeStamp - chord < chordMs);
    chord = event.key === "g" ? event.timeStamp : Number.NEGATIVE_INFINITY;
    if (!act) return;
    event.preventDefault();
    act();
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target instanceof HTMLElement && isTyping(event.target)) event.target.blur();
  });
}

function actOf(key: string, afterG: boolean): (() => void) | undefined {
  if (afterG && Object.hasOwn(places, key)) return () => goTo(places[key as keyof typeof places][0]);
  switch (key) {
    case "/":
      return focusFilter();
    case "j":
      return () => moveBy(1);
    case "k":
      return () => moveBy(-1);
    case "?":
      return () => {
        helpShown.value = true;
      };
    case "Escape":
      return route.value.id === undefined ? undefined : () => goTo(route.value.screen);
    default:
      return undefined;
  }
}

function focusFilter(): (() => void) | undefined {
  const filter = document.querySelector<HTMLElement>("[data-filter=true]");
  return filter ? () => filter.focus() : () => goTo("packets");
}

/** Rows are links: what has the focus is opened by Enter as any link is. */
function moveBy(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step));
  rows[next]?.focus();
  rows[next]?.scrollIntoView({ block: "nearest" });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox],[type=radio]), textarea, select");
}

function isAsked(): boolean {
  return document.querySelector("dialog[open]") !== null;
}
