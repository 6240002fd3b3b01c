// Plain JavaScript, so that a Node too old for the rest can still say so. Import it before anything else.
const needed = 24;

if (Number(process.versions.node.split(".")[0]) < needed) {
  console.error(
    `The bridge needs Node ${needed} or later and this is ${process.version}. "npm install" brings it; where install scripts are off, "npm rebuild node" does.`,
  );
  process.exit(3);
}
