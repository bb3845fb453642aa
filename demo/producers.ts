/**
 * Producers that send readings to the agent without a pause and remember what they were told. An attempt that was not
 * answered with 204 is sent again with new ids, because nobody knows what became of the first.
 */
import { contentOf, type Remembered } from "./memory.ts";
import { type Answer, post } from "./post.ts";
import { sleep } from "./waiting.ts";

/** A kind of producer: how it writes `count` readings whose values begin at `first`. */
interface Format {
  readonly type: string;
  readonly series: Series;
  body(first: number, count: number, timeUs: number): string;
}

interface Series {
  readonly name: string;
  readonly unit?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

const press: Series = { name: "press.strokes", unit: "1", labels: { hall: "north" } };
const boiler: Series = { name: "boiler.pulses", labels: { fuel: "gas", hall: "süd" } };
const mill: Series = { name: "mill.turns", labels: { hall: "west" } };
const pump: Series = { name: "pump.litres", unit: "l" };

/** The value of a reading is the number of its attempt: that is its id. Times differ by a ms, as a sensor's would. */
const rows = (count: number): number[] => Array.from({ length: count }, (_, row) => row);
const timeOf = (timeUs: number, row: number): number => timeUs + row * 1_000;
const json = (series: Series, value: number, timeUs: number): string => JSON.stringify({ ...series, timeUs, value });

export const formats: readonly Format[] = [
  {
    type: "application/json",
    series: press,
    body: (first, count, timeUs) =>
      `[${rows(count)
        .map((row) => json(press, first + row, timeOf(timeUs, row)))
        .join(",")}]`,
  },
  {
    type: "application/x-ndjson",
    series: boiler,
    body: (first, count, timeUs) =>
      rows(count)
        .map((row) => `${json(boiler, first + row, timeOf(timeUs, row))}\n`)
        .join(""),
  },
  {
    type: "text/plain",
    series: mill,
    body: (first, count, timeUs) =>
      rows(count)
        .map((row) => `mill,hall=west turns=${first + row}i ${timeOf(timeUs, row)}000\n`)
        .join(""),
  },
  {
    type: "application/senml+json",
    series: pump,
    // SenML counts in seconds; whole ms survive a double of that size.
    body: (first, count, timeUs) =>
      JSON.stringify(
        rows(count).map((row) => ({ n: "pump.litres", u: "l", t: timeOf(timeUs, row) / 1e6, v: first + row })),
      ),
  },
];

export interface Producers {
  /** Readings of which no answer came, or a refusal. */
  unanswered(): number;
  /** Ends after the requests under way. */
  stop(): Promise<void>;
}

export interface ProducerOptions {
  readonly port: number;
  readonly agent: string;
  readonly stream: string;
  readonly memory: Remembered;
  /** Readings of one request, at the most. */
  readonly bodyReadingsMax: number;
  /** The id of the first attempt. */
  readonly first: number;
  /** Pause between two requests of one producer, on average. */
  readonly pauseMs: number;
}

const pauseAfterRefusalMs = 150;
/** A made-up sensor clock: whole ms, one per attempt and far from its neighbours, so that times tell readings apart. */
const firstTimeUs = 1_767_225_600_000_000;

/** Starts one producer of each format. */
export function startProducers(options: ProducerOptions): Producers {
  let stopping = false;
  let unanswered = 0;

  async function produce(format: Format): Promise<void> {
    for (let next = options.first; !stopping; ) {
      const count = 1 + Math.floor(Math.random() * options.bodyReadingsMax);
      const timeUs = firstTimeUs + next * 1_000;
      const ids = rows(count).map((row) =>
        options.memory.attempt(
          { agent: options.agent, stream: options.stream },
          { ...format.series, value: next + row },
          contentOf({ ...format.series, timeUs: timeOf(timeUs, row) }),
        ),
      );
      const body = format.body(next, count, timeUs);
      next += count;
      const answer = await post(options.port, `/v1/readings?stream=${options.stream}`, format.type, body).catch(
        (): Answer | undefined => undefined,
      );
      if (answer?.status === 204) options.memory.acknowledge(ids);
      else unanswered += count;
      await sleep(answer?.status === 204 ? options.pauseMs * 2 * Math.random() : pauseAfterRefusalMs);
    }
  }

  const running = formats.map(produce);
  return {
    unanswered: () => unanswered,
    async stop() {
      stopping = true;
      await Promise.all(running);
    },
  };
}
