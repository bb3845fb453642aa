#!/usr/bin/env node
import { launch } from "./launch.js";

// A gateway may share a small site server with much else. The same settings as the agent's (see there) take 30 MB off one
// that is idle, and 120 to 150 MB off one that drains a backlog into Kafka, for some 5 % more processor time (measured).
launch("../gateway/cli.ts", ["--max-semi-space-size=2", "--v8-pool-size=1", "--memory-reducer-for-small-heaps"], {
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: "32768",
  MALLOC_TRIM_THRESHOLD_: "65536",
});
