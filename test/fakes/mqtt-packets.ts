/** The MQTT 3.1.1 packets that an agent sends, as bytes, so that tests can send wrong ones past the library. */

export interface Connect {
  readonly clientId: string;
  readonly username: string;
  readonly password: string;
  /** Whole seconds, at most 65,535. */
  readonly keepAliveSeconds: number;
}

/** Protocol name and level 4, then the flags for user name, password and clean session. */
const protocol = Buffer.from([0, 4, 77, 81, 84, 84, 4, 0b1100_0010]);

export function connectPacket({ clientId, username, password, keepAliveSeconds }: Connect): Buffer {
  const body = [protocol, twoBytes(keepAliveSeconds), text(clientId), text(username), text(password)];
  return packet(0x10, Buffer.concat(body));
}

/** Subscribes to one topic with QoS 1. */
export function subscribePacket(id: number, topic: string): Buffer {
  return packet(0x82, Buffer.concat([twoBytes(id), text(topic), Buffer.of(1)]));
}

/** Everything of a QoS 1 PUBLISH before its payload. */
export function publishHead(id: number, topic: string, payloadBytes: number): Buffer {
  return packet(0x32, Buffer.concat([text(topic), twoBytes(id)]), payloadBytes);
}

function packet(header: number, body: Buffer, payloadBytes = 0): Buffer {
  const head = [header];
  let rest = body.length + payloadBytes;
  do {
    head.push(rest > 127 ? (rest & 0x7f) | 0x80 : rest);
    rest >>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from(head), body]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([twoBytes(bytes.length), bytes]);
}

function twoBytes(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}
