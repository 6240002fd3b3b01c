import http from "node:http";
import { styleText } from "node:util";

// Stands for payroll, GIS and HR on this machine: takes everything, and shows it. Ctrl-C puts the targets to sleep.
const port = 8787;
const server = http.createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks).toString();
    console.log(`${styleText("green", (request.method ?? "").padEnd(6))} ${request.url}  ${body}`);
    response.writeHead(204).end();
  });
});
server.on("error", (error) => {
  console.error(`the stand-ins cannot listen on port ${port}: ${error.message}`);
  process.exitCode = 3;
});
server.listen(port, "127.0.0.1", () => {
  console.log(`payroll, GIS and HR are awake at http://127.0.0.1:${port}; what they receive stands below`);
});
