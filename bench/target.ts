import http from "node:http";
import type { AddressInfo } from "node:net";

// A target in a process of its own, so that its work is not counted as the bridge's. Tells its port, ends with its parent.
const server = http.createServer((request, response) => {
  request.on("data", () => {});
  request.on("end", () => response.writeHead(204).end());
});
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit());
