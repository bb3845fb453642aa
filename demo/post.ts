/** One HTTP request to the agent, bounded in time and size. */
import { Agent, type IncomingHttpHeaders, request } from "node:http";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

const timeoutMs = 10_000;
const answerBytesMax = 64 * 1024;
const connections = new Agent({ keepAlive: true, maxSockets: 16 });

/**
 * Posts a body to a port of loopback.
 * @throws where no answer came: then nobody knows what became of the body
 */
export function post(port: number, path: string, type: string, body: string | Uint8Array): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": type, "content-length": Buffer.byteLength(body) };
    const call = request({ host: "127.0.0.1", port, path, method: "POST", headers, agent: connections }, (response) => {
      const parts: Buffer[] = [];
      let sizeBytes = 0;
      response.on("data", (part: Buffer) => {
        sizeBytes += part.length;
        if (sizeBytes > answerBytesMax) call.destroy(new Error("the answer is too long"));
        else parts.push(part);
      });
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(parts).toString("utf8");
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    call.setTimeout(timeoutMs, () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    call.on("error", reject);
    call.end(body);
  });
}
