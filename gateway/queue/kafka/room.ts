/**
 * How large records and batches may be. Somebody may lower a topic's limit while the gateway runs, and a broker or a proxy
 * may take less than its topics say: whatever was refused for its size leads to something smaller, or to a Fault, so
 * that no refusal can repeat itself for ever.
 */
import type { Logger } from "pino";
import { Fault } from "../../../shared/errors.ts";
import type { ClusterError } from "./cluster.ts";
import { type Inspection, type Room, smaller } from "./topics/topics.ts";

export interface RoomKeeper {
  now(): Room;
  /**
   * Makes less of it after a refusal.
   * @param used what held when the refused records were made: where it holds no more, nothing is to be done
   * @throws Fault `config` where nothing smaller helps; `unavailable` (retryable) where only the topic can be mended
   */
  shrink(refused: ClusterError, used: Room): Promise<void>;
}

export interface RoomOptions {
  readonly first: Room;
  /** What the topics say now. */
  readonly inspect: () => Promise<Pick<Inspection, "findings" | keyof Room>>;
  /** Topics whose records cannot give way to smaller ones. */
  readonly fixedTopics: readonly string[];
  readonly log: Logger;
}

/** Where the topics allow what was refused, records are halved down to this. */
const recordBytesMin = 16 * 1024;
/** What a batch of one record has around it, at most. */
const frameBytes = 512;

export function keepRoom({ first, inspect, fixedTopics, log }: RoomOptions): RoomKeeper {
  let room = first;

  return {
    now: () => room,
    async shrink({ place, message }, used) {
      if (room !== used) return;
      const topic = place?.topic ?? "one of the topics";
      const { findings, ...allowed } = await inspect();
      const isFixed = fixedTopics.includes(topic);
      if (isLess(allowed, room)) room = smaller(allowed, room);
      else if (isFixed && room.batchBytesMax > recordBytesMin) room = { ...room, batchBytesMax: recordBytesMin };
      else if (isFixed) {
        const finding = findings.find((one) => one.topic === topic && one.severity === "fault");
        const fault = new Fault("unavailable", {
          what: `${topic} refuses a record for its size, and no smaller one can stand for it`,
          why: finding === undefined ? message : finding.what,
          remedy: finding?.remedy ?? "raise message.max.bytes of the brokers, or the limit of the proxy before them",
          retryable: true,
        });
        log.error({ alarm: true, topic, err: fault }, "the line waits until a topic is mended; the journal keeps all");
        throw fault;
      } else {
        const recordBytesMax = Math.floor(room.recordBytesMax / 2);
        if (recordBytesMax < recordBytesMin) throw tooSmall(topic, room, message);
        room = { recordBytesMax, batchBytesMax: Math.min(room.batchBytesMax, recordBytesMax + frameBytes) };
      }
      log.error(
        { alarm: true, topic, ...room, why: message },
        `${topic} takes less than before: records above ${room.recordBytesMax} bytes become dead letters from now on`,
      );
    },
  };
}

function isLess(one: Room, other: Room): boolean {
  return one.recordBytesMax < other.recordBytesMax || one.batchBytesMax < other.batchBytesMax;
}

function tooSmall(topic: string, { recordBytesMax }: Room, why: string): Fault {
  return new Fault("config", {
    what: `${topic} refuses records of ${recordBytesMax} bytes, though the topics allow them`,
    why,
    remedy: "raise message.max.bytes of the brokers, or the limit of the proxy before them, and restart the gateway",
  });
}
