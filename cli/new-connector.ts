import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Command } from "commander";
import { listConnectorFiles } from "../connectors/protocols/load-connectors.ts";
import { madeFiles } from "./connector-template.ts";
import { printJson } from "./output.ts";

const projectRoot = join(import.meta.dirname, "..");

/** `bridge connectors new`: one file and one test, which passes as it is. */
export function newConnector(): Command {
  return new Command("new")
    .description("make a connector: one file in connectors/, and one test that passes")
    .argument("<name>", "as sheets will name it: BadgeOffice")
    .option("--yaml", "declare it in YAML: a REST target without TypeScript")
    .addHelpText("after", "\nThen: npx vitest run test/connectors/badge-office.test.ts")
    .action(async (name: string, _: unknown, command: Command) => {
      const { yaml = false, json = false } = command.optsWithGlobals<{ yaml?: boolean; json?: boolean }>();
      if (!/^[A-Z][A-Za-z0-9]{1,47}$/.test(name)) {
        throw new RangeError(`"${name}" is not a connector's name; write it as BadgeOffice`);
      }
      const known = await listConnectorFiles(join(projectRoot, "connectors"));
      const twin = known.find(({ connector }) => connector.name === name);
      if (twin) {
        throw new RangeError(`${relative(projectRoot, twin.file)} is called ${name} already; take another name`);
      }
      const made = madeFiles(name, yaml ? "yaml" : "ts");
      for (const { file } of made) {
        if (existsSync(join(projectRoot, file))) throw new RangeError(`${file} is there already; take another name`);
      }
      for (const { file, text } of made) {
        mkdirSync(dirname(join(projectRoot, file)), { recursive: true });
        writeFileSync(join(projectRoot, file), text, { flag: "wx" });
      }
      const files = made.map(({ file }) => file);
      if (json) printJson({ connector: `${name}@v1`, files });
      else console.log(`${files.join("\n")}\n\nTry it: npx vitest run ${files.at(-1)}`);
    });
}
