import http from "node:http";
import { styleText } from "node:util";

// Simulates payroll, GIS and HR on this machine. Accepts and prints every request. Ctrl-C stops it.
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
  console.error(`the simulated targets cannot listen on port ${port}: ${error.message}`);
  process.exitCode = 3;
});
server.listen(port, "127.0.0.1", () => {
  console.log(`payroll, GIS and HR are up at http://127.0.0.1:${port}; their requests are printed below`);
});
