// Stops with a clear message if Node is too old. Plain JavaScript, so that an old Node can run it. Import it first.
const needed = 24;

if (Number(process.versions.node.split(".")[0]) < needed) {
  console.error(
    `The bridge needs Node ${needed} or later, but this is ${process.version}. Run "npm install" to get it; if install scripts are disabled, run "npm rebuild node".`,
  );
  process.exit(3);
}
