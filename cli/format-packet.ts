import type * as z from "zod";
import { type Standing, standing, standingLine } from "../bridge/observability/describe.ts";
import type { eventStory, packetStory, packetSummary } from "../ops/schemas.ts";
import { coloured } from "./output.ts";

type Summary = z.output<typeof packetSummary>;
type Story = z.output<typeof packetStory>;

/** `pkt-… → HELD payroll  (answered 422)` */
export function lineOf(packet: Summary, now = Date.now()): string {
  return coloured(standingLine(standingOf(packet), now), packet.status);
}

function standingOf({ place, reason, nextTryAt, sendingUntil, ...packet }: Summary): Standing {
  return {
    ...packet,
    reason: reason ?? (place === "behind" ? "waits for its turn" : undefined),
    nextTryAt: nextTryAt === undefined ? undefined : Date.parse(nextTryAt),
    sendingUntil: sendingUntil === undefined ? undefined : Date.parse(sendingUntil),
  };
}

/** The story of a packet, as one would tell it. */
export function storyLines(story: Story): string[] {
  const { id, action, entity, target, connector, eventType, event, sheet, fields, replayOf, replaces, answer } = story;
  const landed = { ...standingOf(story), at: story.delivery?.at };
  const values = fields.map(({ name, value }) => `${name}: ${JSON.stringify(value)}`).join(", ") || "none";
  return [
    `${id} carries ${action === "delete" ? "the deletion of " : ""}${entity} to ${target} (${connector})`,
    `  because of ${eventType}, event ${event}, by sheet ${sheet}`,
    `  fields  ${story.erasedAt === undefined ? values : "erased, being old"}`,
    ...(replayOf ? [`  sends ${replayOf} again`] : []),
    ...(replaces ? [`  stands in the place of ${replaces}`] : []),
    "",
    ...story.story.map(stepLine),
    "",
    `now ${coloured(standing(landed, Date.now()), story.status)}`,
    ...(answer ? [`the target answered: ${answer}`] : []),
  ];
}

/** What became of an event. */
export function eventLines(event: z.output<typeof eventStory>): string[] {
  const { id, type, source, eventId, packets, duplicates, raw, erasedAt, story } = event;
  if (erasedAt !== undefined) {
    const what = `${id} was ${type ?? "a message that is no event"}; what it said was erased, being old`;
    return [what, "", ...story.map(stepLine)];
  }
  const head =
    type === undefined
      ? [`${id} is a message that is no event`, `  it begins  ${raw ?? ""}`]
      : [
          `${id} is ${type} from ${source}, id ${eventId}`,
          `  it made ${packets} packet${packets === 1 ? "" : "s"}${duplicates > 0 ? ` and came ${duplicates} more times` : ""}`,
        ];
  return [...head, "", ...story.map(stepLine)];
}

function stepLine({ at, step, sentence }: Story["story"][number]): string {
  return `  ${at.replace("T", " ").slice(0, 23)}  ${step.padEnd(10)}  ${sentence}`;
}
