import { describe, expect, it } from "vitest";
import { helpText, parseOptions } from "../../bench/options.ts";
import { scenarios } from "../../bench/scenarios.ts";

const names = ["idle", "burst", "map"];

const parse = (...args: string[]) => parseOptions(args, names);

describe("parseOptions", () => {
  it("measures this tree in full if no option is given", () => {
    expect(parse()).toEqual({ kind: "measure", isFull: true, only: names, packets: 25_000, json: undefined });
  });

  it("compares with a commit in 5 rounds if --against is given", () => {
    expect(parse("--against", "HEAD~3")).toEqual({
      kind: "compare",
      against: "HEAD~3",
      rounds: 5,
      only: names,
      packets: 25_000,
      json: undefined,
    });
  });

  it("reads rounds, packets and a file for the raw figures", () => {
    const command = parse("--against=main", "--rounds", "2", "--packets", "2000", "--json", "raw.json");

    expect(command).toMatchObject({ against: "main", rounds: 2, packets: 2_000, json: "raw.json" });
  });

  it("keeps the order of the scenarios, and not the order in --only", () => {
    expect(parse("--only", "map, idle")).toMatchObject({ only: ["idle", "map"] });
  });

  it.each([
    ["--packets", "2000"],
    ["--only", "idle"],
  ])("does not let a run with %s replace the kept figures", (...args) => {
    expect(parse(...args)).toMatchObject({ kind: "measure", isFull: false });
  });

  it("asks for help before it checks other options", () => {
    expect(parse("-h", "--rounds", "none")).toEqual({ kind: "help" });
  });

  it.each([
    [["--only", "idle,bursts"], '--only: unknown scenario "bursts". Known: idle, burst, map'],
    [["--only", ""], '--only: unknown scenario "". Known: idle, burst, map'],
    [["--against", "main", "--rounds", "1"], '--rounds: "1" is not a whole number from 2 to 100'],
    [["--packets", "1e4"], '--packets: "1e4" is not a whole number from 100 to 1000000'],
    [["--rounds", "3"], "--rounds needs --against <commit>"],
    [["HEAD~1"], 'Unexpected "HEAD~1". Write options after "--": npm run bench -- --against HEAD~1'],
    [["--agains", "main"], "Unknown option '--agains'. See --help."],
    [["--against"], "Option '--against <value>' argument missing. See --help."],
  ])("rejects %j with one line that names the reason", (args, message) => {
    expect(parse(...args)).toEqual({ kind: "invalid", message });
  });
});

describe("helpText", () => {
  it("names every scenario and every option", () => {
    const help = helpText(scenarios);

    for (const word of ["idle", "burst", "bulk", "map", "--against", "--rounds", "--only", "--packets", "--json"]) {
      expect(help).toContain(word);
    }
  });
});
