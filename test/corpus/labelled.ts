/** One text, the field it stands in, and the personal data in it, in order: what a reader would mark. */
export interface Labelled {
  readonly text: string;
  readonly field: string;
  readonly found: readonly (readonly [kind: string, text: string])[];
}

/** A text with its marks taken out: `call «phone:555-0143» now`. */
export function unmarked(marked: string, field = "note"): Labelled {
  const found: [string, string][] = [];
  const text = marked.replace(/«([a-z]+):([^»]*)»/gu, (_, kind: string, value: string) => {
    found.push([kind, value]);
    return value;
  });
  return { text, field, found };
}
