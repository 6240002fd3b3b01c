import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A folder of its own for one test, with the given files, that is gone afterwards. */
export interface Home extends Disposable {
  readonly path: string;
  write(file: string, text: string): void;
}

export function home(files: Readonly<Record<string, string>> = {}): Home {
  const path = mkdtempSync(join(tmpdir(), "bridge-test-"));
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(path, file)), { recursive: true });
    writeFileSync(join(path, file), text);
  };
  for (const [file, text] of Object.entries(files)) write(file, text);
  return { path, write, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** The eleven lines of the first sheet, without its examples. */
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
