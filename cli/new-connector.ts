import { existsSync, mkdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Command } from "commander";
import { listConnectorFiles } from "../connectors/protocols/load-connectors.ts";
import { createFile } from "../platform/durable-file.ts";
import { templateFiles } from "./connector-template.ts";
import { printJson } from "./output.ts";

const projectRoot = join(import.meta.dirname, "..");

/** `bridge connectors new`: creates a connector file and a test that passes without changes. */
export function newConnector(): Command {
  return new Command("new")
    .description("create a connector: one file in connectors/, and one test that passes")
    .argument("<name>", "the name that sheets will use: BadgeOffice")
    .option("--yaml", "declare a REST target in YAML, without TypeScript")
    .addHelpText("after", "\nThen run its test: npx vitest run test/connectors/badge-office.test.ts")
    .action(async (name: string, _: unknown, command: Command) => {
      const { yaml = false, json = false } = command.optsWithGlobals<{ yaml?: boolean; json?: boolean }>();
      if (!/^[A-Z][A-Za-z0-9]{1,47}$/.test(name)) {
        throw new RangeError(`"${name}" is not a connector name; use letters and digits, as in BadgeOffice`);
      }
      const known = await listConnectorFiles(join(projectRoot, "connectors"));
      const existing = known.find(({ connector }) => connector.name === name);
      if (existing) {
        const file = relative(projectRoot, existing.file);
        throw new RangeError(`${file} already defines ${name}; choose another name`);
      }
      const templates = templateFiles(name, yaml ? "yaml" : "ts");
      for (const { file } of templates) {
        if (existsSync(join(projectRoot, file))) throw new RangeError(`${file} already exists; choose another name`);
      }
      for (const { file, text } of templates) {
        mkdirSync(dirname(join(projectRoot, file)), { recursive: true });
        await createFile(join(projectRoot, file), text, { mode: 0o666 });
      }
      const files = templates.map(({ file }) => file);
      if (json) printJson({ connector: `${name}@v1`, files });
      else console.log(`${files.join("\n")}\n\nRun the test: npx vitest run ${files.at(-1)}`);
    });
}
