import { signal } from "@preact/signals";
import { goTo, route } from "./route.ts";

export const isHelpOpen = signal(false);

/** Screens to which `g` and a letter go. */
export const screenKeys = {
  o: ["overview", "Overview"],
  p: ["packets", "Packets"],
  b: ["bulk", "Bulk"],
  s: ["sheets", "Sheets"],
  j: ["jobs", "Jobs"],
  l: ["ledger", "Ledger"],
  e: ["events", "Events"],
} as const;

/** Longest time between `g` and the letter. ms */
const chordMs = 1_200;

/** Listens for the page's keyboard shortcuts. They are ignored in text fields and while a dialog is open. */
export function handleKeys(): void {
  let pressedGAt = Number.NEGATIVE_INFINITY;
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || isDialogOpen()) return;
    const command = commandFor(event.key, event.timeStamp - pressedGAt < chordMs);
    pressedGAt = event.key === "g" ? event.timeStamp : Number.NEGATIVE_INFINITY;
    if (!command) return;
    event.preventDefault();
    command();
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target instanceof HTMLElement && isTyping(event.target)) event.target.blur();
  });
}

function commandFor(key: string, afterG: boolean): (() => void) | undefined {
  if (afterG && Object.hasOwn(screenKeys, key)) return () => goTo(screenKeys[key as keyof typeof screenKeys][0]);
  switch (key) {
    case "/":
      return focusFilter();
    case "j":
      return () => moveFocus(1);
    case "k":
      return () => moveFocus(-1);
    case "?":
      return () => {
        isHelpOpen.value = true;
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

/** Moves the focus by one row. Rows are links, so Enter opens the focused one. */
function moveFocus(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const current = rows.indexOf(document.activeElement as HTMLElement);
  const next = current < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, current + step));
  rows[next]?.focus();
  rows[next]?.scrollIntoView({ block: "nearest" });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox],[type=radio]), textarea, select");
}

function isDialogOpen(): boolean {
  return document.querySelector("dialog[open]") !== null;
}
