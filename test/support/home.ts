import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A temporary folder for one test. Disposing it removes the folder. */
export interface Home extends Disposable {
  readonly path: string;
  write(file: string, text: string): void;
}

/** @param files text of the first files, by path */
export function home(files: Readonly<Record<string, string>> = {}): Home {
  const path = mkdtempSync(join(tmpdir(), "bridge-test-"));
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(path, file)), { recursive: true });
    writeFileSync(join(path, file), text);
  };
  for (const [file, text] of Object.entries(files)) write(file, text);
  return { path, write, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Text of mappings/per_diem.yaml, without its examples. */
export const perDiemSheet = `# mappings/per_diem.yaml
source_event: policy.per_diem.updated
targets:
  payroll:
    connector: PayrollConnector
    map:
      new_rate: dailyRate
  gis:
    connector: GISTableConnector
    map:
      new_rate: perDiemUSD
`;
