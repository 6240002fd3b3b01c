import * as z from "zod";
import { heldAtTarget } from "../bridge/delivery/shadow-store.ts";
import type { Engine } from "../bridge/engine.ts";
import { pinnedSheets } from "../bridge/intake/pinned-sheets.ts";
import { replayPacket } from "../bridge/jobs/replay.ts";
import { statuses } from "../bridge/model/ledger-entry.ts";
import type { PacketRecord } from "../bridge/model/packet-record.ts";
import { discard } from "../bridge/operations/discard.ts";
import { edit, previewEdit } from "../bridge/operations/edit.ts";
import type { Actor } from "../bridge/operations/operator.ts";
import type { OperationResult } from "../bridge/operations/packet-operation.ts";
import type { Stored } from "../bridge/ports/store.ts";
import { isJsonObject, type Json, type JsonObject } from "../bridge/values/json.ts";
import { findPacketsConnector } from "./connectors.ts";
import { endpoint } from "./endpoint.ts";
import { ApiProblem } from "./problem.ts";
import {
  anyJson,
  cursor,
  cursorOut,
  fieldDecision,
  limit,
  packetFilter,
  packetId,
  packetStory,
  packetSummary,
  pageOf,
  reason,
  sheetChoice,
} from "./schemas.ts";
import { stepOf, summaryOf } from "./serialize.ts";

const oneOrMore = <T extends z.ZodType<string>>(item: T) =>
  z.union([item, z.array(item).min(1).max(10)]).transform((items) => [items].flat() as z.output<T>[]);

const params = z.strictObject({ id: packetId });
const etag = z.int().min(1).describe("The packet's etag from when you read it.");
export const doneAnswer = z.object({ kind: z.literal("done"), etag: z.int(), packet: packetSummary });

export const editAnswer = z.discriminatedUnion("kind", [
  doneAnswer,
  z.object({
    kind: z.literal("trial"),
    fields: z.record(z.string(), anyJson),
    changes: z.array(z.object({ field: z.string(), before: anyJson.optional(), after: anyJson.optional() })),
    governance: z.array(fieldDecision),
    held: z.string().optional().describe("Reason why the packet would be held again."),
  }),
]);

const listPackets = endpoint({
  method: "get",
  path: "/api/packets",
  id: "listPackets",
  summary: "Lists packets, newest first by default",
  query: z.strictObject({
    ...packetFilter,
    status: oneOrMore(z.enum(statuses)).optional().describe("Repeat the parameter for several statuses."),
    order: z.enum(["newest", "oldest"]).default("newest"),
    limit,
    after: cursor,
  }),
  answer: pageOf(packetSummary),
  problems: ["missing"],
  async run({ ops: { engine }, query }) {
    const { status, order, connector, after, ...filter } = query;
    const id = connector === undefined ? undefined : await findPacketsConnector(engine, connector);
    if (id instanceof ApiProblem) return id;
    const page = await engine.store.packets({
      ...filter,
      connector: id,
      statuses: status,
      newestFirst: order === "newest",
      ...(after !== undefined && { after }),
    });
    return { items: page.items.map(summaryOf), ...cursorOut(page.next) };
  },
});

const getPacket = endpoint({
  method: "get",
  path: "/api/packets/{id}",
  id: "getPacket",
  summary: "Gets one packet with its fields, its history and the target's response",
  params,
  answer: packetStory,
  problems: ["missing"],
  async run({ ops: { engine }, params: { id } }) {
    const [stored] = await engine.store.read("packet", [id]);
    return stored ? storyOf(engine, stored) : packetMissing();
  },
});

const editPacket = endpoint({
  method: "post",
  path: "/api/packets/{id}/edit",
  id: "editPacket",
  summary: "Replaces a held packet with an edited one, which governance checks before it is sent",
  params,
  body: z.strictObject({
    etag,
    fields: z
      .custom<JsonObject>(isJsonObject, "is not an object")
      .meta({ type: "object", additionalProperties: true })
      .describe("All fields of the new packet. Omitted fields are not sent."),
    reason,
    dryRun: z.boolean().default(false).describe("True to return a preview and change nothing."),
  }),
  answer: editAnswer,
  problems: ["missing", "moved", "refused"],
  async run({ ops: { engine }, params: { id }, body, actor }) {
    const request = { id, etag: body.etag, fields: body.fields };
    if (!body.dryRun) return answerOf(await edit(engine, request, { actor, reason: body.reason }));
    const preview = await previewEdit(engine, request);
    if (preview.kind !== "trial") return answerOf(preview);
    const governance = preview.governance.map((decision) => ({ ...decision, kinds: [...decision.kinds] }));
    return { ...preview, changes: [...preview.changes], governance };
  },
});

