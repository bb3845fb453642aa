/** A line on two real clusters: the gateway goes on at the other one when the first is lost, and back, and nothing stands twice. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { sleep } from "../../demo/waiting.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { said } from "./line-under-test.ts";
import {
  activeIs,
  audited,
  auditedWithMarks,
  loadedOnTwo,
  patientMs,
  settled,
  standbyOf,
  type TwoClusters,
  tell,
} from "./two-clusters.ts";

void describe("a gateway on two clusters", { skip: clusterMissing() ?? false }, () => {
  let primary: Brokers;
  let standby: Brokers;
  let both: TwoClusters;
  before(async () => {
    [primary, standby] = await Promise.all([startBrokers(1), startBrokers(1)]);
    both = { primary, standby };
  });
  after(() => Promise.all([primary.stop(), standby.stop()]));

  void it("I5: it changes on command and back, in order, and every reading stands on one of the two, once", async (t) => {
    const { line, load } = await loadedOnTwo(t, both, { automatic: false });
    for (const side of ["standby", "primary", "standby"]) {
      await tell(line, "switch", side);
      await activeIs(line, side);
      await line.forwarded(500, patientMs);
    }
    assert.match(await tell(line), /standby +answers, takes the readings/);
    await audited(both, line, load, true);
  });

  void it("I5: the first cluster dies under load; the other one goes on by itself, and back when it has returned", async (t) => {
    const { line, load } = await loadedOnTwo(t, both);
    await primary.kill(1);
    await activeIs(line, "standby");
    await line.forwarded(500, patientMs);
    await line.gateway.kill();
    await line.gateway.start();
    await line.forwarded(500, patientMs);
    await primary.start(1);
    await activeIs(line, "primary", 180_000);
    await line.forwarded(500, patientMs);
    await audited(both, line, load, false);
  });

  void it("I5: it is killed between the note of what is sent and the sending, and in each step of a change", async (t) => {
    const { line, load } = await loadedOnTwo(t, both);
    for (const [point, pass] of [
      ["standby names reserved", 3],
      ["kafka records sent", 8],
      ["kafka transaction committed", 8],
    ] as const) {
      await line.gateway.kill();
      const dying = line.gateway.launch({ environment: { ...process.env, HOLDFAST_CRASH_AT: `${point}:${pass}` } });
      const timer = setTimeout(() => void dying.stop(), 60_000);
      const { signal } = await dying.ended;
      clearTimeout(timer);
      assert.equal(signal, "SIGKILL", `the gateway died at "${point}"`);
      // Where it died, the other cluster must not get what the first one may have.
      primary.pause(1);
      await line.gateway.start();
      await activeIs(line, "standby");
      await line.forwarded(300, patientMs);
      primary.resume(1);
      await activeIs(line, "primary", 180_000);
      await line.forwarded(300, patientMs);
    }
    await audited(both, line, load, false);
  });

  void it("I5: a cluster that is given up: what it may have is sent to the other one, and marked there", async (t) => {
    const { line, load } = await loadedOnTwo(t, both);
    await primary.kill(1);
    await activeIs(line, "standby");
    await line.forwarded(500, patientMs);
    await load.stop();
    const held = (await standbyOf(line)).heldSeqs;
    assert.match(await tell(line, "abandon", "primary"), /primary +given up/);
    await settled(line, load);
    await primary.start(1);
    const repeats = await auditedWithMarks([primary.bootstrap, standby.bootstrap], line);
    t.diagnostic(`${held} seqs were held, and ${repeats} readings stand on both, marked on the standby`);
    assert.ok(repeats > 0 && repeats <= held);
  });

  void it("I5: the journal is lost: nothing is forwarded before both clusters were asked", async (t) => {
    const { line, load } = await loadedOnTwo(t, both, { automatic: false });
    await line.gateway.kill();
    standby.pause(1);
    for (const name of ["journal.db", "journal.db-wal", "journal.db-shm", "journal.id"]) {
      rmSync(`${line.gatewayState}/${name}`, { force: true });
    }
    const from = line.gatewayLog().length;
    const running = line.gateway.launch();
    await said(line, /waiting for both clusters/, from);
    await sleep(3_000);
    assert.ok(!/the gateway runs/.test(line.gatewayLog().slice(from)));
    standby.resume(1);
    await said(line, /the gateway runs/, from, 120_000);
    assert.ok(running.isRunning());
    await line.forwarded(500, patientMs);
    await audited(both, line, load, false);
  });
});
