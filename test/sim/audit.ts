/**
 * The audit (DESIGN §2): acknowledged ⊆ queued ∪ lost ∪ dead-lettered ∪ open-and-reported, all from what was attempted,
 * each seq once. It compares what producers were told with what the queue holds.
 */
import type { Outcome } from "../../gateway/queue/queue.ts";
import type { Device } from "./device.ts";
import type { Gateway } from "./gateway.ts";
import { laneName } from "./oracle.ts";
import type { World } from "./world.ts";

interface Seen {
  /** Times a reading stands in the queue without the mark `repeated`, and with it. */
  readonly plain: Map<number, number>;
  readonly repeated: Map<number, number>;
  /** Ids of which some name was settled as lost or as a dead letter. */
  readonly named: Set<number>;
}

export function audit(world: World, gateway: Gateway, devices: readonly Device[]): void {
  const seen = readQueue(world, gateway.queue.outcomes);
  auditVerdicts(world, seen);
  const onCards = new Set(devices.filter((device) => !device.isGone).flatMap((device) => device.taken));
  const open = openAndReported(world, gateway);
  const stuck = waitingNames(world, devices);
  const whereabouts = (id: number): string | null => {
    if (seen.named.has(id)) return "reading named lost";
    // A card that died or went back takes along what only it knew (PROTOCOL §9, first residue).
    if (!onCards.has(id)) return "exempt: card lost";
    if (open.has(id)) return "open and reported";
    // A forked process that restarted and was shown what it could not judge (PROTOCOL §9, second residue).
    return world.oracle.residue.has(id) ? "exempt: fork residue" : null;
  };
  world.oracle.told().forEach((told, id) => {
    const plain = seen.plain.get(id) ?? 0;
    const repeated = seen.repeated.get(id) ?? 0;
    if (plain > 1) world.find("DUP", `reading ${id} stands ${plain} times in the queue, unmarked`);
    if (plain + repeated > 0 && told === "refused") world.find("REFUSED-BUT-QUEUED", `reading ${id}`);
    if (plain + repeated > 1) world.count("repeated reading");
    if (told !== "accepted" || plain + repeated > 0) return;
    // What somebody holds must move, whatever else was said of it.
    if (stuck.has(id) && !seen.named.has(id)) {
      world.find("STUCK", `reading ${id} waits for ever as ${stuck.get(id)}`);
      return;
    }
    const held = whereabouts(id);
    if (held !== null) world.count(held);
    else world.find("SILENT", `reading ${id} is nowhere; it was ${namesOf(world, id).join(", ")}`);
  });
}

/** Without copies and cards that went back nobody else writes under an agent's name. */
function auditVerdicts(world: World, seen: Seen): void {
  if ((world.counts.get("card went back") ?? 0) + (world.counts.get("fork") ?? 0) > 0) return;
  if (world.counts.has("fork verdict")) world.find("FALSE-FORK", "an epoch was given up as forked without a fork");
  if (world.counts.has("epoch expired")) world.find("EXPIRED-WITHOUT-COPY", "an unsettled epoch was forgotten");
  const id = [...seen.repeated.keys()].find((one) => (seen.plain.get(one) ?? 0) + (seen.repeated.get(one) ?? 0) > 1);
  if (id !== undefined) world.find("REPEATED-WITHOUT-COPY", `reading ${id}`);
}

function readQueue(world: World, outcomes: readonly Outcome[]): Seen {
  const settled = new Map<string, Set<number>>();
  const seen: Seen = { plain: new Map(), repeated: new Map(), named: new Set() };
  for (const { lane, spans, body } of outcomes) {
    const name = laneName(lane);
    const ids = world.oracle.lane(name);
    let once = settled.get(name);
    if (once === undefined) settled.set(name, (once = new Set()));
    for (const { first, last } of spans) {
      for (let seq = first; seq <= last; seq++) {
        // I4: each seq once.
        if (once.has(seq)) world.find("NAME-TWICE", `${name}/${seq}`);
        once.add(seq);
        const own = ids.get(seq);
        if (body.kind === "readings") {
          const id = body.columns.values[seq - body.first] as number;
          const times = body.repeated ? seen.repeated : seen.plain;
          times.set(id, (times.get(id) ?? 0) + 1);
          if (own?.includes(id) !== true)
            world.find("CONTENT", `${name}/${seq} holds reading ${id}, which never had this name`);
        } else {
          if (own === undefined)
            world.find("LOST-NOTHING", `${name}/${seq} is called ${body.kind}, but was never given out`);
          if (body.kind === "dead-letter") world.find("DEAD-LETTER", `${name}/${seq}: ${body.reason}`);
          for (const id of own ?? []) seen.named.add(id);
          world.count(body.kind === "loss" ? `lost: ${body.loss.reason}` : "dead-letter");
        }
      }
    }
  }
  return seen;
}

function namesOf(world: World, id: number): string[] {
  const names: string[] = [];
  for (const [lane, seqs] of world.oracle.lanes()) {
    for (const [seq, ids] of seqs) if (ids.includes(id)) names.push(`${lane}/${seq}`);
  }
  return names;
}

/** What nobody holds any more, is known to be missing and was reported to the operator. */
function openAndReported(world: World, gateway: Gateway): Set<number> {
  const reported = new Map<string, (readonly { first: number; last: number }[])[]>();
  for (const { lane, spans, kind } of gateway.journal()?.reports() ?? []) {
    const name = laneName(lane);
    world.trace(() => `reported: ${kind} ${name} ${JSON.stringify(spans)}`);
    reported.set(name, [...(reported.get(name) ?? []), spans]);
  }
  const open = new Set<number>();
  for (const [name, lists] of reported) {
    for (const [seq, ids] of world.oracle.lane(name)) {
      if (!lists.flat().some(({ first, last }) => first <= seq && seq <= last)) continue;
      for (const id of ids) open.add(id);
    }
  }
  return open;
}

/** The ids that some store still calls pending, with their names; read from the file, since not every epoch is loaded. */
function waitingNames(world: World, devices: readonly Device[]): Map<number, string> {
  const waiting = new Map<number, string>();
  for (const { db, options, isGone } of devices) {
    if (isGone) continue;
    const rows = db
      .prepare(
        `SELECT stream.name AS stream, epoch.epoch AS epoch, block.first AS first, block.count AS count
         FROM block JOIN epoch ON epoch.run = block.run JOIN stream ON stream.id = block.stream
         WHERE block.state = 0 AND epoch.state = 0`,
      )
      .all() as { stream: string; epoch: string; first: number; count: number }[];
    for (const { stream, epoch, first, count } of rows) {
      const name = laneName({ agent: options.agent, stream, epoch });
      for (let seq = first; seq < first + count; seq++) {
        for (const id of world.oracle.lane(name).get(seq) ?? []) waiting.set(id, `${name}/${seq}`);
      }
    }
  }
  return waiting;
}
