/** Slips against I7 (the wall clock decides nothing), I8 (everything is bounded) and I9 (retries never storm). */
import type { Mutant } from "./mutants.ts";

export const limits: readonly Mutant[] = [
  {
    id: "resend-without-a-turn",
    invariant: "I7",
    patches: [
      {
        file: "agent/uplink/uplink.ts",
        find: "      tick = env.soon(() => {\n        scheduleTick();\n        checkTimeouts();\n      });\n",
        replace: "      scheduleTick();\n      checkTimeouts();\n",
      },
    ],
    test: {
      file: "test/unit/uplink-sending.test.ts",
      name: "I7: an answer that waits in the socket when a time-out is due",
    },
  },
  {
    id: "link-called-dead-without-a-turn",
    invariant: "I7",
    patches: [
      {
        file: "agent/uplink/keep-alive.ts",
        find: "timer = env.soon(() => (isDead() ? dead() : look()));",
        replace: "dead();",
      },
    ],
    test: {
      file: "test/unit/keep-alive.test.ts",
      name: "reads what waits in the socket before it calls the link dead",
    },
  },
  {
    id: "batches-expire-by-the-wall-clock",
    invariant: "I7",
    patches: [
      {
        file: "agent/uplink/sender.ts",
        find: "taken: () => flights.taken(env.monoMs()),",
        replace: "taken: () => flights.taken(env.wallUs() / 1000),",
      },
      {
        file: "agent/uplink/sender.ts",
        find: "flights.expire(env.monoMs() - timeoutMs(pace));",
        replace: "flights.expire(env.wallUs() / 1000 - timeoutMs(pace));",
      },
    ],
    test: { file: "test/unit/uplink-sending.test.ts", name: "I7: a step of the wall clock neither resends" },
  },
  {
    id: "retention-by-the-wall-clock",
    invariant: "I7",
    patches: [
      {
        file: "gateway/queue/file.ts",
        find: "const livedMs = () => first.livedMs + env.monoMs() - startMs;",
        replace: "const livedMs = () => first.livedMs + env.wallUs() / 1000 - startMs;",
      },
      {
        file: "gateway/queue/file.ts",
        find: "const startMs = env.monoMs();",
        replace: "const startMs = env.wallUs() / 1000;",
      },
    ],
    test: { file: "test/unit/queue-retention.test.ts", name: "I7: segments close and go by the running time" },
  },
  {
    id: "small-write-taken-for-life",
    invariant: "I7",
    patches: [
      { file: "agent/uplink/guard.ts", find: "if (room === 0 && !error) took();", replace: "if (!error) took();" },
    ],
    test: { file: "test/unit/uplink-guard.test.ts", name: "takes no small write for a sign of life" },
  },
  {
    id: "ranges-unbounded",
    invariant: "I8",
    patches: [
      {
        file: "gateway/journal/dedupe.ts",
        find: 'return opensTooMany(journaled, ranges) ? { kind: "fragmented" } : { kind: "taken", fill, ranges };',
        replace: 'return { kind: "taken", fill, ranges };',
      },
    ],
    test: { file: "test/unit/dedupe.test.ts", name: "I8: a block that would open one range too many is refused" },
  },
  {
    id: "intake-keeps-whatever-waits",
    invariant: "I8",
    patches: [
      {
        file: "agent/intake.ts",
        find: "if (readings + size > waitingReadingsMax && readings > 0) {",
        replace: "if (size > waitingReadingsMax && readings > 0) {",
      },
    ],
    test: { file: "test/unit/intake.test.ts", name: "I8: more than may wait is refused as busy, not kept" },
  },
  {
    id: "journal-queues-without-bound",
    invariant: "I8",
    patches: [
      {
        file: "gateway/journal/group-commit.ts",
        find: "waitingBytes + sizeBytes <= waitingBytesMax) {",
        replace: "sizeBytes <= waitingBytesMax) {",
      },
    ],
    test: { file: "test/unit/journal-turns.test.ts", name: "I8: more than a journal can hold in memory" },
  },
  {
    id: "start-walks-the-whole-backlog",
    invariant: "I8",
    patches: [
      {
        file: "agent/store/append.ts",
        find: "if (lane.untallied >= untalliedBlocksMax) core.lanes.save(lane);",
        replace: "if (lane.untallied === untalliedBlocksMax) core.lanes.save(lane);",
      },
    ],
    test: { file: "test/unit/store-append.test.ts", name: "I8: a start reads few rows whatever waits" },
  },
  {
    id: "packets-of-any-size-gathered",
    invariant: "I8",
    patches: [
      {
        file: "shared/frames.ts",
        find: "      const fault = rule(header >> 4, header & 0x0f, length);\n",
        replace: "      const fault = length > chunk.length ? undefined : rule(header >> 4, header & 0x0f, length);\n",
      },
    ],
    test: { file: "test/unit/mqtt-frames.test.ts", name: "refuses a packet as soon as its length is known" },
  },
  {
    id: "nesting-unbounded",
    invariant: "I8",
    patches: [
      {
        file: "shared/cbor.ts",
        find: "if (open.length >= cborDepthMax) return",
        replace: "if (open.length >= cborItemsMax) return",
      },
    ],
    test: { file: "test/unit/cbor.test.ts", name: "I8: tags, maps, endless items, deep nesting" },
  },
  {
    id: "backoff-without-jitter",
    invariant: "I9",
    patches: [
      {
        file: "shared/backoff.ts",
        find: "return Math.floor(random * ceilingMs);",
        replace: "return Math.floor(ceilingMs - random);",
      },
    ],
    test: { file: "test/unit/sending.test.ts", name: "I9: the nth wait is a whole number in" },
  },
  {
    id: "backoff-without-a-cap",
    invariant: "I9",
    patches: [
      { file: "shared/backoff.ts", find: "Math.min(capMs, backoffBaseMs", replace: "Math.max(capMs, backoffBaseMs" },
    ],
    test: { file: "test/unit/sending.test.ts", name: "I9: the nth wait is a whole number in" },
  },
  {
    id: "refused-agents-come-back-every-minute",
    invariant: "I9",
    patches: [
      {
        file: "agent/uplink/state.ts",
        find: 'const refused = event.reason === "refused" || event.reason === "unauthorised";',
        replace: 'const refused = event.reason === "refused";',
      },
    ],
    test: { file: "test/unit/uplink-state.test.ts", name: "I9: waits grow to a minute, and to an hour" },
  },
  {
    id: "gateway-silences-an-agent-for-ever",
    invariant: "I9",
    patches: [
      {
        file: "agent/uplink/answers.ts",
        find: "const hintMs = Math.min(nack.retryAfterMs, backoffRefusedCapMs);",
        replace: "const hintMs = nack.retryAfterMs;",
      },
    ],
    test: { file: "test/unit/uplink-sending.test.ts", name: "I9: full and busy pause the sending" },
  },
  {
    id: "two-journals-greeted-at-link-speed",
    invariant: "I9",
    patches: [
      {
        file: "agent/uplink/state.ts",
        find: "  if (state.attempt > 0) return retreat(",
        replace: "  if (state.attempt > 60) return retreat(",
      },
    ],
    test: { file: "test/unit/uplink-state.test.ts", name: "I9: two journals under one address are greeted once" },
  },
  {
    id: "waits-never-shrink-again",
    invariant: "I9",
    patches: [
      {
        file: "agent/uplink/state.ts",
        find: "return { state: { ...state, attempt: 0 }, commands",
        replace: "return { state, commands",
      },
    ],
    test: { file: "test/unit/uplink-state.test.ts", name: "I9: two journals under one address are greeted once" },
  },
];
