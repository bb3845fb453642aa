/** An MQTT client that sends a gateway whatever it is told, right or wrong, and collects what comes back. */
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import mqtt from "mqtt";
import { until } from "../../demo/waiting.ts";
import { clientIdOf } from "../../shared/client-id.ts";
import { decodeMessage, encodeMessage } from "../../shared/protocol/codec.ts";
import type { Message, Welcome } from "../../shared/protocol/messages.ts";
import { topicDown, topicUp } from "../../shared/topics.ts";
import { type AgentLane, helloOf } from "./agent-lane.ts";

export interface Peer {
  readonly answers: Message[];
  send(message: Message): void;
  sendBytes(bytes: Uint8Array, topic?: string): void;
  isClosed(): boolean;
  /**
   * Says HELLO for a lane; resolves with the gateway's WELCOME.
   * @throws Error where the gateway ends the connection instead
   */
  greet(lane: AgentLane): Promise<Welcome>;
  close(): void;
}

export interface PeerOptions {
  readonly port: number;
  readonly agent: string;
  readonly password: string;
  readonly clientId?: string;
}

/**
 * Connects and listens to the agent's own topic.
 * @throws Error where the gateway refuses
 */
export async function connectPeer(t: TestContext, options: PeerOptions): Promise<Peer> {
  const { port, agent, password } = options;
  const clientId = options.clientId ?? clientIdOf(agent, randomBytes(8));
  const login = { clientId, username: agent, password, clean: true, protocolVersion: 4, keepalive: 60 } as const;
  const where = { host: "127.0.0.1", port, reconnectPeriod: 0, connectTimeout: 5_000, ...login };
  const client = await mqtt.connectAsync(where);
  const answers: Message[] = [];
  let closed = false;
  client.on("message", (_, payload) => void answers.push(decodeMessage(payload)));
  client.on("error", () => undefined);
  client.on("close", () => (closed = true));
  t.after(() => client.end(true));
  await client.subscribeAsync(topicDown(agent), { qos: 1 });
  const sendBytes: Peer["sendBytes"] = (bytes, topic = topicUp(agent)) => {
    client.publish(topic, Buffer.from(bytes), { qos: 1 }, () => undefined);
  };
  const send = (message: Message): void => sendBytes(encodeMessage(message));
  return {
    answers,
    send,
    sendBytes,
    isClosed: () => closed,
    async greet(lane) {
      const from = answers.length;
      send({ ...helloOf(lane), groupId: null });
      const found = await until("the gateway answers", () => {
        return (
          answers.slice(from).find((answer): answer is Welcome => answer.type === "welcome") ?? (closed && "closed")
        );
      });
      if (found === "closed") throw new Error("the gateway ended the connection");
      return found;
    },
    close: () => void client.end(true),
  };
}
