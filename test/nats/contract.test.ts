/** The contract of streams and archives on three real NATS servers, by two connections to different ones. */
import { after, before, describe } from "node:test";
import { type NatsCluster, startNats } from "../../demo/nats/cluster.ts";
import { natsMissing } from "../../demo/nats/server.ts";
import type { NatsLink } from "../../gateway/journal/jetstream/nats/link.ts";
import { journalStreamContract } from "../contract/journal-stream.ts";
import { connect, newJournal } from "./cluster-under-test.ts";

const missing = natsMissing();

void describe("three real NATS servers", { skip: missing ?? false }, () => {
  let cluster: NatsCluster;
  let one: NatsLink;
  let two: NatsLink;
  const ends: (() => unknown)[] = [];
  const scope = { after: (action: () => unknown) => void ends.push(action) };
  before(async () => {
    cluster = await startNats(3);
    one = await connect(scope, cluster, { servers: [cluster.address(1)] });
    two = await connect(scope, cluster, { servers: [cluster.address(2)] });
  });
  after(async () => {
    for (const end of ends) await end();
    await cluster.stop();
  });

  journalStreamContract("real", async (journalBytesMax) => {
    const journal = await newJournal(one, { journalBytesMax });
    const { stream, archive, remove } = journal;
    return { stream, archive, remove, other: journal.over(two) };
  });
});
