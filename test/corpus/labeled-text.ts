/** A text, the field that contains it, and its personal data in order, as a human reader would mark it. */
export interface LabeledText {
  readonly text: string;
  readonly field: string;
  readonly found: readonly (readonly [kind: string, text: string])[];
}

/** Removes the marks from a text such as `call «phone:555-0143» now` and returns them as labels. */
export function unmarked(marked: string, field = "note"): LabeledText {
  const found: [string, string][] = [];
  const text = marked.replace(/«([a-z]+):([^»]*)»/gu, (_, kind: string, value: string) => {
    found.push([kind, value]);
    return value;
  });
  return { text, field, found };
}
