#!/usr/bin/env node
import { launch } from "./launch.js";

// Devices are short of memory. A small young generation takes 6 MB less while a backlog is sent than one of twice the size;
// half as much would take another 3 MB less there, but 20 % more CPU time at the HTTP input, and more memory, since requests
// then outlive it. The memory reducer collects what a burst left behind, and glibc gives freed memory back instead of
// keeping an arena for each thread and every batch in its heap.
launch("../agent/cli.ts", ["--max-semi-space-size=2", "--v8-pool-size=1", "--memory-reducer-for-small-heaps"], {
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: "32768",
  MALLOC_TRIM_THRESHOLD_: "65536",
});
