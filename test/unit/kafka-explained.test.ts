/** What a refused commit says: what `check` would find. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explained } from "../../gateway/queue/kafka/explained.ts";
import { inspectTopics } from "../../gateway/queue/kafka/topics/topics.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { Fault, type FaultCode } from "../../shared/errors.ts";
import { fakeAdmin, foundTopic, kafkaSettings } from "../fakes/kafka-admin.ts";

const topic = { partitions: 1, replication: 3, configs: { "cleanup.policy": "delete" } };

/** Fails as a queue does whose cluster refuses it, or is away. */
function failing(code: FaultCode): Queue {
  const fault = new Fault(code, { what: "it does not work", why: "error 29", remedy: "look", retryable: true });
  return { commit: () => Promise.reject(fault) } as unknown as Queue;
}

test("a refused commit names the right that is missing, and the command that gives it", async () => {
  const admin = fakeAdmin();
  const { topic: readings, lossTopic, deadLetterTopic, positionsTopic } = kafkaSettings;
  for (const name of [readings, `${lossTopic}`, deadLetterTopic]) admin.topics.set(name, foundTopic(topic));
  admin.topics.set(positionsTopic, foundTopic({ ...topic, configs: { "cleanup.policy": "compact" } }));
  const settings = { ...kafkaSettings, settleMs: 20 };
  const inspect = () => inspectTopics(admin, settings);
  const plain = { code: "unauthorised", why: "error 29", remedy: "look" };
  await assert.rejects(explained(failing("unauthorised"), inspect).commit([], []), plain);
  admin.topics.set(readings, { ...foundTopic(topic), missingRights: ["Write"] });
  await assert.rejects(explained(failing("unauthorised"), inspect).commit([], []), {
    code: "unauthorised",
    retryable: true,
    what: "it does not work",
    why: /holdfast\.readings does not give this gateway the right to Write/,
    remedy: /kafka-acls\.sh .*--operation Write --topic holdfast\.readings/,
  });
});

test("a cluster that is away is not asked, and one that lets nobody in hides nothing", async () => {
  const never = () => Promise.reject(new Error("it was asked"));
  await assert.rejects(explained(failing("unavailable"), never).commit([], []), { code: "unavailable" });
  await assert.rejects(explained(failing("unauthorised"), never).commit([], []), { why: "error 29" });
});
