/**
 * `declare-lost`: the operator's word that seqs will never arrive. Without it a gap stays open, because an old card may
 * come back (PROTOCOL §8). It reaches a running gateway through a socket in its state folder, so that only those who
 * may write there can declare anything.
 */
import { rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { Fault, messageOf } from "../shared/errors.ts";
import type { Span } from "../shared/ranges.ts";
import type { Journal, Report } from "./journal/journal.ts";
import type { Lane } from "./queue/queue.ts";

/** Which open seqs to declare: everything reported of an agent, narrowed by what is given. */
export interface Declaration {
  readonly agent: string;
  readonly stream?: string;
  readonly epoch?: string;
  /** With stream and epoch: these seqs, reported or not. */
  readonly span?: Span;
}

export interface Declared {
  readonly lane: Lane;
  readonly reason: Report["kind"];
  readonly seqs: number;
}

const bodyBytesMax = 4096;

/** Carries a declaration out. Fills only what is still open. */
export async function declareLost(journal: Journal, declaration: Declaration): Promise<Declared[]> {
  const { agent, stream, epoch, span } = declaration;
  if (span !== undefined) {
    if (stream === undefined || epoch === undefined) {
      throw new Fault("usage", {
        what: "seqs alone do not say what is lost",
        remedy: "name --stream and --epoch with --first and --last, as `status` shows them",
      });
    }
    const lane = { agent, stream, epoch };
    return [{ lane, reason: "journal-lost", seqs: await journal.declareLost(lane, [span], "journal-lost") }];
  }
  const declared: Declared[] = [];
  for (const report of journal.reports()) {
    const { lane, kind, spans } = report;
    const fits =
      lane.agent === agent && (stream ?? lane.stream) === lane.stream && (epoch ?? lane.epoch) === lane.epoch;
    if (fits) declared.push({ lane, reason: kind, seqs: await journal.declareLost(lane, spans, kind) });
  }
  return declared;
}

const socketPath = (stateFolder: string): string => join(stateFolder, "control.sock");

/** Listens for declarations while the gateway runs. */
export async function startControl(stateFolder: string, journal: Journal): Promise<{ stop(): Promise<void> }> {
  const path = socketPath(stateFolder);
  rmSync(path, { force: true });
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    message.on("data", (chunk: Buffer) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= bodyBytesMax) chunks.push(chunk);
    });
    message.on("end", () => {
      void answer(Buffer.concat(chunks).toString("utf8")).then(({ code, body }) => {
        response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
    });
  });
  async function answer(text: string): Promise<{ code: number; body: unknown }> {
    try {
      return { code: 200, body: await declareLost(journal, JSON.parse(text) as Declaration) };
    } catch (error) {
      const fault = error instanceof Fault ? error : new Fault("usage", { what: messageOf(error) });
      return { code: 400, body: { what: fault.what, why: fault.why, remedy: fault.remedy } };
    }
  }
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path, readableAll: false, writableAll: false }, resolve);
  });
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * Asks the running gateway of a state folder.
 * @returns undefined where none runs
 * @throws Fault what the gateway answered
 */
export function askRunning(stateFolder: string, declaration: Declaration): Promise<Declared[] | undefined> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socketPath(stateFolder), method: "POST", path: "/declare-lost" }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
        if (response.statusCode === 200) resolve(body as Declared[]);
        else reject(new Fault("usage", body as { what: string; why: string; remedy: string }));
      });
    });
    call.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") resolve(undefined);
      else reject(error);
    });
    call.end(JSON.stringify(declaration));
  });
}
