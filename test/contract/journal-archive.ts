/** What the rules of the replicated journal rely on: one suite for the archives of every kind. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bytesMax, isMissing, overtaken, races, type StreamSubject, storedAt, text } from "./journal-stream.ts";

/** @param open a new stream with its archive */
export function journalArchiveContract(kind: string, open: (bytesMax: number) => Promise<StreamSubject>): void {
  const check = (title: string, body: (subject: StreamSubject) => Promise<void>) =>
    void it(title, async () => body(await open(bytesMax)));

  void describe(`the archive of a replicated journal, ${kind}`, () => {
    check("a value is written only over the revision that it expects", async ({ archive, other }) => {
      assert.equal(await archive.get("lane.a"), null);
      const first = storedAt(await archive.put("lane.a", 0, text("one")));
      assert.deepEqual(entry(await other.archive.get("lane.a")), { revision: first, bytes: text("one") });
      assert.deepEqual(await archive.put("lane.a", 0, text("x")), overtaken);
      const elsewhere = storedAt(await archive.put("lane.b", 0, text("b")));
      assert.deepEqual(await archive.put("lane.a", elsewhere, text("x")), overtaken);
      const second = storedAt(await other.archive.put("lane.a", first, text("two")));
      assert.ok(second > elsewhere && elsewhere > first);
      assert.deepEqual(await archive.put("lane.a", first, text("x")), overtaken);
      assert.deepEqual(entry(await archive.get("lane.a")), { revision: second, bytes: text("two") });
    });

    check("of two that write at once, one wins", async ({ archive, other }) => {
      let revision = 0;
      for (let race = 0; race < races; race++) {
        const written = await Promise.all([
          archive.put("a", revision, text("mine")),
          other.archive.put("a", revision, text("theirs")),
        ]);
        assert.deepEqual(written.map(({ outcome }) => outcome).sort(), ["overtaken", "stored"]);
        revision = (await archive.get("a"))?.revision ?? 0;
        assert.ok(written.some((one) => one.outcome === "stored" && one.seq === revision));
      }
    });

    check("a key is removed at its revision, and is written anew after that", async ({ archive }) => {
      const first = storedAt(await archive.put("lane.a", 0, text("one")));
      const second = storedAt(await archive.put("lane.a", first, text("two")));
      assert.deepEqual(await archive.remove("lane.a", first), overtaken);
      const gone = storedAt(await archive.remove("lane.a", second));
      assert.equal(await archive.get("lane.a"), null);
      assert.deepEqual(await archive.keys(""), []);
      assert.deepEqual(await archive.put("lane.a", second, text("late")), overtaken);
      assert.deepEqual(await archive.remove("lane.a", second), overtaken);
      const anew = storedAt(await archive.put("lane.a", 0, text("anew")));
      assert.ok(anew > gone && gone > second);
      assert.deepEqual(entry(await archive.get("lane.a")), { revision: anew, bytes: text("anew") });
    });

    check("keys are listed by prefix", async ({ archive }) => {
      const keys = ["lane.a.b", "lane.a.c", "lane.ab.c", "store.a"];
      for (const key of keys) storedAt(await archive.put(key, 0, text(key)));
      assert.deepEqual((await archive.keys("")).toSorted(), keys);
      assert.deepEqual((await archive.keys("lane.")).toSorted(), keys.slice(0, 3));
      assert.deepEqual((await archive.keys("lane.a.")).toSorted(), keys.slice(0, 2));
      assert.deepEqual(await archive.keys("none."), []);
    });

    check("nothing is answered from an archive that was deleted", async ({ archive, remove }) => {
      const revision = storedAt(await archive.put("a", 0, text("one")));
      await remove();
      const calls: (() => Promise<unknown>)[] = [
        () => archive.get("a"),
        () => archive.put("a", revision, text("two")),
        () => archive.put("b", 0, text("two")),
        () => archive.remove("a", revision),
        () => archive.keys(""),
      ];
      for (const call of calls) await assert.rejects(call, isMissing, String(call));
    });
  });
}

/** Without what kind of array its bytes stand in. */
function entry<T extends { bytes: Uint8Array } | null>(found: T): T {
  return found === null ? found : { ...found, bytes: Uint8Array.from(found.bytes) };
}
