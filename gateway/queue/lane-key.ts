import type { Lane } from "./queue.ts";

/** Names a lane in a Map; identifiers hold no spaces. */
export function laneKey({ agent, stream, epoch }: Lane): string {
  return `${agent} ${stream} ${epoch}`;
}
