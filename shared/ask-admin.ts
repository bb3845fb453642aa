/** The other side of the admin server: how the `status` command asks a running process. */
import { Fault, messageOf } from "./errors.ts";
import { get } from "./node-http.ts";

const answerBytesMax = 4 * 1024 * 1024;
const answerTimeoutMs = 5_000;

/**
 * Reads a JSON page of the admin server of a running process.
 * @throws Fault `unavailable` where nothing answers or the answer is not what an admin server says
 */
export async function askAdmin(host: string, port: number, path: "/status" | "/healthz"): Promise<unknown> {
  const text = await fetchText(host, port, path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unavailable(host, port, messageOf(error));
  }
}

function fetchText(host: string, port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const refuse = (why: string): void => reject(unavailable(host, port, why));
    const request = get({ host, port, path, timeout: answerTimeoutMs, agent: false }, (response) => {
      const parts: Buffer[] = [];
      let sizeBytes = 0;
      response.on("data", (part: Buffer) => {
        sizeBytes += part.length;
        if (sizeBytes > answerBytesMax) request.destroy(new Error("the answer is too long"));
        else parts.push(part);
      });
      response.on("error", (error) => refuse(messageOf(error)));
      response.on("end", () => {
        // A failing process says so with 503 and still tells its state.
        if (response.statusCode !== 200 && response.statusCode !== 503) refuse(`it answers ${response.statusCode}`);
        else resolve(Buffer.concat(parts).toString("utf8"));
      });
    });
    request.on("timeout", () => request.destroy(new Error(`no answer within ${answerTimeoutMs / 1000} s`)));
    request.on("error", (error) => refuse(messageOf(error)));
  });
}

function unavailable(host: string, port: number, why: string): Fault {
  return new Fault("unavailable", {
    what: `nothing that is Holdfast answers at ${host}:${port}`,
    why,
    remedy: "start the process, or name the configuration it was started with",
    retryable: true,
  });
}
