/**
 * The stream that the MQTT client takes for its socket. The client needs both halves: its parser gathers packets of any
 * size (I8), and a socket that takes a batch over minutes says nothing until it has taken it all.
 */
import { Duplex } from "node:stream";
import { type FrameRule, scanFrames } from "../../shared/frames.ts";
import { batchBytesMax } from "../../shared/limits.ts";

/**
 * The socket gets a batch in pieces of this size, each after the one before was taken: at 5 kbit/s a sign of life
 * comes every half minute. It is also what one TLS record holds.
 */
export const pieceBytes = 16 * 1024;
/**
 * Unsent bytes beyond which nothing more is read: the client acknowledges each QoS 1 message, however many of its
 * acknowledgements wait (I8). A batch has room, so that messages arrive while it is still going out.
 */
const unsentBytesMax = batchBytesMax + pieceBytes;

export interface GuardEvents {
  /** The other side is there: bytes arrived, or a whole piece left. */
  alive(): void;
  /** What arrived is not allowed; the stream is destroyed. */
  refused(why: string): void;
}

/** Puts a guard before a socket, which it destroys with itself. It tells no error: the socket's owner hears those. */
export function guardSocket(socket: Duplex, rule: FrameRule, events: GuardEvents): Duplex {
  const scan = scanFrames(rule);
  let isFull = false;
  const flow = (): unknown => (isFull || stream.writableNeedDrain ? socket.pause() : socket.resume());
  const stream = new Duplex({
    writableHighWaterMark: unsentBytesMax,
    read() {
      isFull = false;
      flow();
    },
    writev(chunks, done) {
      const rest = chunks.map(({ chunk }) => chunk as Uint8Array).filter(({ length }) => length > 0);
      writePieces(socket, rest, () => events.alive(), done);
    },
    final(done) {
      socket.end(done);
    },
    destroy(_, done) {
      socket.destroy();
      done(null);
    },
  });

  socket.on("data", (chunk: Buffer) => {
    if (stream.destroyed) return;
    const fault = scan(chunk);
    if (fault !== undefined) {
      stream.destroy();
      events.refused(fault);
      return;
    }
    events.alive();
    isFull = !stream.push(chunk);
    flow();
  });
  stream.on("drain", flow);
  socket.on("close", () => stream.destroy());
  return stream;
}

/** Writes `rest`, which it uses up. Chunks that fit one piece leave together: apart, each would cost a TLS record. */
function writePieces(socket: Duplex, rest: Uint8Array[], took: () => void, done: () => void): void {
  if (rest.length === 0) {
    done();
    return;
  }
  let room = pieceBytes;
  const taken = (error?: Error | null): void => {
    // The kernel takes a probe of two bytes on a dead link too; only whole pieces show that what left before arrives.
    if (room === 0 && !error) took();
    writePieces(socket, error ? [] : rest, took, done);
  };
  socket.cork();
  while (room > 0 && rest.length > 0) {
    const chunk = rest.shift() as Uint8Array;
    if (chunk.length > room) rest.unshift(chunk.subarray(room));
    const piece = chunk.subarray(0, room);
    room -= piece.length;
    socket.write(piece, room === 0 || rest.length === 0 ? taken : undefined);
  }
  socket.uncork();
}
