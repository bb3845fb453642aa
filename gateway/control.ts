/**
 * The way from a command line to the running gateway: HTTP on a socket in the state folder, so that only those who may
 * write there can declare anything, or have anything replayed.
 */
import { chmodSync, closeSync, openSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { codeOf, Fault, type FaultCode, messageOf } from "../shared/errors.ts";

/** What can be asked for, by path: the answer to a body that nobody has checked. */
export type Tasks = Readonly<Record<string, (body: unknown) => Promise<unknown>>>;

const bodyBytesMax = 64 * 1024;
const answerBytesMax = 16 * 1024 * 1024;
const connectionsMax = 16;
/** The longest path of a socket that Linux takes (sun_path), without the final zero. */
const socketPathBytesMax = 107;

/** A path to the socket that the system takes, however deep the state folder lies; `done` once nobody needs it. */
function socketAt(stateFolder: string): { path: string; done(): void } {
  const path = join(stateFolder, "control.sock");
  if (Buffer.byteLength(path) <= socketPathBytesMax) return { path, done: () => undefined };
  const folder = openSync(stateFolder, "r");
  return { path: `/proc/self/fd/${folder}/control.sock`, done: () => closeSync(folder) };
}

/**
 * Listens while the gateway runs. Only the holder of the journal may call it: a socket that is there
 * already was left by a process that is gone.
 */
export async function startControl(stateFolder: string, tasks: Tasks): Promise<{ stop(): Promise<void> }> {
  const { path, done } = socketAt(stateFolder);
  rmSync(path, { force: true });
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    message.on("data", (chunk: Buffer) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= bodyBytesMax) chunks.push(chunk);
      else message.destroy();
    });
    message.on("end", () => {
      void answerTo(tasks[message.url ?? ""], Buffer.concat(chunks).toString("utf8")).then(({ code, body }) => {
        response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
    });
  });
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          done();
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function answerTo(task: Tasks[string] | undefined, text: string): Promise<{ code: number; body: unknown }> {
  try {
    if (task === undefined) throw new Fault("usage", { what: "the gateway that runs does not know this command" });
    return { code: 200, body: await task(parsed(text)) };
  } catch (error) {
    const { code, what, why, remedy } =
      error instanceof Fault ? error : new Fault("internal", { what: messageOf(error), cause: error });
    return { code: code === "internal" ? 500 : 400, body: { code, what, why, remedy } };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Fault("usage", { what: "what is asked for is no JSON", why: messageOf(error), cause: error });
  }
}

/**
 * Asks the running gateway of a state folder to do one of its tasks.
 * @param waitMs how long its answer may take
 * @returns undefined where none runs
 * @throws Fault what the gateway answered, or `unavailable` where it cannot be asked
 */
export function askRunning(
  stateFolder: string,
  task: string,
  body: unknown,
  waitMs: number,
): Promise<unknown[] | undefined> {
  return new Promise((resolve, reject) => {
    const { path, done } = socketAt(stateFolder);
    const failed = (error: unknown): void => reject(unavailable(stateFolder, error));
    const options = { socketPath: path, method: "POST", path: task, timeout: waitMs };
    const call = request(options, (response) => {
      const chunks: Buffer[] = [];
      let sizeBytes = 0;
      response.on("data", (chunk: Buffer) => {
        sizeBytes += chunk.length;
        if (sizeBytes > answerBytesMax) call.destroy(new Error("the answer is too long"));
        else chunks.push(chunk);
      });
      response.on("error", failed);
      response.on("end", () => {
        try {
          const body = parsed(Buffer.concat(chunks).toString("utf8"));
          if (response.statusCode === 200 && Array.isArray(body)) resolve(body as unknown[]);
          else reject(answeredFault(body));
        } catch (error) {
          failed(error);
        }
      });
    });
    call.on("timeout", () => call.destroy(new Error(`no answer within ${waitMs / 1000} s`)));
    call.on("error", (error) => {
      if (["ENOENT", "ECONNREFUSED"].includes(codeOf(error))) resolve(undefined);
      else failed(error);
    });
    call.on("close", done);
    call.end(JSON.stringify(body));
  });
}

function answeredFault(body: unknown): Fault {
  const { code, what, why, remedy } = (body ?? {}) as Partial<Record<string, unknown>>;
  if (typeof what !== "string" || typeof code !== "string") throw new Error("it answers in words that nobody knows");
  const known = {
    what,
    ...(typeof why === "string" ? { why } : {}),
    ...(typeof remedy === "string" ? { remedy } : {}),
  };
  return new Fault(code as FaultCode, known);
}

function unavailable(stateFolder: string, error: unknown): Fault {
  const isDenied = codeOf(error) === "EACCES" || codeOf(error) === "EPERM";
  return new Fault("unavailable", {
    what: `the gateway of ${stateFolder} cannot be asked`,
    why: messageOf(error),
    remedy: isDenied ? "run this as the user of the gateway, or as root" : "look at the log of the gateway",
    cause: error,
  });
}
