import type * as z from "zod";
import { type Standing, standing, standingLine } from "../bridge/observability/describe.ts";
import type { eventStory, packetStory, packetSummary } from "../ops/schemas.ts";
import { colored, plural } from "./output.ts";

type Summary = z.output<typeof packetSummary>;
type Story = z.output<typeof packetStory>;

/** Formats a packet as one line: `pkt-… → HELD payroll  (answered 422)`. */
export function lineOf(packet: Summary, now = Date.now()): string {
  return colored(standingLine(standingOf(packet), now), packet.status);
}

function standingOf({ place, reason, nextTryAt, sendingUntil, ...packet }: Summary): Standing {
  return {
    ...packet,
    reason: reason ?? (place === "behind" ? "waiting for the packets ahead of it" : undefined),
    nextTryAt: nextTryAt === undefined ? undefined : Date.parse(nextTryAt),
    sendingUntil: sendingUntil === undefined ? undefined : Date.parse(sendingUntil),
  };
}

/** Formats a packet with its history as lines of text. */
export function storyLines(story: Story): string[] {
  const { id, action, entity, target, connector, eventType, event, sheet, fields, replayOf, replaces, answer } = story;
  const landed = { ...standingOf(story), at: story.delivery?.at };
  const values = fields.map(({ name, value }) => `${name}: ${JSON.stringify(value)}`).join(", ") || "none";
  return [
    `${id} sends ${action === "delete" ? "the deletion of " : ""}${entity} to ${target} (${connector})`,
    `  created from ${eventType} (${event}) by sheet ${sheet}`,
    `  fields  ${story.erasedAt === undefined ? values : "erased at the end of the retention time"}`,
    ...(replayOf ? [`  replay of ${replayOf}`] : []),
    ...(replaces ? [`  replaces ${replaces}`] : []),
    "",
    ...story.story.map(stepLine),
    "",
    `now ${colored(standing(landed, Date.now()), story.status)}`,
    ...(answer ? [`the target answered: ${answer}`] : []),
  ];
}

/** Formats an event with its history as lines of text. */
export function eventLines(event: z.output<typeof eventStory>): string[] {
  const { id, type, source, eventId, packets, duplicates, raw, erasedAt, story } = event;
  if (erasedAt !== undefined) {
    const what = `${id} was ${type ?? "a message that is not an event"}; its data was erased at the end of the retention time`;
    return [what, "", ...story.map(stepLine)];
  }
  const head =
    type === undefined
      ? [`${id} is a message that is not an event`, `  it begins  ${raw ?? ""}`]
      : [
          `${id} is ${type} from ${source}, id ${eventId}`,
          `  it created ${plural(packets, "packet")}${duplicates > 0 ? ` and was received ${plural(duplicates, "more time")}` : ""}`,
        ];
  return [...head, "", ...story.map(stepLine)];
}

function stepLine({ at, step, sentence }: Story["story"][number]): string {
  return `  ${at.replace("T", " ").slice(0, 23)}  ${step.padEnd(10)}  ${sentence}`;
}
