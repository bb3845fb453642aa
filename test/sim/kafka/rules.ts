/** Rules of the Kafka queue that can be switched off: with any of them off the simulation must find a violation. */
import type { Patch } from "../../mutants/patch.ts";

export const kafkaRules: Readonly<Record<string, readonly Patch[]>> = {};
