import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { describe, it } from "node:test";
import { guardSocket, pieceBytes } from "../../agent/uplink/guard.ts";
import { batchBytesMax } from "../../shared/limits.ts";
import { until } from "../fakes/mqtt-setup.ts";

/** A guard before a socket that takes what is written only when told to, and what the guard told. */
function guarded(rule: (type: number, flags: number, bytes: number) => string | undefined = () => undefined) {
  const written: Buffer[] = [];
  const told: string[] = [];
  let take: ((error?: Error) => void) | undefined;
  const socket = new Duplex({
    highWaterMark: pieceBytes,
    read: () => undefined,
    writev(chunks, done) {
      written.push(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)));
      take = done;
    },
  });
  socket.on("error", () => told.push("socket failed"));
  const stream = guardSocket(socket, rule, {
    alive: () => told.push("alive"),
    refused: (why) => told.push(why),
  });
  stream.on("error", () => told.push("stream failed"));
  return {
    ...{ socket, stream, written, told },
    /** The socket takes what it has been given. */
    take: async (error?: Error): Promise<void> => {
      await until("something was written", () => take !== undefined);
      const done = take;
      take = undefined;
      done?.(error);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe("the guard before the link's socket", () => {
  it("passes a batch in pieces, each a sign of life once it was taken, and says when all are", async () => {
    const { stream, take, told, written } = guarded();
    const batch = Buffer.alloc(pieceBytes * 2 + 10, 7);
    let isTaken = false;
    stream.cork();
    for (const part of [Buffer.of(0x30, 1, 2), batch]) stream.write(part);
    stream.write("", () => (isTaken = true));
    stream.uncork();
    for (const signs of [1, 2]) {
      await take();
      assert.deepEqual([told.length, isTaken], [signs, false]);
    }
    await take();
    assert.deepEqual([told, isTaken], [["alive", "alive"], true]);
    assert.deepEqual(
      written.map((each) => each.length),
      [pieceBytes, pieceBytes, 13],
    );
    assert.deepEqual(Buffer.concat(written), Buffer.concat([Buffer.of(0x30, 1, 2), batch]));
  });

  it("takes no small write for a sign of life, since a kernel accepts it on a dead link too (I7)", async () => {
    const { stream, take, told } = guarded();
    stream.write(Buffer.of(0xc0, 0));
    await take();
    assert.deepEqual(told, []);
  });

  it("reads on while the largest batch waits, but not while acknowledgements pile up behind it (I8)", async () => {
    const { socket, stream, take } = guarded();
    let heard = 0;
    stream.on("data", () => {
      heard++;
      stream.write(Buffer.of(0x40, 2, 0, 1));
    });
    stream.write(Buffer.alloc(batchBytesMax));
    for (let sent = 0; sent < pieceBytes && !socket.isPaused(); sent++) {
      socket.push(Buffer.of(0x30, 0));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(heard, pieceBytes / 4);
    while (socket.isPaused()) await take();
  });

  it("lets bytes in only where the rule allows their packet, and never reads on after a fault (I8)", async () => {
    const { socket, stream, told } = guarded((type) => (type === 3 ? undefined : `type ${type}`));
    const read: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => read.push(chunk));
    socket.push(Buffer.of(0x30, 1, 9));
    await until("it was read", () => read.length === 1);
    socket.push(Buffer.of(0x40, 0xff, 0xff, 0x7f));
    socket.push(Buffer.of(0x50, 0));
    await until("it is gone", () => stream.destroyed && socket.destroyed);
    assert.deepEqual([told, Buffer.concat(read)], [["alive", "type 4"], Buffer.of(0x30, 1, 9)]);
  });

  it("holds the socket back while nobody reads (I8)", async () => {
    const { socket } = guarded();
    for (let sent = 0; sent < 100 && !socket.isPaused(); sent++) {
      socket.push(Buffer.alloc(pieceBytes));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(socket.isPaused(), true);
  });

  it("lets go of what waits when the socket fails, and leaves telling it to the socket", async () => {
    const { stream, take, told } = guarded();
    let released = 0;
    stream.write(Buffer.alloc(pieceBytes * 3), () => released++);
    stream.write("", () => released++);
    await take(new Error("reset"));
    await until("both are let go", () => released === 2);
    assert.deepEqual(told, ["socket failed"]);
    assert.equal(stream.destroyed, true);
  });
});
