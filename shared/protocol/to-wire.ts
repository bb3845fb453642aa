/** Messages as the arrays that stand on the wire (protocol.cddl). */
import { integer } from "../cbor.ts";
import type { Message } from "./messages.ts";
import { nackReasons, wireTypes } from "./messages.ts";
import { toBlock, toBytes, toClock, toRange, toRecord, toSpan } from "./to-parts.ts";

/** The items of a message; integers beyond 32 bits are bigints, so that cbor-x keeps them integers. */
export function toWire(message: Message): unknown[] {
  const head = [wireTypes[message.type], toBytes(message.nonce)];
  switch (message.type) {
    case "hello":
      return [
        ...head,
        message.versions,
        message.agentVersion,
        toBytes(message.storeId),
        message.groupId && toBytes(message.groupId),
        message.open && toRecord(message.open),
        integer(message.lowestUnsettledRun),
      ];
    case "welcome":
      return [
        ...head,
        message.gateway,
        toBytes(message.groupId),
        toBytes(message.journalId),
        integer(message.timeUs),
        message.batchBytesMax,
        message.sendWindow,
        message.codecs,
        message.gateways,
      ];
    case "ask":
      return [
        ...head,
        toBytes(message.groupId),
        message.entries.map((entry) => [
          entry.stream,
          toBytes(entry.epoch),
          toBytes(entry.storeId),
          integer(entry.run),
          integer(entry.version),
          integer(entry.newest),
          entry.gone.map(toSpan),
        ]),
      ];
    case "batch":
      return [
        ...head,
        toBytes(message.groupId),
        message.stream,
        toRecord(message.record),
        integer(message.newest),
        toClock(message.clock),
        message.blocks.map(toBlock),
      ];
    case "position":
      return [
        ...head,
        toBytes(message.groupId),
        toBytes(message.journalId),
        integer(message.version),
        message.stream,
        toBytes(message.epoch),
        message.journaled.map(toRange),
        message.forwarded.map(toRange),
      ];
    case "nack":
      return [
        ...head,
        nackReasons.indexOf(message.reason),
        integer(message.retryAfterMs),
        message.stream,
        message.epoch && toBytes(message.epoch),
        message.first && integer(message.first),
        message.floor === null ? null : integer(message.floor),
      ];
  }
}
