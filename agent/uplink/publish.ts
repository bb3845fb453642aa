/**
 * The head of an MQTT 3.1.1 PUBLISH at QoS 0 (§3.3). The client's own encoder keeps, for each length below 16 kB that it
 * ever wrote, the Buffer that it wrote the length in, and with it the 64 kB that Node cuts small Buffers from: 1,300
 * batches of a backlog left 21 MB behind, and all lengths together would take 1 GB (I8).
 */
import { packetType } from "../../shared/frames.ts";

/** What stands on the wire before a payload of `payloadBytes`. */
export function publishHead(topic: string, payloadBytes: number): Uint8Array {
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
