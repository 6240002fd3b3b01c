import { useState } from "preact/hooks";
import { Icon } from "./icon.tsx";
import { showToast } from "./toast.tsx";

/** Text with a button that copies it, even if a shortened form is shown. */
export function CopyableText({
  text,
  name,
  short,
}: {
  readonly text: string;
  /** Name of the text for messages, such as `packet ID`. */
  readonly name: string;
  /** Shortened form to show instead of the text. */
  readonly short?: string;
}) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      showToast("The browser blocked copying. Select the text and copy it yourself.");
      return;
    }
    showToast(`Copied the ${name}.`);
    setCopied(true);
    setTimeout(() => setCopied(false), 1_500);
  };
  return (
    <span class="copied">
      <code title={text}>{short ?? text}</code>
      <button type="button" class="icon-button" aria-label={`Copy the ${name}`} onClick={copy}>
        <Icon name={isCopied ? "check" : "copy"} />
      </button>
    </span>
  );
}
