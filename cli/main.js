#!/usr/bin/env node
import "./require-node.js";
import module from "node:module";

module.enableCompileCache();
const { run } = await import("./bridge.ts");
process.exitCode = await run(process.argv.slice(2));
