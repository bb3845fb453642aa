import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  defaultBatchKey,
  defaultKey,
  defaultTopic,
  keysOf,
  keyTemplateFault,
  type Placeholder,
  topicNames,
  topicsMax,
  topicTemplateFault,
} from "../../gateway/queue/kafka/topics/topic-names.ts";

const all: readonly Placeholder[] = ["agent", "stream", "series"];
const reserved = ["holdfast.positions", "holdfast.losses", "holdfast.dead-letters"];
const faultOf = (template: string, allowed = all) => topicTemplateFault(template, allowed, reserved);

/** The topic of a series in a fresh set of names. */
const topicOf = (template: string, series: string, agent = "pump-17", stream = "telemetry") =>
  topicNames(template, []).of(agent, stream, series);

const identifier = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,63}$/);
const series = fc.oneof(
  fc.string({ unit: fc.constantFrom(..."ab09.-_/\0 é😀"), minLength: 1, maxLength: 12 }),
  fc.string({ unit: "binary", minLength: 1, maxLength: 300 }),
  fc.constantFrom(".", "..", "-", "--", "--5f", "_", "__proto__", "--other", "a--x0123456789abcdef"),
);

void describe("templates of topics", () => {
  void it("that can make an illegal or ambiguous name are refused, and say why", () => {
    const refused: [string, RegExp][] = [
      ["", /empty/],
      [".", /no topic/],
      ["..", /no topic/],
      ["{agent", /brace/],
      ["a}b{agent}", /brace/],
      ["site.{pump}", /\{pump\} is no placeholder/],
      ["site.{}", /no placeholder/],
      ["site.{Agent}", /no placeholder/],
      ["site/{agent}", /holds only/],
      ["säite.{agent}", /holds only/],
      ["site {agent}", /holds only/],
      ["{agent}{series}", /between two/],
      ["{agent}-{series}", /between two/],
      ["{agent}.{agent}", /twice/],
      ["__{agent}", /cluster's own/],
      ["a".repeat(250), /250 characters; 249/],
      [`${"a".repeat(186)}{agent}`, /250 characters/],
      ["holdfast.{series}", /holdfast\.positions, which has another use/],
      ["holdfast_{series}", /another use/],
      ["{agent}.{series}", /another use/],
      ["{series}", /another use/],
      ["holdfast.positions", /another use/],
    ];
    for (const [template, why] of refused) assert.match(faultOf(template) ?? "no fault", why, template);
    assert.match(faultOf("site.{series}", ["agent", "stream"]) ?? "no fault", /no value here/);
    const good = [
      defaultTopic,
      "site.{agent}.{series}",
      "site_{agent}_{stream}.{series}",
      "x-{series}",
      "a".repeat(249),
    ];
    for (const template of good) assert.equal(faultOf(template), undefined, template);
    assert.equal(faultOf(`${"a".repeat(185)}{agent}`), undefined);
  });

  void it("any text is either refused, or makes legal names only", () => {
    const part = fc.oneof(
      fc.constantFrom("{agent}", "{stream}", "{series}", "{", "}", ".", "_", "-", "site", "__", "é"),
      fc.string({ maxLength: 100 }),
    );
    const template = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(template, identifier, identifier, series, (template, agent, stream, series) => {
        if (faultOf(template) !== undefined) return;
        const names = topicNames(template, []);
        const topic = names.of(agent, stream, series);
        assert.match(topic, /^[a-zA-Z0-9._-]{1,249}$/);
        assert.ok(topic !== "." && topic !== ".." && !topic.startsWith("__") && !reserved.includes(topic));
        assert.ok(names.isOwn(topic));
      }),
      { numRuns: 2_000 },
    );
  });
});

