#!/usr/bin/env node
import { launch } from "./launch.js";

// Devices are short of memory: a small young generation and one helper thread cost little at the rates of a device.
launch("../agent/cli.ts", ["--max-semi-space-size=4", "--v8-pool-size=1"]);
