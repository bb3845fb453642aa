/** What the gateway sends to its agents: it goes past the broker's own encoder, on the same connections. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { clientIdOf, clientIdRandomBytes } from "../../shared/client-id.ts";
import { packetType, scanFrames } from "../../shared/frames.ts";
import { releaseStartMemory } from "../../shared/memory.ts";
import { topicDown, topicUp } from "../../shared/topics.ts";
import * as packets from "../fakes/mqtt-packets.ts";
import { type Gateway, hastyEnv, type RawPeer, rawPeer, startGateway, until } from "../fakes/mqtt-setup.ts";

/** A raw socket that is admitted as pump-1; once `listening`, the 9 bytes of CONNACK and SUBACK have come. */
async function admitted(t: TestContext, gateway: Gateway, listening: boolean): Promise<RawPeer> {
  const clientId = clientIdOf("pump-1", randomBytes(clientIdRandomBytes));
  const login = { clientId, username: "pump-1", password: gateway.secrets["pump-1"] };
  const peer = await rawPeer(t, gateway.broker.ports.plain);
  peer.socket.write(packets.connectPacket({ ...login, keepAliveSeconds: 60 }));
  if (listening) peer.socket.write(packets.subscribePacket(1, topicDown("pump-1")));
  await until("it is in", () => peer.bytes().length === (listening ? 9 : 4));
  return peer;
}

describe("what the gateway sends to an agent", () => {
  it("leaves nothing behind, of ever new lengths (I8)", async (t) => {
    const gateway = await startGateway(t);
    const peer = await admitted(t, gateway, true);
    peer.socket.removeAllListeners("data").resume();
    const held = (): number => {
      releaseStartMemory();
      return process.memoryUsage().arrayBuffers;
    };
    const before = held();
    // Cut from the pool of small Buffers, as an answer can be: whoever keeps four bytes of it keeps all.
    for (let bytes = 3_000; bytes < 3_900; bytes++) {
      assert.equal(await gateway.broker.send("pump-1", Buffer.allocUnsafe(bytes)), true);
    }
    assert.ok(held() - before < 500_000, `${held() - before} bytes of 3 MB are held`);
  });

  it("comes in order, whole, and never inside a packet of the broker", async (t) => {
    const gateway = await startGateway(t, {
      // Not awaited, so that answers and acknowledgements are written in the same turn.
      onMessage: (agent, payload) => void gateway.broker.send(agent, payload),
    });
    const peer = await admitted(t, gateway, true);
    const count = 300;
    const sizeOf = (index: number): number => (index * 97) % 20_000;
    for (let index = 0; index < count; index++) {
      peer.socket.write(packets.publishHead(index + 1, topicUp("pump-1"), sizeOf(index)));
      peer.socket.write(new Uint8Array(sizeOf(index)).fill(index));
    }
    const { puback, publish } = packetType;
    const found: number[][] = [];
    const framesIn = (): number => {
      found.length = 0;
      const fault = scanFrames((...frame) => void found.push(frame))(peer.bytes().subarray(9));
      assert.equal(fault, undefined);
      return found.length;
    };
    await until("all is answered", () => framesIn() === 2 * count);
    assert.equal(found.filter(([type, , length]) => type === puback && length === 2).length, count);
    const headBytes = 2 + topicDown("pump-1").length;
    const lengths = found.filter(([type]) => type === publish).map(([, , length]) => length);
    assert.deepEqual(
      lengths,
      Array.from({ length: count }, (_, index) => headBytes + sizeOf(index)),
    );
  });

  it("goes to no session that does not listen, and to none that has ended", async (t) => {
    const gateway = await startGateway(t);
    const deaf = await admitted(t, gateway, false);
    assert.equal(await gateway.broker.send("pump-1", Buffer.from("unheard")), false);
    const listener = await admitted(t, gateway, true);
    assert.equal(await gateway.broker.send("pump-1", Buffer.from("heard")), true);
    await until("it is heard", () => listener.bytes().toString().endsWith("heard"));
    assert.equal(deaf.bytes().length, 4);
    listener.socket.end(Buffer.of(0xe0, 0));
    await until("it has ended", listener.isClosed);
    assert.equal(await gateway.broker.send("pump-1", Buffer.from("too late")), false);
  });

  it("ends a session that takes none of it for too long, and tells the sender (I8)", async (t) => {
    const gateway = await startGateway(t, { env: hastyEnv(30_000) });
    const frozen = await admitted(t, gateway, true);
    frozen.socket.pause();
    const message = new Uint8Array(500_000);
    const answers: boolean[] = [];
    await until("it is out", () => {
      if (gateway.broker.connections() === 1)
        void gateway.broker.send("pump-1", message).then((took) => answers.push(took));
      return gateway.broker.connections() === 0;
    });
    await until("the last sender knows", () => answers.includes(false));
    assert.ok(gateway.log.some((line) => line.includes("takes no bytes")));
  });
});
