import { signal } from "@preact/signals";

const toast = signal<{ readonly text: string; readonly round: number }>({ text: "", round: 0 });
let timer: ReturnType<typeof setTimeout> | undefined;

/** Time for which a message is shown. ms */
const shownMs = 6_000;

/** Shows a message for a few seconds and announces it to screen readers. */
export function showToast(text: string): void {
  clearTimeout(timer);
  toast.value = { text, round: toast.value.round + 1 };
  timer = setTimeout(() => {
    toast.value = { text: "", round: toast.value.round + 1 };
  }, shownMs);
}

/** Area in which the latest message is shown. */
export function Toast() {
  const { text } = toast.value;
  return (
    <div class={text ? "toast shown" : "toast"} role="status">
      {text}
    </div>
  );
}
