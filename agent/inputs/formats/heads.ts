/**
 * Interned heads: what the readings of one series have in common. A producer sends the same few series for ever, so
 * their names and labels are checked once and shared by all readings: the hot path allocates one object a reading, and
 * the store can recognise a series by the identity of its labels.
 */
import { nameBytesMax } from "../../../shared/limits.ts";
import { type Reading, readingFault, type Value } from "../../../shared/reading.ts";
import { badReading } from "./fault.ts";

export interface Head {
  readonly name: string;
  readonly unit: string | undefined;
  readonly labels: Record<string, string> | undefined;
}

export interface Heads {
  /**
   * The head of a series. `unit` and `labels` may be anything that JSON holds; an empty unit or no labels mean absent.
   * @throws Fault `bad-input` where they cannot name a series
   */
  of(name: string, unit: unknown, labels: unknown): Head;
}

/** A tree over name, unit, and then keys and values of the labels in turn: no text of one can be taken for another's. */
interface Node {
  next: Map<string, Node> | undefined;
  head: Head | undefined;
}

/** Nodes of the tree; beyond, it starts anew. Each takes about 200 bytes and a text of at most 1 kB. */
const nodesMax = 8_192;

/** A cache of heads. */
export function createHeads(): Heads {
  let root: Node = { next: undefined, head: undefined };
  let nodes = 0;

  function step(node: Node, text: unknown, what: string): Node {
    if (typeof text !== "string") throw badReading(`${what} is not text`);
    const found = node.next?.get(text);
    if (found !== undefined) return found;
    // What is too long is refused before it is kept; the exact check follows when the head is made.
    const made: Node = { next: undefined, head: undefined };
    if (text.length > nameBytesMax) return made;
    nodes += 1;
    node.next ??= new Map();
    node.next.set(owned(text), made);
    return made;
  }

  return {
    of(name, unit, labels) {
      if (nodes > nodesMax) {
        root = { next: undefined, head: undefined };
        nodes = 0;
      }
      let node = step(step(root, name, "the name"), unit === undefined ? "" : unit, "the unit");
      if (labels !== undefined) {
        if (typeof labels !== "object" || labels === null || Array.isArray(labels)) {
          throw badReading("the labels are not an object");
        }
        const record = labels as Record<string, unknown>;
        for (const key in record) node = step(step(node, key, "a label key"), record[key], "a label");
      }
      node.head ??= headOf(name, unit as string | undefined, labels as Record<string, string> | undefined);
      return node.head;
    },
  };
}

/** A copy that does not keep alive the whole body it was cut from, as V8's slices do. */
export function owned(text: string): string {
  return Buffer.from(text, "utf16le").toString("utf16le");
}

function headOf(name: string, unit: string | undefined, labels: Record<string, string> | undefined): Head {
  const entries = Object.entries(labels ?? {}).map(([key, text]) => [owned(key), owned(text)]);
  const head: Head = {
    name: owned(name),
    unit: unit === undefined || unit === "" ? undefined : owned(unit),
    // fromEntries defines properties instead of assigning them, so that a label may be called __proto__.
    labels: entries.length === 0 ? undefined : Object.fromEntries(entries),
  };
  const fault = readingFault(readingOf(head, 0, false, 0));
  if (fault !== undefined) throw badReading(fault);
  return head;
}

/** A reading of a head. Written out by shape, so that consumers meet four hidden classes and not eight. */
export function readingOf(head: Head, timeUs: number, stamped: boolean, value: Value): Reading {
  const { name, unit, labels } = head;
  if (labels === undefined) {
    return unit === undefined ? { name, timeUs, stamped, value } : { name, unit, timeUs, stamped, value };
  }
  return unit === undefined ? { name, labels, timeUs, stamped, value } : { name, unit, labels, timeUs, stamped, value };
}

/**
 * Refuses a text that no reading can hold; numbers and booleans need no such check.
 * @throws Fault `bad-input`
 */
export function checkText(head: Head, value: Value): void {
  const fault = readingFault(readingOf(head, 0, false, value));
  if (fault !== undefined) throw badReading(fault);
}
