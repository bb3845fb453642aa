/** Reads the body of a request, bounded before and after decompression. */
import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { codeOf, Fault } from "../../../shared/errors.ts";

const inflate = promisify(gunzip);

/** How a body comes, as its head says. */
export interface BodyHead {
  readonly gzip: boolean;
  /** What reading it may take at the most. */
  readonly reservedBytes: number;
}

function tooLarge(bytesMax: number): Fault {
  return new Fault("too-large", {
    what: "the body is too large",
    why: `at most ${bytesMax} bytes are taken, decompressed`,
    remedy: "send fewer readings in one body, or raise the limit in the configuration",
  });
}

/**
 * Looks at the head of a request.
 * @throws Fault `too-large` or `unsupported-type`
 */
export function bodyHead(request: IncomingMessage, bytesMax: number): BodyHead {
  const encoding = (request.headers["content-encoding"] ?? "identity").toLowerCase();
  const gzip = encoding === "gzip" || encoding === "x-gzip";
  if (!gzip && encoding !== "identity") {
    throw new Fault("unsupported-type", {
      what: `the content encoding "${encoding.slice(0, 40)}" is not known`,
      remedy: "send the body as it is, or with gzip",
    });
  }
  const announced = request.headers["content-length"];
  const sizeBytes = announced === undefined ? bytesMax : Number(announced);
  if (sizeBytes > bytesMax) throw tooLarge(bytesMax);
  return { gzip, reservedBytes: gzip ? sizeBytes + bytesMax : sizeBytes };
}

/**
 * Reads the body as text.
 * @returns undefined where the client went away
 * @throws Fault `too-large`, or `bad-input` where it is no gzip or no UTF-8
 */
export async function bodyText(
  request: IncomingMessage,
  head: BodyHead,
  bytesMax: number,
): Promise<string | undefined> {
  const sent = await collect(request, bytesMax);
  if (sent === undefined) return undefined;
  const bytes = head.gzip ? await decompress(sent, bytesMax) : sent;
  if (!isUtf8(bytes)) {
    throw new Fault("bad-input", { what: "the body is not valid UTF-8", remedy: "encode it as UTF-8" });
  }
  return bytes.toString("utf8");
}

function collect(request: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    // The client may have gone while its request waited for its turn; nothing would be emitted any more.
    if (request.destroyed) return resolve(undefined);
    request.on("data", (chunk: Buffer) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= bytesMax) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      request.pause();
      request.removeAllListeners("data");
      reject(tooLarge(bytesMax));
    });
    request.on("end", () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    // After "end" the promise is settled and these do nothing.
    request.on("error", () => resolve(undefined));
    request.on("close", () => resolve(undefined));
  });
}

async function decompress(bytes: Buffer, bytesMax: number): Promise<Buffer> {
  try {
    return await inflate(bytes, { maxOutputLength: bytesMax });
  } catch (cause) {
    if (codeOf(cause) === "ERR_BUFFER_TOO_LARGE") throw tooLarge(bytesMax);
    throw new Fault("bad-input", { what: "the body is not valid gzip", remedy: "compress it again", cause });
  }
}
