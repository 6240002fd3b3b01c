import { describe, expect, it } from "vitest";
import { bannedPhrasesRule } from "../../lint/rules/banned-phrases.ts";
import { commentOpenings } from "../../lint/rules/comment-openings.ts";
import { offenders } from "./offenders.ts";

describe("comment openings", () => {
  it.each([
    "What a batch is about.",
    "How long an answer may take. ms",
    "So many packets a second at most.",
    "As many as fit into a call.",
    "Whether the target is awake.",
    "Where its lanes wait.",
    "Which element of the roster it is about.",
    "Who hears of alarms.",
    "When it was made, RFC 3339.",
    "In which fields, or in how many packets.",
    "Of a roster only this element.",
    "By connector, over the last hour.",
  ])("finds a doc comment without a subject: %s", (text) => {
    const found = offenders(commentOpenings, { "ops/a.ts": `const b = 1;\n\n/**\n * ${text}\n */\nconst a = b;` });

    expect(found).toEqual([expect.stringMatching(/^ops\/a\.ts:4: begins with "/)]);
  });

  it.each([
    "Sends the batch when every lane has finished.",
    "Result of processing one packet.",
    "When the store is lost, the watchdog reads it again.",
    "If not given, the packet keeps its sheet.",
    "With TLS 1.3 the refusal comes after the request.",
    "In a strict lane the oldest packet goes first.",
    "`what` of the command line.",
    "Whatsoever is a word, too.",
  ])("accepts a doc comment with a subject: %s", (text) => {
    expect(offenders(commentOpenings, { "ops/a.ts": `/** ${text} */\nconst a = 1;` })).toEqual([]);
  });

  it("checks the line comment at the head of a file and no other", () => {
    const files = {
      "ops/head.ts": "// What this file is for,\n// in two lines.\nconst a = 1;",
      "ops/line.ts": "const a = 1;\n// What follows is short.\nconst b = a;",
    };

    expect(offenders(commentOpenings, files)).toEqual([
      'ops/head.ts:1: begins with "What": say the subject first: "What this file is for, in two lines."',
    ]);
  });
});

describe("banned phrases", () => {
  it.each([
    "Decides anew.",
    "The time of the packet: should it have landed, it stays.",
    "Computes the draft, were it new.",
    "Keeps the packet. Where a try landed, it is done.",
    "@throws {RangeError} where it is empty",
    "A seal, or nothing if it is none.",
    "The value stands in the file.",
    "Mends a crash.",
    "Tells the operator.",
    "The fault is told in one line.",
    "The endpoint, or the door.",
    "Reads all in one\n * go.",
  ])("finds a banned phrase in a comment: %s", (text) => {
    expect(offenders(bannedPhrasesRule, { "ops/a.ts": `/** ${text} */\nconst a = 1;` })).toHaveLength(1);
  });

  it.each([
    "Says where the file is, and where it was.",
    "A star stands for any text, a stub stands in for the bucket.",
    "Nobody can tell which of the two came first.",
    "The label tells one number from another.",
    "Works until it is told to end.",
    "There is none of them.",
    "Amends and recommends a stand-in.",
    "Calls `tell` anew-ish: `anew`.",
    "The caller should retry. The file should be there.",
  ])("accepts plain English: %s", (text) => {
    expect(offenders(bannedPhrasesRule, { "ops/a.ts": `// ${text.replace(" anew-ish", "")}\nconst a = 1;` })).toEqual(
      [],
    );
  });

  it("reports the line within a long comment", () => {
    const text = "/**\n * First.\n *\n * Decides\n * anew.\n */\nconst a = 1;";

    expect(offenders(bannedPhrasesRule, { "ops/a.ts": text })).toEqual(['ops/a.ts:5: "anew": write again']);
  });

  it("checks test titles, but neither other strings nor code", () => {
    const text = 'it("reads it anew", () => {});\nconst anew = "read anew";\nlog("anew");';

    expect(offenders(bannedPhrasesRule, { "test/a.test.ts": text })).toEqual(['test/a.test.ts:1: "anew": write again']);
  });
});
