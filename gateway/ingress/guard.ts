/**
 * The guard between a socket and the broker: it looks at the fixed header of every MQTT packet and ends the connection
 * before the broker gathers one that is too large or not allowed. The broker reads and writes it as if it were the
 * socket; bytes pass through uncopied, and back-pressure holds in both directions (I8).
 */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Env } from "../../shared/env.ts";
import { frameFault, packetType, scanFrames } from "../../shared/frames.ts";

/** How long a closed connection may take to deliver what was written to it, such as a CONNACK that says why. */
const lingerMs = 1_000;
/**
 * How long a peer may take none of what was written to it; on a slow link the kernel's buffer alone lasts seconds. The
 * broker has such a time-out too, of a minute, but only for what it writes itself, and answers go past it.
 */
const drainTimeoutMs = 30_000;

export interface Guard {
  /** What the broker talks to. */
  readonly stream: Duplex;
  /** Allows what an authenticated agent may send; before, only control packets pass. */
  admit(): void;
  /** While held, no more bytes pass to the broker than those it has been offered, at most two chunks of a socket. */
  hold(held: boolean): void;
}

const { connect, publish, puback, subscribe, unsubscribe, pingreq, disconnect } = packetType;
const controlTypes = [connect, subscribe, unsubscribe, pingreq, disconnect];
const agentTypes = [...controlTypes, publish, puback];

/**
 * Puts a guard before a connected socket.
 * @param refused is told why the guard ended the connection
 */
export function guardSocket(socket: Socket, env: Env, refused: (why: string) => void): Guard {
  // The first packet must be CONNECT [MQTT-3.1.0-1].
  let types: readonly number[] = [connect];
  let isOpen = true;
  let isHeld = false;
  let isFull = false;
  const flow = (): unknown => (isHeld || isFull || !isOpen ? socket.pause() : socket.resume());

  const scan = scanFrames((type, flags, lengthBytes) => {
    const fault = frameFault(types, type, flags, lengthBytes);
    if (types.length === 1) types = controlTypes;
    return fault;
  });

  const stream = new Duplex({
    readableHighWaterMark: 64 * 1024,
    writableHighWaterMark: 64 * 1024,
    // An agent that ends its side has gone: nothing of this protocol is answered after it.
    allowHalfOpen: false,
    read() {
      isFull = false;
      flow();
    },
    writev(chunks, done) {
      const frozen = env.after(drainTimeoutMs, () => end("it takes no bytes"));
      const taken = (error?: Error | null): void => {
        frozen.cancel();
        done(error);
      };
      socket.cork();
      chunks.forEach(({ chunk }, index) => {
        socket.write(chunk, index === chunks.length - 1 ? taken : undefined);
      });
      socket.uncork();
    },
    final(done) {
      socket.end(done);
    },
    destroy(error, done) {
      isOpen = false;
      flow();
      socket.destroySoon();
      // A frozen peer never takes the rest.
      const linger = env.after(lingerMs, () => socket.destroy());
      socket.once("close", () => linger.cancel());
      done(error);
    },
  });

  function end(why: string): void {
    if (!isOpen) return;
    refused(why);
    stream.destroy();
  }

  socket.on("data", (chunk: Buffer) => {
    if (!isOpen) return;
    const fault = scan(chunk);
    if (fault !== undefined) return end(fault);
    if (stream.push(chunk)) return;
    isFull = true;
    flow();
  });
  socket.on("end", () => isOpen && stream.push(null));
  socket.on("error", () => stream.destroy());
  socket.on("close", () => stream.destroy());
  return {
    stream,
    admit() {
      types = agentTypes;
    },
    hold(held) {
      isHeld = held;
      flow();
    },
  };
}
