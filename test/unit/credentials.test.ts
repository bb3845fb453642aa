import assert from "node:assert/strict";
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import {
  addAgent,
  credentialFileName,
  listAgents,
  openCredentials,
  removeAgent,
} from "../../gateway/ingress/credentials.ts";
import { realEnv } from "../../shared/env.ts";

const env = { ...realEnv(), wallUs: () => 1_800_000_000_000_000 };

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-agents-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe("credentials", () => {
  it("keep no secret, only its hash, in a file that only its owner reads", (t) => {
    const folder = tempFolder(t);
    const secret = addAgent(folder, "pump-7", env);
    assert.match(secret, /^[A-Za-z0-9_-]{43}$/);
    assert.notEqual(addAgent(folder, "pump-8", env), secret);
    const file = join(folder, credentialFileName);
    assert.ok(!readFileSync(file, "utf8").includes(secret));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(folder), [credentialFileName]);
    assert.deepEqual(listAgents(folder), [
      { agent: "pump-7", added: "2027-01-15T08:00:00.000Z" },
      { agent: "pump-8", added: "2027-01-15T08:00:00.000Z" },
    ]);
  });

  const asRoot = process.getuid?.() === 0 ? false : "only root can give files away";
  it("belong to the owner of the state folder, also where root added them", { skip: asRoot }, (t) => {
    const folder = tempFolder(t);
    chownSync(folder, 12_345, 54_321);
    addAgent(folder, "pump-7", env);
    const { uid, gid } = statSync(join(folder, credentialFileName));
    assert.deepEqual({ uid, gid }, { uid: 12_345, gid: 54_321 });
  });

  it("know exactly the right secret of the right agent, and follow the file", (t) => {
    const folder = tempFolder(t);
    const credentials = openCredentials(folder, (fault) => assert.fail(String(fault)));
    const secret = Buffer.from(addAgent(folder, "pump-7", env));
    const credential = credentials.verify("pump-7", secret)!;
    assert.equal(typeof credential, "string");
    assert.equal(credentials.isCurrent("pump-7", credential), true);
    const wrong: [string, Uint8Array][] = [
      ["pump-7", Buffer.of()],
      ["pump-7", secret.subarray(1)],
      ["pump-7", Buffer.alloc(1e6)],
      ["pump-8", secret],
      ["", secret],
      ["__proto__", secret],
    ];
    for (const [agent, bytes] of wrong) assert.equal(credentials.verify(agent, bytes), undefined);
    removeAgent(folder, "pump-7");
    assert.equal(credentials.verify("pump-7", secret), undefined);
    assert.equal(credentials.isCurrent("pump-7", credential), false);
    addAgent(folder, "pump-7", env);
    assert.equal(credentials.isCurrent("pump-7", credential), false);
  });

  it("refuse a second agent of one name, an unknown one and a bad name, and change nothing then", (t) => {
    const folder = tempFolder(t);
    addAgent(folder, "pump-7", env);
    const before = readFileSync(join(folder, credentialFileName), "utf8");
    assert.throws(() => addAgent(folder, "pump-7", env), { code: "usage" });
    assert.throws(() => removeAgent(folder, "pump-8"), { code: "usage" });
    for (const name of ["", "Pump", "a/b", "a.b", "+", "#", "$SYS", "x".repeat(65)]) {
      assert.throws(() => addAgent(folder, name, env), { code: /bad-input|usage|config/ });
    }
    assert.equal(readFileSync(join(folder, credentialFileName), "utf8"), before);
    assert.deepEqual(readdirSync(folder), [credentialFileName]);
  });

  it("are not changed by two commands at once", (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, `${credentialFileName}.new`), "");
    assert.throws(() => addAgent(folder, "pump-7", env), { code: "locked", retryable: true });
    assert.deepEqual(listAgents(folder), []);
  });

  const row = '{"agent": "a", "added": "2027-01-15T08:00:00.000Z", "secretSha256": "';
  const files: [string, string, string][] = [
    ["is no JSON", "{", "damaged"],
    ["is empty", "", "damaged"],
    ["holds something else", "[]", "damaged"],
    ["is null", "null", "damaged"],
    ["comes from a later version", '{"format": 2}', "too-new"],
    [
      "names an agent twice",
      `{"format": 1, "agents": [${row}${"0".repeat(64)}"}, ${row}${"1".repeat(64)}"}]}`,
      "damaged",
    ],
    ["holds a hash that is none", `{"format": 1, "agents": [${row}00"}]}`, "damaged"],
    ["holds a row that is none", '{"format": 1, "agents": [null]}', "damaged"],
    ["is too large", " ".repeat(3_000_000), "damaged"],
  ];
  for (const [name, content, code] of files) {
    it(`refuse a file that ${name}`, (t) => {
      const folder = tempFolder(t);
      writeFileSync(join(folder, credentialFileName), content);
      assert.throws(() => openCredentials(folder, () => undefined), { code });
      assert.throws(() => addAgent(folder, "pump-7", env), { code });
      assert.equal(readFileSync(join(folder, credentialFileName), "utf8"), content);
    });
  }
});