const replayOne = endpoint({
  method: "post",
  path: "/api/packets/{id}/replay",
  id: "replayPacket",
  summary: "Sends a packet again: releases a held packet, or creates a revision of a closed one",
  params,
  body: z.strictObject({
    etag: etag.optional(),
    sheet: sheetChoice,
    force: z
      .boolean()
      .default(false)
      .describe("True to also send values that the target is known to hold. Applies to closed packets only."),
    reason,
  }),
  answer: doneAnswer,
  problems: ["missing", "moved", "refused"],
  async run({ ops: { engine }, params: { id }, body: { reason, ...request }, actor }) {
    return answerOf(await replayPacket(engine, { id, ...request }, { actor, reason }));
  },
});

const discardPacket = endpoint({
  method: "post",
  path: "/api/packets/{id}/discard",
  id: "discardPacket",
  summary: "Closes an open packet for good. It is not sent, and replays skip it",
  params,
  body: z.strictObject({ etag: etag.optional(), reason }),
  answer: doneAnswer,
  problems: ["missing", "moved", "refused"],
  async run({ ops: { engine }, params: { id }, body, actor }) {
    const by: Actor = { actor, reason: body.reason };
    return answerOf(await discard(engine, id, by, body.etag));
  },
});

export const packetOperations = [listPackets, getPacket, editPacket, replayOne, discardPacket];

function packetMissing(): ApiProblem {
  return new ApiProblem("missing", "There is no packet with this id. Find the id in the list of packets.");
}

/** Converts the result of an operator action to a response or a problem. */
function answerOf(result: OperationResult): z.input<typeof doneAnswer> | ApiProblem {
  switch (result.kind) {
    case "done":
      return { kind: "done", etag: result.packet.etag, packet: summaryOf(result.packet.value) };
    case "missing":
      return packetMissing();
    case "moved": {
      const { etag, value } = result.now;
      return new ApiProblem("moved", "Review the packet's current state, then decide again.", {
        now: { etag, packet: summaryOf(value) },
      });
    }
    case "refused":
      return new ApiProblem("refused", result.why);
  }
}

async function storyOf(engine: Engine, { value, etag }: Stored<"packet">): Promise<z.input<typeof packetStory>> {
  const { packet, progress } = value;
  const [chain, before, atTarget] = await Promise.all([
    engine.store.chain(packet.id),
    beforeOf(engine, value),
    heldAtTarget(engine, packet),
  ]);
  const { delivery, answer } = progress;
  return {
    ...summaryOf(value),
    etag,
    entity: packet.entity,
    fields: Object.entries(packet.fields).map(([name, value]) => ({
      name,
      value,
      ...(Object.hasOwn(before, name) && { before: before[name] as Json }),
      atTarget: atTarget(name),
    })),
    sheetHash: packet.sheetHash,
    sheetIsCurrent: engine.sheets().sheets.some(({ name, hash }) => name === packet.sheet && hash === packet.sheetHash),
    ...(delivery && { delivery }),
    ...(answer !== undefined && { answer }),
    story: chain.map(stepOf),
  };
}

/** Returns the fields' values before this change: those of the packet it replaces, else the event's previous values. */
async function beforeOf(engine: Engine, { packet }: PacketRecord): Promise<JsonObject> {
  if (packet.replaces !== undefined) {
    return (await engine.store.read("packet", [packet.replaces]))[0]?.value.packet.fields ?? {};
  }
  // A roster element is not looked up, because it may be in a file.
  const [stored] = packet.element === undefined ? await engine.store.read("event", [packet.event]) : [];
  const data = stored?.value.event?.data;
  if (!data) return {};
  const [sheet] = await pinnedSheets(engine, [{ name: packet.sheet, hash: packet.sheetHash }]);
  const target = sheet?.targets.find(({ name }) => name === packet.target);
  return Object.fromEntries(
    (target?.fields ?? []).flatMap(({ to, previous }) => {
      const before = previous.map((read) => read(data)).find((value) => value !== undefined);
      return before === undefined ? [] : [[to, before]];
    }),
  );
}
