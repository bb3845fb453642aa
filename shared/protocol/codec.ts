/**
 * Turns protocol messages into wire bytes and back. Decoding trusts nothing: the size is checked before the bytes are
 * looked at, CBOR is scanned before it is parsed, and every field is checked before a state machine sees it.
 */
import { decodeCbor, encodeCbor } from "../cbor.ts";
import { Fault } from "../errors.ts";
import { batchBytesMax } from "../limits.ts";
import * as field from "./fields.ts";
import { fromWire } from "./from-wire.ts";
import type { Message } from "./messages.ts";
import { toWire } from "./to-wire.ts";

/**
 * The wire form of a message.
 * @throws Fault `too-large` where it exceeds the limit of the protocol version: the cut must not let that happen
 */
export function encodeMessage(message: Message): Uint8Array {
  const bytes = encodeCbor(toWire(message));
  if (bytes.length > batchBytesMax) {
    throw new Fault("too-large", { what: `a ${message.type} of ${bytes.length} bytes exceeds the protocol's limit` });
  }
  return bytes;
}

/**
 * Reads a message from outside.
 * @throws Fault `too-large` or `protocol`; nothing else, whatever the bytes
 */
export function decodeMessage(bytes: Uint8Array): Message {
  return fromWire(readItems(bytes));
}

/** The nonce of a message that `decodeMessage` refused, where at least that can be read: an answer needs it. */
export function nonceOf(bytes: Uint8Array): string | undefined {
  try {
    return field.nonce(readItems(bytes)[1]);
  } catch {
    return undefined;
  }
}

function readItems(bytes: Uint8Array): readonly unknown[] {
  if (bytes.length > batchBytesMax) {
    throw new Fault("too-large", { what: `a message of ${bytes.length} bytes exceeds the protocol's limit` });
  }
  let items: unknown;
  try {
    items = decodeCbor(bytes);
  } catch (error) {
    throw new Fault("protocol", { what: "a message cannot be read", cause: error });
  }
  if (!Array.isArray(items)) throw field.malformed("a message is an array");
  return items;
}
