/** The agent's side of MQTT against peers that are no gateway, silent, slow or gone. */
import assert from "node:assert/strict";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { realEnv } from "../../shared/env.ts";
import { batchBytesMax } from "../../shared/limits.ts";
import { releaseStartMemory } from "../../shared/memory.ts";
import { hastyEnv, openLink, startLink, until } from "../fakes/mqtt-setup.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

describe("the link to something that is no gateway (I8, I9)", () => {
  async function fakeServer(t: TestContext, answer: (data: Buffer) => Uint8Array | null) {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (data) => {
        const bytesBack = answer(data);
        if (bytesBack === null) socket.destroy();
        else socket.write(bytesBack);
      });
      t.after(() => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const suback = (data: Buffer, code = 1): Buffer => Buffer.from([0x90, 3, data[2]!, data[3]!, code]);
  const polite = (data: Buffer): Buffer => (data[0] === 0x10 ? Buffer.from([0x20, 2, 0, 0]) : suback(data));

  const answers: [string, (data: Buffer) => Uint8Array | null, string][] = [
    ["garbage", () => Buffer.from("SSH-2.0-OpenSSH_9.2\r\n"), "refused"],
    ["an endless packet", () => Buffer.from([0x20, 0xff, 0xff, 0xff, 0x7f]), "refused"],
    ["a malformed length", () => Buffer.from([0x20, 0xff, 0xff, 0xff, 0xff, 1]), "refused"],
    ["a message before the subscription", () => Buffer.from([0x30, 3, 0, 1, 97]), "refused"],
    ["return code 1", () => Buffer.from([0x20, 2, 0, 1]), "refused"],
    ["return code 3", () => Buffer.from([0x20, 2, 0, 3]), "lost"],
    ["return code 4", () => Buffer.from([0x20, 2, 0, 4]), "unauthorised"],
    ["return code 5", () => Buffer.from([0x20, 2, 0, 5]), "unauthorised"],
    ["a refused topic", (data) => (data[0] === 0x10 ? polite(data) : suback(data, 0x80)), "refused"],
    ["another topic", (data) => Buffer.concat([polite(data), Buffer.from([0x30, 3, 0, 1, 97])]), "refused"],
    ["a hang-up", () => null, "lost"],
    ["silence", () => new Uint8Array(0), "timeout"],
  ];
  for (const [name, answer, reason] of answers) {
    it(`ends with "${reason}" after ${name}`, async (t) => {
      const env = reason === "timeout" ? hastyEnv(5_000) : realEnv();
      const session = startLink(t, { url: await fakeServer(t, answer) }, env);
      await until("it is down", () => session.told.length > 0);
      assert.deepEqual([session.told, session.downs[0]?.reason], [["down"], reason]);
    });
  }

  it("notices a gateway that went silent", async (t) => {
    const session = startLink(t, {
      url: await fakeServer(t, (data) => (data[0] === 0xc0 ? Buffer.of() : polite(data))),
      keepAliveMs: 40,
    });
    await until("it is down", () => session.told.length === 2);
    assert.deepEqual([session.told, session.downs[0]?.reason], [["up", "down"], "timeout"]);
  });

  for (const url of [
    "mqtt://192.0.2.1",
    "http://127.0.0.1",
    "mqtts://u:p@host",
    "mqtts://host/path",
    "",
    "x".repeat(9_999),
  ]) {
    it(`refuses the URL "${url.slice(0, 30)}" without connecting`, async (t) => {
      const session = startLink(t, { url });
      assert.deepEqual(session.told, [], "nothing is told from inside connect");
      await until("it is down", () => session.told.length === 1);
      assert.equal(session.downs[0]?.reason, "refused");
    });
  }

  it("says in MQTT 3.1.1 who it is, for how long to wait for it, and asks for no acknowledgements", async (t) => {
    const said: Buffer[] = [];
    const url = await fakeServer(t, (data) => {
      said.push(data);
      return data[0] === 0x10 || data[0] === 0x82 ? polite(data) : Buffer.of();
    });
    const patience: number[] = [];
    for (const keepAliveMs of [60_000, 1_200_000, 86_400_000]) {
      const { link } = await openLink(t, { url, secret: "pw", keepAliveMs });
      await link.send(bytes("hi"));
      link.close();
      await until("all was said", () => said.at(-1)?.at(-2) === 0xe0);
      const [connect, subscribe, ...rest] = said.splice(0);
      patience.push(connect!.readUInt16BE(10));
      const clientId = connect!.subarray(14, 14 + 23).toString();
      assert.match(clientId, /^pump-1\.[0-9a-f]{16}$/);
      const head = Buffer.from([0x10, 47, 0, 4, 77, 81, 84, 84, 4, 0b1100_0010, ...connect!.subarray(10, 12), 0, 23]);
      const names = Buffer.from(`${clientId}\0\x06pump-1\0\x02pw`);
      assert.deepEqual(connect, Buffer.concat([head, names]));
      assert.deepEqual(subscribe?.subarray(4), Buffer.from("\0\x16holdfast/1/pump-1/down\0"));
      assert.deepEqual(Buffer.concat(rest), Buffer.from("0\x18\0\x14holdfast/1/pump-1/uphi\xe0\0", "latin1"));
    }
    assert.deepEqual(patience, [600, 3_600, 7_200]);
  });

  /** A gateway that welcomes the link, hands over the socket and then reads no further. */
  async function frozenServer(t: TestContext): Promise<{ url: string; socket: () => Socket | undefined }> {
    let last: Socket | undefined;
    const frozen = createServer((socket) => {
      last = socket;
      t.after(() => socket.destroy());
      socket.on("data", (data) => {
        socket.write(polite(data));
        if (data[0] === 0x82) socket.pause();
      });
    });
    await new Promise<void>((resolve) => frozen.listen(0, "127.0.0.1", resolve));
    t.after(() => frozen.close());
    return { url: `mqtt://127.0.0.1:${(frozen.address() as AddressInfo).port}`, socket: () => last };
  }

  it("keeps nothing of messages of ever new lengths (I8)", async (t) => {
    const url = await fakeServer(t, (data) => (data[0] === 0x10 || data[0] === 0x82 ? polite(data) : Buffer.of()));
    const { link } = await openLink(t, { url });
    const held = (): number => {
      releaseStartMemory();
      return process.memoryUsage().arrayBuffers;
    };
    const before = held();
    // Cut from the pool of small Buffers, as what is read from the store is: whoever keeps four bytes of it keeps all.
    for (let bytes = 3_000; bytes < 3_900; bytes++) await link.send(Buffer.allocUnsafe(bytes));
    assert.ok(held() - before < 500_000, `${held() - before} bytes of 3 MB are held`);
  });

  it("holds a sender back while the gateway takes nothing, hears it, and lets go when the session ends", async (t) => {
    const { url, socket } = await frozenServer(t);
    const { link, messages } = await openLink(t, { url });
    let sent = 0;
    const sender = (async () => {
      for (; sent < 200; sent++) await link.send(new Uint8Array(batchBytesMax));
    })();
    let before = -1;
    await until("the kernel takes no more", () => {
      const stands = sent === before;
      before = sent;
      return stands && sent > 0;
    });
    // The kernel's buffers took a few batches, the sender's own memory one.
    assert.ok(sent < 40, `${sent} batches were sent to a frozen gateway`);
    const topic = Buffer.from("\0\x16holdfast/1/pump-1/down");
    // QoS 1, so that an acknowledgement must queue behind the batch.
    const message = Buffer.concat([Buffer.of(0x32, topic.length + 3), topic, Buffer.from([0, 1, 33])]);
    for (let count = 0; count < 3; count++) socket()?.write(message);
    await until("the link heard", () => messages.length === 3);
    link.close();
    await sender;
    assert.equal(sent, 200);
  });
});
