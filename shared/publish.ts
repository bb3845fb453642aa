/**
 * Writes an MQTT 3.1.1 PUBLISH at QoS 0 (§3.3) past the MQTT packages. Their encoder keeps, for each length below 16 kB
 * that it ever wrote, the Buffer that it wrote the length in, and with it the 64 kB that Node cuts small Buffers from:
 * 1,300 batches of a backlog left 21 MB behind in an agent, 4,000 answers 9 MB in a gateway, and all lengths together
 * would take 1 GB (I8).
 */
import type { Writable } from "node:stream";
import { packetType } from "./frames.ts";

/**
 * Writes one message to the stream of a session, in one piece. It may share the stream with an encoder that writes each
 * of its packets within one turn, as the packages do: neither can then get into a packet of the other.
 * @param taken is called once the stream took the message, or with the error that ended it
 */
export function writePublish(
  stream: Writable,
  topic: string,
  payload: Uint8Array,
  taken: (error: Error | null | undefined) => void,
): void {
  stream.cork();
  stream.write(publishHead(topic, payload.length));
  stream.write(payload, taken);
  stream.uncork();
}

/** What stands on the wire before a payload of `payloadBytes`. */
function publishHead(topic: string, payloadBytes: number): Uint8Array {
  const name = Buffer.from(topic);
  const head = [packetType.publish << 4];
  let length = 2 + name.length + payloadBytes;
  while (length > 0x7f) {
    head.push((length & 0x7f) | 0x80);
    length >>= 7;
  }
  head.push(length, name.length >> 8, name.length & 0xff);
  return Buffer.concat([Buffer.from(head), name]);
}
