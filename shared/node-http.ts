/**
 * node:http without its face as an ES module. An `import` from "node:http" reads every export once, lazy ones such as
 * WebSocket included, and so loads undici, HTTP/2 and workers: 13 MB of an idle agent's memory (measured: 60.7 to
 * 47.2 MB), for nothing that this project uses.
 */
export const { createServer, get, request } = process.getBuiltinModule("node:http");
