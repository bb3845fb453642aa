/** The simulated gateway: the real journal, ingress and forwarder on a database in memory and a queue that survives. */
import pino from "pino";
import { startForwarder } from "../../gateway/forwarder/forwarder.ts";
import { type Ingress, startIngress } from "../../gateway/ingress/ingress.ts";
import { type Identity, identityInMemory } from "../../gateway/journal/identity.ts";
import type { Journal } from "../../gateway/journal/journal.ts";
import { memoryPlace } from "../../gateway/journal/place.ts";
import { openSqliteJournal } from "../../gateway/journal/sqlite.ts";
import type { LateQueue } from "../../gateway/queue/late.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { codecColumns, codecColumnsZstd } from "../../shared/block/block.ts";
import { Fault, messageOf } from "../../shared/errors.ts";
import { type Db, isFull } from "../../shared/sqlite.ts";
import { type FakeQueue, fakeQueue, type QueueFault } from "../fakes/queue.ts";
import { type Life, newLife } from "./clock.ts";
import { seededDice } from "./dice.ts";
import { type Machine, newMachine, processEnv } from "./env.ts";
import { lateHandle, lateMs, loseTails, settleLater } from "./late-queue.ts";
import { openImage } from "./memory.ts";
import { type ToldPositions, watchJournal, watchQueue } from "./watch-gateway.ts";
import type { World } from "./world.ts";

export interface GatewayOptions {
  readonly url: string;
  readonly groupId: string;
  readonly quotaBytes: number;
  readonly sendWindow: number;
  /** Probability that a commit of the queue fails before or after it landed. */
  readonly queueFails: number;
  readonly queueLatencyMs: number;
  send(agent: string, bytes: Uint8Array): void;
  /** The process has died: its links break. */
  died(): void;
}

/** What a restored backup of a journal brings back. */
export interface JournalImage {
  readonly file: Buffer;
  readonly copy: Identity | null;
}

export interface Gateway {
  readonly machine: Machine;
  readonly queue: FakeQueue;
  /** Undefined while it is down or still opening. */
  journal(): Journal | undefined;
  isUp(): boolean;
  receive(agent: string, bytes: Uint8Array): void;
  start(): void;
  kill(): void;
  /** Its disk hangs: it does nothing for so long. */
  stall(forMs: number): void;
  db(): Db;
  image(): JournalImage;
  /** Puts another file and side copy in place, only while it is down; null is a lost one. */
  putBack(file: Buffer | null, copy: Identity | null): void;
  /** A queue without room refuses every commit. */
  setQueueFull(full: boolean): void;
}

