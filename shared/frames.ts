/**
 * Follows the packets of an MQTT 3.1.1 byte stream by their fixed headers (§2.2) alone, so that a packet that is too
 * large or not allowed is refused on its first bytes, before a parser gathers it (I8). The parsers that we use have no
 * limit of their own: an unauthenticated socket once filled 200 MB of one with a single CONNECT.
 */
import { batchBytesMax, identifierLengthMax } from "./limits.ts";
import { topicDown } from "./topics.ts";

/** MQTT control packet types. */
export const packetType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
} as const;

/**
 * Largest packet that is not a PUBLISH; a CONNECT with the longest names and secret takes under 400 bytes. A SUBSCRIBE of
 * n topics is answered in n bytes, and for each new n the broker's encoder keeps up to 64 kB (publish.ts): with 4 kB one
 * agent made it hold 54 MB, with 512 bytes 7 MB.
 */
const controlBytesMax = 512;
/** Largest PUBLISH: two bytes of topic length, the longest topic, two bytes of packet id, the payload. */
export const publishBytesMax = batchBytesMax + topicDown("a".repeat(identifierLengthMax)).length + 4;

/** Says what is wrong with a packet of this first byte and remaining length; undefined where nothing is. */
export type FrameRule = (type: number, flags: number, lengthBytes: number) => string | undefined;

/**
 * The rule for a packet of a peer that may send `types`: sizes, and the PUBLISH flags that this protocol never sets
 * (QoS 2 and retained messages would make the other side store something).
 */
export function frameFault(types: readonly number[], type: number, flags: number, bytes: number): string | undefined {
  if (!types.includes(type)) return `an MQTT packet of type ${type} is not allowed here`;
  if (type !== packetType.publish) {
    return bytes > controlBytesMax ? `an MQTT packet of type ${type} and ${bytes} bytes is too large` : undefined;
  }
  if ((flags & 0b0001) !== 0) return "retained messages are not allowed";
  if ((flags & 0b0110) > 0b0010) return "messages of QoS 2 are not allowed";
  return bytes > publishBytesMax ? `a message of ${bytes} bytes is too large; at most ${publishBytesMax}` : undefined;
}

/** Takes the next bytes of the stream and returns the first fault; it must not be called again after one. */
export type FrameScanner = (chunk: Uint8Array) => string | undefined;

/** Starts a scanner at the beginning of a stream. It keeps a few numbers and copies nothing. */
export function scanFrames(rule: FrameRule): FrameScanner {
  let header = -1;
  let length = 0;
  let lengthShift = 0;
  /** Bytes of the body still to come. */
  let bytesLeft = 0;

  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      if (bytesLeft > 0) {
        const taken = Math.min(bytesLeft, chunk.length - at);
        bytesLeft -= taken;
        at += taken;
        continue;
      }
      const byte = chunk[at++] as number;
      if (header === -1) {
        header = byte;
        continue;
      }
      length |= (byte & 0x7f) << lengthShift;
      if ((byte & 0x80) !== 0) {
        lengthShift += 7;
        if (lengthShift > 21) return "the length of an MQTT packet is malformed";
        continue;
      }
      const fault = rule(header >> 4, header & 0x0f, length);
      if (fault !== undefined) return fault;
      bytesLeft = length;
      [header, length, lengthShift] = [-1, 0, 0];
    }
    return undefined;
  };
}
