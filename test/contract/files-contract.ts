import { describe, expect, it } from "vitest";
import { FileError, type FilesPort } from "../../bridge/ports/files.ts";

/** An engine's files, with a hand that can change them. `in/` is a place, all else is not. */
export interface FilesFixture extends AsyncDisposable {
  readonly port: FilesPort;
  address(name: string): string;
  /** Whether a version is still read after the file was written over. */
  readonly keepsVersions: boolean;
  /** Writes a file; `undefined` takes it away. */
  store(name: string, text: string | undefined): Promise<void>;
}

/** What every engine's files keep. */
export function filesContract(engine: string, makeFixture: () => Promise<FilesFixture>): void {
  describe(`files of ${engine}`, () => {
    it("are found with their size, and read in the part that is asked for", async () => {
      await using fixture = await makeFixture();
      const { port, address } = fixture;
      await fixture.store("in/may/roster.ndjson", "0123456789é");

      const file = await port.find(address("in/may/roster.ndjson"));

      expect(file).toEqual({ address: address("in/may/roster.ndjson"), version: expect.any(String), bytes: 12 });
      expect(await textOf(port.read(file, { from: 0, to: 12 }))).toBe("0123456789é");
      expect(await textOf(port.read(file, { from: 3, to: 5 }))).toBe("34");
      expect(await textOf(port.read(file, { from: 12, to: 12 }))).toBe("");
    });

    it("that are empty are found, and hold nothing", async () => {
      await using fixture = await makeFixture();
      await fixture.store("in/empty", "");

      const file = await fixture.port.find(fixture.address("in/empty"));

      expect(file.bytes).toBe(0);
      expect(await textOf(fixture.port.read(file, { from: 0, to: 0 }))).toBe("");
    });

    it("may be left in the middle", async () => {
      await using fixture = await makeFixture();
      await fixture.store("in/large", "x".repeat(3_000_000));
      const file = await fixture.port.find(fixture.address("in/large"));

      for await (const block of fixture.port.read(file, { from: 0, to: file.bytes })) {
        expect(block.length).toBeGreaterThan(0);
        break;
      }

      expect(await textOf(fixture.port.read(file, { from: 2_999_999, to: 3_000_000 }))).toBe("x");
    });

    it("have another version once they are written over, and are never read as what they are not", async () => {
      await using fixture = await makeFixture();
      const { port, address } = fixture;
      await fixture.store("in/roster", "old");
      const old = await port.find(address("in/roster"));

      await fixture.store("in/roster", "new");
      const now = await port.find(address("in/roster"));

      expect(now.version).not.toBe(old.version);
      expect(await textOf(port.read(now, { from: 0, to: 3 }))).toBe("new");
      const read = textOf(port.read(old, { from: 0, to: 3 }));
      if (fixture.keepsVersions) expect(await read).toBe("old");
      else
        await expect(read).rejects.toThrow(new FileError("has changed since it was looked up", address("in/roster")));
    });

    it("that are missing, or gone meanwhile, are a fault that names them", async () => {
      await using fixture = await makeFixture();
      const { port, address } = fixture;
      await fixture.store("in/roster", "old");
      const old = await port.find(address("in/roster"));
      await fixture.store("in/roster", undefined);
      const fault = /in\/roster is not there/;

      await expect(port.find(address("in/roster"))).rejects.toThrow(FileError);
      await expect(port.find(address("in/roster"))).rejects.toThrow(fault);
      const read = textOf(port.read(old, { from: 0, to: 3 }));
      if (fixture.keepsVersions) expect(await read).toBe("old");
      else await expect(read).rejects.toThrow(fault);
    });

    it.each(["elsewhere/roster", "inner/roster", "in/../elsewhere/roster", "in/%2e%2e/elsewhere/roster"])(
      "in no place that may be read from are refused, whether they are there or not: %s",
      async (name) => {
        await using fixture = await makeFixture();
        const { port, address } = fixture;
        await fixture.store("elsewhere/roster", "secret");
        await fixture.store("inner/roster", "secret");

        const found = port.find(address(name));

        await expect(found).rejects.toThrow(FileError);
        await expect(found).rejects.toThrow(/outside the folders|is not there/);
        await expect(
          textOf(port.read({ address: address(name), version: "1", bytes: 6 }, { from: 0, to: 6 })),
        ).rejects.toThrow(FileError);
      },
    );

    it.each([
      ["http", "http://files.example/in/roster?token=hunter2"],
      ["https", "https://user:hunter2@files.example/in/roster"],
      ["no scheme", "in/roster"],
      ["nothing", ""],
      ["a data address", "data:text/plain,hunter2"],
      ["a very long text", `s3://${"x".repeat(5_000)}`],
    ])("at an address that is %s are refused, and no secret of it is told", async (_, address) => {
      await using fixture = await makeFixture();

      const fault = await fixture.port.find(address).catch((error: unknown) => error);

      expect(fault).toBeInstanceOf(FileError);
      expect((fault as Error).message).not.toMatch(/hunter2|x{1000}/);
    });

    it("with credentials or a query in their address are refused, and these are not told", async () => {
      await using fixture = await makeFixture();
      await fixture.store("in/roster", "text");

      const fault = await fixture.port.find(`${fixture.address("in/roster")}?token=hunter2`).catch((error) => error);

      expect(fault).toBeInstanceOf(FileError);
      expect(fault.message).toContain("in/roster");
      expect(fault.message).not.toContain("hunter2");
    });
  });
}

async function textOf(blocks: AsyncIterable<Uint8Array>): Promise<string> {
  const read: Uint8Array[] = [];
  for await (const block of blocks) read.push(block);
  return Buffer.concat(read).toString();
}
