/** A topic that is deleted with what was released there: nobody can write that again, so it is named. */
import assert from "node:assert/strict";
import { it } from "node:test";
import pino from "pino";
import { until } from "../../demo/waiting.ts";
import { emptyShard } from "../../gateway/queue/kafka/shard/derive.ts";
import { vanishedText, vanishedTopics } from "../../gateway/queue/kafka/shard/vanished.ts";
import { fakeCluster } from "../fakes/kafka-cluster.ts";
import { openTestQueue, topicsIn } from "../fakes/kafka-queue.ts";
import { laneOf, positionOf, readings } from "../fakes/outcomes.ts";

void it("names topics that are gone or made anew, those alone of which anything was released, and only of this cluster", () => {
  const bases = (topicId: string, newest: number[]) => ({ topicId, newest, previous: newest });
  const shard = {
    ...emptyShard,
    baseT: 7,
    bases: { kept: bases("1", [3]), gone: bases("2", [4, 0]), anew: bases("3", [5]), empty: bases("4", [0, 0]) },
    mirror: { anew: bases("9", [1]) },
  };
  const there = new Map([
    ["kept", { id: "1", partitions: 1 }],
    ["anew", { id: "8", partitions: 1 }],
  ]);
  const found = vanishedTopics(shard, there);
  assert.deepEqual(found, [
    { topic: "gone", isMadeAnew: false, baseT: 7, offsets: [4, 0] },
    { topic: "anew", isMadeAnew: true, baseT: 7, offsets: [5] },
  ]);
  const [gone, anew] = found.map((one) => vanishedText(2, one)) as [string, string];
  assert.match(gone, /^The topic gone is gone, or hidden .* shard 2 .* below the offsets 4, 0 of .* up to 7;/);
  assert.match(anew, /^The topic anew was deleted and made anew\./);
  // The copy that a mirror keeps is what the positions call it.
  assert.deepEqual(vanishedTopics(shard, new Map([...there, ["anew", { id: "9", partitions: 1 }]])).length, 1);
});

void it("I5: is named once, in the log and to whoever asks the queue, when a running gateway finds it", async (t) => {
  const topics = topicsIn("holdfast");
  const { positions, losses, deadLetters } = topics;
  const fake = fakeCluster({
    topics: { [topics.readings]: 1, [losses]: 1, [deadLetters]: 1, [positions]: 1 },
    nowMs: () => performance.now(),
  });
  const alarms: string[] = [];
  const write = (line: string): void => {
    const { alarm, topic } = JSON.parse(line) as { alarm?: boolean; topic?: string };
    if (alarm === true && topic !== undefined) alarms.push(topic);
  };
  const log = pino({ level: "error" }, { write });
  const queue = await openTestQueue(fake.connect(), topics, null, { log });
  t.after(() => queue.close());
  const lane = laneOf("pump-17");
  await queue.commit([readings(lane, 1, [1])], [positionOf(lane, 1, 1)]);
  await until("the reading is released", () => queue.released(lane).length > 0);
  assert.deepEqual(queue.gone?.(), []);
  fake.recreate(topics.readings);
  await assert.rejects(queue.commit([readings(lane, 2, [2])], [positionOf(lane, 1, 2)]));
  const [text = "", ...more] = await until("the queue says what is gone", () => {
    const found = queue.gone?.() ?? [];
    return found.length > 0 ? found : undefined;
  });
  assert.match(text, new RegExp(`^The topic ${topics.readings} was deleted and made anew\\. .* below the offsets 1 `));
  assert.deepEqual([more, alarms], [[], [topics.readings]]);
  await queue.close();
  const again = await openTestQueue(fake.connect(), topics, queue.groupId, { log });
  t.after(() => again.close());
  assert.deepEqual([again.gone?.(), alarms.length], [[], 1]);
});
