import { copyFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startJob } from "../../../bridge/jobs/job-runner.ts";
import { sheetSet } from "../../../bridge/mapping/sheet-set.ts";
import { Catalog, type Http } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome } from "../../../bridge/model/outcome.ts";
import type { QueueName } from "../../../bridge/ports/queue.ts";
import { openLocalEngine } from "../../../platform/local/engine.ts";
import { checkSettings } from "../../../platform/local/settings.ts";
import { startWorkerLoops } from "../../../platform/local/worker-loops.ts";
import { aSheet } from "../../support/builders.ts";
import { until } from "../../support/clock.ts";
import { fakeTarget } from "../../support/core.ts";
import { home } from "../../support/home.ts";

describe("worker loops", () => {
  it("an emitted event reaches its target without further calls", async () => {
    using folder = home();
    const target = fakeTarget();
    const engine = await open(folder.path, target);
    const runner = startWorkerLoops(engine);

    await emit(engine, "1");
    await until(() => target.state.has("r"));

    expect(target.state.get("r")).toEqual({ rate: 1 });
    await runner?.stop();
    await engine.db.close();
  });

  it("only one instance runs per store: a second start returns nothing until the first has stopped", async () => {
    using folder = home();
    const target = fakeTarget();
    const [first, second] = [await open(folder.path, target), await open(folder.path, target)];
    const runner = startWorkerLoops(first);

    expect(startWorkerLoops(second)).toBeUndefined();
    await runner?.stop();
    const next = startWorkerLoops(second);

    expect(next).toBeDefined();
    await next?.stop();
    await Promise.all([first.db.close(), second.db.close()]);
  });

  it("an event emitted by another process on the same store is delivered", async () => {
    using folder = home();
    const target = fakeTarget();
    const [worker, emitter] = [await open(folder.path, target), await open(folder.path, target)];
    const runner = startWorkerLoops(worker);

    await emit(emitter, "1");
    await until(() => target.calls.length > 0);

    await runner?.stop();
    await Promise.all([worker.db.close(), emitter.db.close()]);
  });

  it("an event in the inbox's dead-letter queue of an earlier version is retried", async () => {
    using folder = home();
    const target = fakeTarget();
    const engine = await open(folder.path, target);
    await emit(engine, "1", "inbox-dead");

    const runner = startWorkerLoops(engine);
    await until(() => target.state.has("r"));

    await runner?.stop();
    await engine.db.close();
  });

  it("jobs run in the background", async () => {
    using folder = home();
    const target = fakeTarget();
    const engine = await open(folder.path, target);
    const runner = startWorkerLoops(engine);
    await emit(engine, "1");
    await until(() => target.state.has("r"));
    const request = { from: 0, to: Date.now() + 1, force: true };
    const { id } = await startJob(engine, { kind: "replay", request, actor: "jo" });
    await until(async () => (await engine.store.read("job", [id]))[0]?.value.status === "DONE");
    await until(() => target.calls.length === 2);

    await runner?.stop();
    await engine.db.close();
  });

  it.each(["deleted", "replaced by a copy"])(
    "processing ends and writes are rejected if the store is %s",
    async (how) => {
      using folder = home();
      const engine = await open(folder.path, fakeTarget());
      const runner = startWorkerLoops(engine);
      const file = join(folder.path, "bridge.db");

      if (how === "deleted") rmSync(file);
      else {
        copyFileSync(file, `${file}.copy`);
        renameSync(`${file}.copy`, file);
      }
      await runner?.storeGone;

      await expect(emit(engine, "1")).rejects.toThrow(/deleted or replaced/);
      await runner?.stop();
      await engine.db.close();
    },
  );

  it.each([
    ["four times the connector's concurrency", {}, 400],
    ["fewer if the target is not idempotent", { idempotent: false }, 100],
    ["at most ten seconds' worth at the connector's rate", { perSecond: 3 }, 30],
  ])("the number of messages in flight is limited: %s", async (_, options, expected) => {
    using folder = home();
    const target = fakeTarget(options);
    const pending = Promise.withResolvers<Outcome>();
    target.behave = () => pending.promise;
    const engine = await open(folder.path, target);
    const runner = startWorkerLoops(engine);

    await Promise.all(Array.from({ length: 450 }, (_, i) => emit(engine, `${i}`, "inbox", `r-${i}`)));
    const depth = () => engine.queue.depth(`lane:${target.id}`);
    await until(async () => (await depth()).waiting + (await depth()).inFlight === 450);

    expect((await depth()).inFlight).toBe(expected);
    pending.resolve(delivered({ status: 200 }));
    await runner?.stop();
    await engine.db.close();
  });

  it("stop waits for work in progress and leaves the rest for the next start", async () => {
    using folder = home();
    const target = fakeTarget();
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    target.behave = async (packet) => {
      await answered;
      return target.take(packet);
    };
    const engine = await open(folder.path, target);
    const runner = startWorkerLoops(engine);
    await emit(engine, "1");
    await until(() => target.calls.length > 0);

    const stopping = runner?.stop();
    answer();
    await stopping;

    expect((await engine.store.tally()).packets).toMatchObject({ SENT: 1, QUEUED: 0 });
    await engine.db.close();
  });
});

type LocalEngine = Awaited<ReturnType<typeof openLocalEngine>>;

function open(dir: string, target: ReturnType<typeof fakeTarget>): Promise<LocalEngine> {
  const sheet = aSheet("source_event: t\ntargets: { fake: { connector: Fake, map: { rate: rate } } }");
  const set = sheetSet([sheet], { otherwise: "block", rules: [] });
  return openLocalEngine({
    dir,
    catalog: new Catalog([target.connector]),
    sheets: () => set,
    settings: checkSettings({}, "the test"),
    http: () => ({}) as Http,
    env: {},
  });
}

async function emit(engine: LocalEngine, id: string, queue: QueueName = "inbox", subject = "r"): Promise<void> {
  const body = JSON.stringify({ id, source: "s", type: "t", subject, data: { rate: 1 } });
  await engine.queue.send(queue, [{ group: id, body }]);
}
