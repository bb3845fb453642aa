import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { describe, it } from "node:test";
import { addAgent, removeAgent } from "../../gateway/ingress/credentials.ts";
import { realEnv } from "../../shared/env.ts";
import { batchBytesMax } from "../../shared/limits.ts";
import { hastyEnv, openLink, rawPeer, startGateway, startLink, targetOf, until } from "../fakes/mqtt-setup.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const texts = (messages: readonly Uint8Array[]): string[] => messages.map((each) => Buffer.from(each).toString());

describe("an MQTT session", () => {
  it("carries messages of every size in both directions, whole and in order", async (t) => {
    const gateway = await startGateway(t);
    const session = await openLink(t, targetOf(gateway));
    const sizes = [0, 1, 127, 128, 16_383, 16_384, 65_536, batchBytesMax];
    const payloads = sizes.map((size, index) => new Uint8Array(size).fill(index + 1));
    for (const payload of payloads) await session.link.send(payload);
    await until("all arrived", () => gateway.received.length === sizes.length);
    assert.deepEqual(
      gateway.received.map(({ agent, payload }) => ({ agent, same: Buffer.compare(payload, payloads.shift()!) === 0 })),
      sizes.map(() => ({ agent: "pump-1", same: true })),
    );
    for (const { payload } of gateway.received) assert.equal(await gateway.broker.send("pump-1", payload), true);
    await until("all came back", () => session.messages.length === sizes.length);
    session.messages.forEach((message, index) => {
      assert.equal(Buffer.compare(message, gateway.received[index]!.payload), 0);
    });
    assert.deepEqual(session.told, ["up"]);
  });

  it("lets two clones of one agent work side by side", async (t) => {
    const gateway = await startGateway(t);
    const clones = [await openLink(t, targetOf(gateway)), await openLink(t, targetOf(gateway))];
    assert.equal(gateway.broker.connections(), 2);
    for (const clone of clones) await clone.link.send(bytes("mine"));
    await until("both arrived", () => gateway.received.length === 2);
    assert.equal(await gateway.broker.send("pump-1", bytes("to both")), true);
    await until("both heard", () => clones.every(({ messages }) => messages.length === 1));
    assert.deepEqual(
      clones.map(({ told }) => told),
      [["up"], ["up"]],
    );
  });

  it("sends nothing to other agents, and says so where nobody listens", async (t) => {
    const gateway = await startGateway(t);
    const one = await openLink(t, targetOf(gateway, "pump-1"));
    const two = await openLink(t, targetOf(gateway, "pump-2"));
    assert.equal(await gateway.broker.send("pump-9", bytes("nobody")), false);
    assert.equal(await gateway.broker.send("pump-2", bytes("for two")), true);
    await until("two heard", () => two.messages.length === 1);
    assert.deepEqual([texts(one.messages), texts(two.messages)], [[], ["for two"]]);
  });

  it("takes the messages of a connection one after the other", async (t) => {
    const order: string[] = [];
    const gateway = await startGateway(t, {
      async onMessage(_, payload) {
        const text = Buffer.from(payload).toString();
        order.push(`${text} begins`);
        // The first takes longest: without order, the later ones would overtake it.
        await new Promise((resolve) => setTimeout(resolve, text === "a" ? 20 : 0));
        order.push(`${text} ends`);
      },
    });
    const { link } = await openLink(t, targetOf(gateway));
    for (const text of ["a", "b", "c"]) await link.send(bytes(text));
    await until("all were taken", () => order.length === 6);
    assert.deepEqual(order, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  });

  it("delivers what was sent before close, and tells nothing after it", async (t) => {
    const gateway = await startGateway(t);
    const { link, told } = await openLink(t, targetOf(gateway));
    await link.send(new Uint8Array(batchBytesMax));
    await link.send(bytes("last"));
    link.close();
    await until("both arrived", () => gateway.received.length === 2);
    await until("the session is gone", () => gateway.broker.connections() === 0);
    await link.send(bytes("too late"));
    assert.deepEqual(told, ["up"]);
  });

  it("tells the owner once when the gateway stops, and a new session works after its restart", async (t) => {
    const first = await startGateway(t);
    const session = await openLink(t, targetOf(first));
    const port = first.broker.ports.plain!;
    await first.broker.stop();
    await until("the link is down", () => session.told.length === 2);
    assert.equal(session.downs[0]?.reason, "lost");
    await session.link.send(bytes("into the void"));

    const away = startLink(t, targetOf(first));
    await until("nobody answers", () => away.told.length === 1);
    assert.equal(away.downs[0]?.reason, "lost");

    const second = await startGateway(t, { listen: { host: "127.0.0.1", port } });
    const again = await openLink(t, targetOf(second));
    await again.link.send(bytes("back"));
    await until("it arrived", () => second.received.length === 1);
    assert.deepEqual([session.told, away.told], [["up", "down"], ["down"]]);
  });

  it("ends the sessions of a removed agent, also where it was added again, and of no other", async (t) => {
    // Only the look for removed agents: on a busy machine a hasty admission would turn agents away (seen).
    const gateway = await startGateway(t, { env: hastyEnv(2_000, 2_000) });
    const gone = await openLink(t, targetOf(gateway, "pump-1"));
    const kept = await openLink(t, targetOf(gateway, "pump-2"));
    removeAgent(gateway.folder, "pump-1");
    addAgent(gateway.folder, "pump-1", realEnv());
    await until("it is out", () => gone.told.length === 2);
    const again = startLink(t, targetOf(gateway, "pump-1"));
    await until("it stays out", () => again.told.length === 1);
    assert.equal(again.downs[0]?.reason, "unauthorised");
    await kept.link.send(bytes("still here"));
    await until("the other works", () => gateway.received.length === 1);
  });

  it("keeps the last good credentials while the file is damaged", async (t) => {
    const gateway = await startGateway(t);
    const { writeFileSync } = await import("node:fs");
    writeFileSync(`${gateway.folder}/agents.json`, '{"format": 1, "agents": [{"agent": "pump-1"');
    await openLink(t, targetOf(gateway));
    assert.equal(gateway.log.filter((line) => line.includes("cannot be used")).length, 1);
    rmSync(`${gateway.folder}/agents.json`);
    const out = startLink(t, targetOf(gateway));
    await until("a removed file removes all", () => out.told.length === 1);
    assert.equal(out.downs[0]?.reason, "unauthorised");
  });
});

describe("the listeners", () => {
  it("refuse plain MQTT on an address that is not loopback", async (t) => {
    await assert.rejects(startGateway(t, { listen: { host: "0.0.0.0", port: 0 } }), {
      code: "config",
      remedy: "Listen on 127.0.0.1, or use TLS with a certificate and a key.",
    });
  });

  it("name a port that is taken", async (t) => {
    const { broker } = await startGateway(t);
    const port = broker.ports.plain!;
    await assert.rejects(startGateway(t, { listen: { host: "127.0.0.1", port } }), { code: "unavailable" });
  });

  it("end a connection that shows no credential in time (I8)", async (t) => {
    const { broker } = await startGateway(t, { env: hastyEnv(20_000) });
    const stranger = await rawPeer(t, broker.ports.plain);
    await until("it is out", stranger.isClosed);
    assert.equal(stranger.bytes().length, 0);
  });

  it("turn strangers away beyond a number, while agents that are in stay in (I8)", async (t) => {
    const gateway = await startGateway(t);
    const agent = await openLink(t, targetOf(gateway));
    const strangers = await Promise.all(Array.from({ length: 220 }, () => rawPeer(t, gateway.broker.ports.plain)));
    await until("some are out", () => strangers.filter((each) => each.isClosed()).length === 20);
    assert.equal(gateway.log.filter((line) => line.includes("turned connections away")).length, 1);
    strangers[0]?.socket.destroy();
    await agent.link.send(bytes("still here"));
    await until("it arrived", () => gateway.received.length === 1);
    for (const each of strangers) each.socket.destroy();
    const late = await openLink(t, targetOf(gateway, "pump-2"));
    assert.deepEqual(late.told, ["up"]);
  });
});