void describe("topics of values", () => {
  void it("are readable where they can be", () => {
    const examples: [string, string][] = [
      ["temperature", "temperature"],
      ["cpu.load-1", "cpu.load-1"],
      ["plant/line_3", "plant--2fline--5f3"],
      [".", "--2e"],
      ["..", "--2e--2e"],
      ["-a.", "--2da--2e"],
      ["a--b", "a--2d--2db"],
      ["é", "--c3--a9"],
    ];
    for (const [series, part] of examples) assert.equal(topicOf("site.{series}", series), `site.${part}`);
    assert.equal(topicOf("{stream}.{series}.{agent}", "cpu.load", "pump-17", "t_1"), "t--5f1.cpu--2eload.pump-17");
    assert.equal(topicOf(defaultTopic, "temperature"), defaultTopic);
  });

  void it("what is too long ends in a part of its hash", () => {
    const long = "a/".repeat(300);
    const topic = topicOf("{series}", long);
    assert.match(topic, /^(a--2f)+a?--x[0-9a-f]{16}$/);
    assert.ok(topic.length <= 64);
    assert.notEqual(topicOf("{series}", `${long}b`), topic);
    assert.equal(topicOf("{series}", "a".repeat(64)), "a".repeat(64));
  });

  void it("no two lists of values share a topic, not even where the metrics write dots as underscores", () => {
    const values = fc.tuple(identifier, identifier, series);
    const templates = ["s.{agent}.{stream}.{series}", "{series}_{agent}.a_{stream}", "{stream}_{agent}-.{series}"];
    for (const template of templates) {
      const metric = ([agent, stream, series]: [string, string, string]) =>
        topicNames(template, []).of(agent, stream, series).replaceAll(".", "_");
      fc.assert(
        fc.property(values, values, (one, other) => {
          assert.equal(metric(one) === metric(other), one.join("\n") === other.join("\n"));
        }),
        { numRuns: 1_000 },
      );
    }
    // Pairs that a careless rule would mix up.
    const pairs: [string, string, string][] = [
      ["a_", "5f", "x"],
      ["a", "5f_", "x"],
      ["a", "b", "c.d"],
      ["a", "b", "c_d"],
      ["a", "b", "c--5fd"],
      ["a", "b", "c-d"],
      ["a-", "b", "c"],
      ["a", "-b", "c"],
    ];
    const topics = pairs.map(([agent, stream, series]) =>
      topicNames("{agent}.{stream}.{series}", []).of(agent, stream, series).replaceAll(".", "_"),
    );
    assert.equal(new Set(topics).size, pairs.length);
  });

  void it("I8: are bounded: more go to one topic that no value has, and what is known stays where it is", () => {
    const names = topicNames("site.{series}", ["site.old", "elsewhere"]);
    const topics = new Set(Array.from({ length: 2_000 }, (_, at) => names.of("a", "b", `series ${at}`)));
    assert.equal(topics.size, topicsMax);
    assert.equal(names.of("a", "b", "new"), "site.--other");
    assert.equal(names.of("a", "b", "series 0"), "site.series--200");
    assert.equal(names.of("a", "b", "old"), "site.old");
    assert.notEqual(topicOf("site.{series}", "--other"), "site.--other");
    assert.ok(names.isOwn("site.--other") && !names.isOwn("elsewhere") && !names.isOwn("site."));
  });
});

void describe("keys", () => {
  void it("hold the values as they are", () => {
    assert.equal(keysOf(defaultKey)("pump-17", "telemetry", "plant/é\0").toString(), "pump-17/plant/é\0");
    assert.equal(keysOf(defaultBatchKey)("pump-17", "telemetry", "").toString(), "pump-17/telemetry");
    assert.equal(keysOf("all")("pump-17", "telemetry", "x").toString(), "all");
  });

  void it("by default differ wherever agent or series differ", () => {
    const keys = keysOf(defaultKey);
    fc.assert(
      fc.property(identifier, series, identifier, series, (a, one, b, other) => {
        assert.equal(keys(a, "s", one).equals(keys(b, "s", other)), a === b && one === other);
      }),
    );
  });

  void it("of templates with a mistake are refused", () => {
    const refused: [string, RegExp][] = [
      ["", /empty/],
      ["{agent}{", /brace/],
      ["{name}", /no placeholder/],
      ["{agent}{agent}", /twice/],
      ["a".repeat(250), /longer/],
    ];
    for (const [template, why] of refused) assert.match(keyTemplateFault(template, all) ?? "no fault", why, template);
    assert.match(keyTemplateFault("{series}", ["agent"]) ?? "no fault", /no value/);
    for (const template of [defaultKey, defaultBatchKey]) assert.equal(keyTemplateFault(template, all), undefined);
  });
});