const log = pino({ enabled: false });
export function createGateway(world: World, options: GatewayOptions): Gateway {
  const { clock } = world;
  const dice = world.dice.split();
  // Dice of their own, so that this does not shift what all others roll.
  const lateDice = seededDice(world.seed ^ 0x1a7e);
  const settles = lateDice.chance(0.25);
  const machine = newMachine(dice);
  let life: Life = { alive: false, stalledUntilMs: 0 };
  let file = openImage(null);
  let copy = identityInMemory();
  let journal: Journal | undefined;
  let ingress: Ingress | undefined;
  let queueIsFull = false;
  let told: ToldPositions = new Map();

  const queue = watchQueue(
    world,
    fakeQueue({
      groupId: options.groupId,
      ...(settles ? { settle: settleLater(world, lateDice) } : {}),
      fault(): QueueFault | undefined {
        if (queueIsFull) {
          world.count("queue full");
          return "full";
        }
        if (world.calm || !dice.chance(options.queueFails)) return undefined;
        const fault = dice.pick(["before", "after"] as const);
        world.count(`queue fails ${fault}`);
        return fault;
      },
      pause: () =>
        world.calm || dice.chance(0.5)
          ? Promise.resolve()
          : new Promise((resolve) => void clock.after(dice.wait(options.queueLatencyMs), life, resolve)),
    }),
  );

  if (settles) loseTails(world, lateDice, queue);

  function kill(): void {
    if (!life.alive) return;
    life.alive = false;
    journal = undefined;
    ingress = undefined;
    if (file.inTransaction) file.exec("ROLLBACK");
    options.died();
  }

  function failed(error: unknown): void {
    world.find("FAILED", `gateway: ${error instanceof Error ? error.stack : messageOf(error)}`);
    kill();
    clock.after(10_000, null, start);
  }

  function guard(action: () => void): () => void {
    return () => {
      try {
        action();
      } catch (error) {
        failed(error);
      }
    };
  }

  async function meet(own: Life, late: LateQueue, opened: Journal): Promise<void> {
    try {
      late.attach(queue.open());
      await opened.meetQueue();
      if (own.alive) late.begin();
    } catch (error) {
      if (!own.alive) return;
      if (!isFull(error)) return failed(error);
      clock.after(60_000, own, () => void meet(own, late, opened));
    }
  }

  async function open(own: Life): Promise<void> {
    const env = processEnv(clock, machine, own, dice.split(), guard);
    const openJournal = (seed: Queue): Promise<Journal> =>
      openSqliteJournal({
        place: memoryPlace(file, copy),
        env,
        quotaBytes: options.quotaBytes,
        queue: seed,
        log,
        onNewId: () => world.count("journal id renewed while running"),
        onFailed: (fault) => failed(fault),
      });
    let late = lateHandle(world, lateDice, file, options.groupId);
    let handle: Queue = late ?? queue.open();
    let opened: Journal;
    try {
      opened = await openJournal(handle);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "busy") throw error;
      // A journal that may have gone back waits for its queue.
      late = undefined;
      handle = queue.open();
      opened = await openJournal(handle);
    }
    if (!own.alive) return;
    if (late !== undefined) {
      world.count("gateway started without its queue");
      const waiting = late;
      clock.after(lateDice.wait(lateMs), own, () => void meet(own, waiting, opened));
    }
    journal = watchJournal(world, opened, told);
    world.trace(() => `gateway ${options.url} opens journal ${opened.journalId().slice(0, 6)}`);
    ingress = startIngress({
      journal,
      send: (agent, bytes) => own.alive && options.send(agent, bytes),
      gatewayName: options.url,
      advertise: [options.url],
      sendWindow: options.sendWindow,
      codecs: [codecColumns, codecColumnsZstd],
      env,
      log,
      alarm: (kind, agent, detail) => {
        world.count(`gateway alarm ${kind}`);
        world.trace(() => `gateway alarm ${kind} ${agent}: ${detail}`);
      },
    });
    startForwarder({
      journal: opened,
      queue: handle,
      env,
      log,
      onStopped: (fault) => own.alive && world.find("FORWARDER-STOPPED", fault.message),
    });
  }

  function start(): void {
    if (life.alive) return;
    life = newLife();
    world.count("gateway start");
    open(life).catch((error: unknown) => {
      if (!isFull(error) && !isFull((error as Error).cause ?? error)) return failed(error);
      // On a full disk even a start may need room; the process manager tries again.
      kill();
      clock.after(60_000, null, start);
    });
  }

  return {
    machine,
    queue,
    journal: () => journal,
    isUp: () => ingress !== undefined,
    receive(agent, bytes) {
      void ingress?.handle(agent, bytes);
    },
    start,
    kill,
    stall(forMs) {
      life.stalledUntilMs = clock.nowMs() + forMs;
    },
    db: () => file,
    image: () => ({ file: file.serialize(), copy: copy.read() }),
    putBack(image, identity) {
      file.close();
      told = new Map();
      file = openImage(image);
      copy = identityInMemory();
      if (identity !== null) copy.write(identity);
    },
    setQueueFull(full) {
      queueIsFull = full;
    },
  };
}
