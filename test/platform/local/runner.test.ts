import { describe, expect, it } from "vitest";
import { Catalog, type Http } from "../../../bridge/connector.ts";
import { sheetSet } from "../../../bridge/sheets.ts";
import { openLocalEngine } from "../../../platform/local/engine.ts";
import { startRunner } from "../../../platform/local/runner.ts";
import { checkSettings } from "../../../platform/local/settings.ts";
import { aSheet } from "../../support/builders.ts";
import { until } from "../../support/clock.ts";
import { fakeTarget } from "../../support/core.ts";
import { home } from "../../support/home.ts";

describe("the runner", () => {
  it("works what was emitted through to the target, by itself", async () => {
    using folder = home();
    const target = fakeTarget();
    const engine = await open(folder.path, target);
    const runner = startRunner(engine);

    await emit(engine, "1");
    await until(() => target.state.has("r"));

    expect(target.state.get("r")).toEqual({ rate: 1 });
    await runner?.stop();
    await engine.db.close();
  });

  it("is one a store: a second gets nothing, until the first has stopped", async () => {
    using folder = home();
    const target = fakeTarget();
    const [first, second] = [await open(folder.path, target), await open(folder.path, target)];
    const runner = startRunner(first);

    expect(startRunner(second)).toBeUndefined();
    await runner?.stop();
    const next = startRunner(second);

    expect(next).toBeDefined();
    await next?.stop();
    await Promise.all([first.db.close(), second.db.close()]);
  });

  it("takes up what another process on the same store emits", async () => {
    using folder = home();
    const target = fakeTarget();
    const [worker, emitter] = [await open(folder.path, target), await open(folder.path, target)];
    const runner = startRunner(worker);

    await emit(emitter, "1");
    await until(() => target.calls.length > 0);

    await runner?.stop();
    await Promise.all([worker.db.close(), emitter.db.close()]);
  });

  it("stops only when what it has begun is done, and the rest waits for the next", async () => {
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
    const runner = startRunner(engine);
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

async function emit(engine: LocalEngine, id: string): Promise<void> {
  const body = JSON.stringify({ id, source: "s", type: "t", subject: "r", data: { rate: 1 } });
  await engine.queue.send("inbox", [{ group: id, body }]);
}
