/** Turns what came of a request into its answer. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Fault, FaultCode } from "../../../shared/errors.ts";
import { BodyFault } from "../formats/fault.ts";
import { Refusal } from "./admit.ts";

const statusOf: Partial<Record<FaultCode, number>> = {
  "bad-input": 400,
  "too-large": 413,
  "unsupported-type": 415,
  full: 503,
  busy: 503,
  closed: 503,
  unavailable: 503,
};

/** A full store does not empty in a moment, but producers with little memory cannot wait long either. */
const retryAfterS = 10;

/** Says that the readings are committed. */
export function answerCommitted(response: ServerResponse): void {
  response.writeHead(204).end();
}

/** Answers a fault as JSON. Returns the status. */
export function answerFault(
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault,
  drainBytesMax: number,
): number {
  const status = fault instanceof Refusal ? fault.status : (statusOf[fault.code] ?? 500);
  const { what, why, remedy } = fault;
  const body = Buffer.from(
    JSON.stringify({ error: { what, why, remedy, ...(fault instanceof BodyFault && fault.place) } }),
  );
  response.setHeader("content-type", "application/json");
  response.setHeader("content-length", body.length);
  if (status === 503) response.setHeader("retry-after", retryAfterS);
  if (status === 405) response.setHeader("allow", "POST");
  if (request.complete) {
    response.writeHead(status).end(body);
    return status;
  }
  response.setHeader("connection", "close");
  response.writeHead(status);
  answerEarly(request, response, body, drainBytesMax);
  return status;
}

/**
 * Answers before the body has come. Closing at once would reset the connection, and the client, still writing, would
 * never read why: so the answer goes out whole, some more of the body is read and thrown away, then the connection
 * ends, by the client's hand or at the latest by the request's own time-out.
 */
function answerEarly(request: IncomingMessage, response: ServerResponse, body: Buffer, drainBytesMax: number): void {
  let drainedBytes = 0;
  response.write(body);
  request.on("data", (chunk: Buffer) => {
    drainedBytes += chunk.length;
    if (drainedBytes > drainBytesMax) request.destroy();
  });
  request.on("end", () => response.end());
  request.resume();
}
