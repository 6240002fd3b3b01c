import { describe, expect, it } from "vitest";
import { FileError, type FilesPort } from "../../bridge/ports/files.ts";

/** One engine's files, which a test can change. Only the folder `in/` is allowed. */
export interface FilesFixture extends AsyncDisposable {
  readonly port: FilesPort;
  address(name: string): string;
  /** True if a version can still be read after the file was overwritten. */
  readonly keepsVersions: boolean;
  /** Writes a file; `undefined` removes it. */
  store(name: string, text: string | undefined): Promise<void>;
}

/** Checks an engine's file port. */
export function filesContract(engine: string, makeFixture: () => Promise<FilesFixture>): void {
  describe(`files of ${engine}`, () => {
    it("finds a file with its size and reads the requested byte range", async () => {
      await using fixture = await makeFixture();
      const { port, address } = fixture;
      await fixture.store("in/may/roster.ndjson", "0123456789é");

      const file = await port.find(address("in/may/roster.ndjson"));

      expect(file).toEqual({ address: address("in/may/roster.ndjson"), version: expect.any(String), bytes: 12 });
      expect(await textOf(port.read(file, { from: 0, to: 12 }))).toBe("0123456789é");
      expect(await textOf(port.read(file, { from: 3, to: 5 }))).toBe("34");
      expect(await textOf(port.read(file, { from: 12, to: 12 }))).toBe("");
    });

    it("finds an empty file and reads no bytes from it", async () => {
      await using fixture = await makeFixture();
      await fixture.store("in/empty", "");

      const file = await fixture.port.find(fixture.address("in/empty"));

      expect(file.bytes).toBe(0);
      expect(await textOf(fixture.port.read(file, { from: 0, to: 0 }))).toBe("");
    });

    it("reads a file again after a read was abandoned partway", async () => {
      await using fixture = await makeFixture();
      await fixture.store("in/large", "x".repeat(3_000_000));
      const file = await fixture.port.find(fixture.address("in/large"));

      for await (const block of fixture.port.read(file, { from: 0, to: file.bytes })) {
        expect(block.length).toBeGreaterThan(0);
        break;
      }

      expect(await textOf(fixture.port.read(file, { from: 2_999_999, to: 3_000_000 }))).toBe("x");
    });

    it("gives an overwritten file a new version and never returns new bytes for the old version", async () => {
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

    it("reports a missing or removed file with its name", async () => {
      await using fixture = await makeFixture();
      const { port, address } = fixture;
      await fixture.store("in/roster", "old");
      const old = await port.find(address("in/roster"));
      await fixture.store("in/roster", undefined);
      const missing = /in\/roster is not there/;

      await expect(port.find(address("in/roster"))).rejects.toThrow(FileError);
      await expect(port.find(address("in/roster"))).rejects.toThrow(missing);
      const read = textOf(port.read(old, { from: 0, to: 3 }));
      if (fixture.keepsVersions) expect(await read).toBe("old");
      else await expect(read).rejects.toThrow(missing);
    });

    it.each(["elsewhere/roster", "inner/roster", "in/../elsewhere/roster", "in/%2e%2e/elsewhere/roster"])(
      "refuses a path outside the allowed folders, whether or not the file exists: %s",
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
      ["the scheme http", "http://files.example/in/roster?token=hunter2"],
      ["the scheme https", "https://user:hunter2@files.example/in/roster"],
      ["no scheme", "in/roster"],
      ["no text at all", ""],
      ["the scheme data", "data:text/plain,hunter2"],
      ["a very long bucket name", `s3://${"x".repeat(5_000)}`],
    ])("refuses an address with %s and keeps its secrets out of the message", async (_, address) => {
      await using fixture = await makeFixture();

      const error = await fixture.port.find(address).catch((thrown: unknown) => thrown);

      expect(error).toBeInstanceOf(FileError);
      expect((error as Error).message).not.toMatch(/hunter2|x{1000}/);
    });

    it("refuses an address with a query and keeps the query out of the message", async () => {
      await using fixture = await makeFixture();
      await fixture.store("in/roster", "text");

      const error = await fixture.port.find(`${fixture.address("in/roster")}?token=hunter2`).catch((thrown) => thrown);

      expect(error).toBeInstanceOf(FileError);
      expect(error.message).toContain("in/roster");
      expect(error.message).not.toContain("hunter2");
    });
  });
}

async function textOf(blocks: AsyncIterable<Uint8Array>): Promise<string> {
  const read: Uint8Array[] = [];
  for await (const block of blocks) read.push(block);
  return Buffer.concat(read).toString();
}
