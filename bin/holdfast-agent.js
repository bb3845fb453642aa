#!/usr/bin/env node
import { launch } from "./launch.js";

// Devices are short of memory: a small young generation and one helper thread cost little at the rates of a device, and
// glibc gives freed memory back instead of keeping an arena for each thread (together 1.2 MB, measured).
launch("../agent/cli.ts", ["--max-semi-space-size=4", "--v8-pool-size=1"], {
  MALLOC_ARENA_MAX: "1",
  MALLOC_TRIM_THRESHOLD_: "65536",
});
