import { signal } from "@preact/signals";

const said = signal<{ readonly text: string; readonly round: number }>({ text: "", round: 0 });
let timer: ReturnType<typeof setTimeout> | undefined;

/** ms a message is shown. */
const shownMs = 6_000;

/** Says what has happened: on the screen for a while, and to a screen reader. */
export function showToast(text: string): void {
  clearTimeout(timer);
  said.value = { text, round: said.value.round + 1 };
  timer = setTimeout(() => {
    said.value = { text: "", round: said.value.round + 1 };
  }, shownMs);
}

export function Toast() {
  const { text } = said.value;
  return (
    <div class={text ? "said shown" : "said"} role="status">
      {text}
    </div>
  );
}
