/**
 * The credentials of the agents, in `agents.json` of the gateway's state folder. A secret is shown once, when it is
 * made; the file holds only its SHA-256. A slow password hash would add nothing: a secret is 256 random bits, which
 * nobody guesses, and not a word that somebody chose.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Env, hex } from "../../shared/env.ts";
import { codeOf, Fault } from "../../shared/errors.ts";
import { checkIdentifier } from "../../shared/reading.ts";
import { agentsMax, type CredentialRow, changeCredentialFile, readCredentialFile } from "./credential-file.ts";

export const credentialFileName = "agents.json";
const secretBytes = 32;

/** An agent as `agent list` shows it. */
export interface AgentEntry {
  readonly agent: string;
  /** When its secret was made, RFC 3339. */
  readonly added: string;
}

/**
 * Makes a secret for a new agent.
 * @returns the secret, 43 characters of base64url; it cannot be had again
 * @throws Fault `usage` where the agent has one, `bad-input` for a bad name, `locked` while another change runs
 */
export function addAgent(stateFolder: string, agent: string, env: Env): string {
  // An operator adds the agents before the gateway has ever run.
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  checkIdentifier("the agent name", agent);
  const secret = Buffer.from(env.randomBytes(secretBytes)).toString("base64url");
  const added = new Date(env.wallUs() / 1000).toISOString();
  changeCredentialFile(join(stateFolder, credentialFileName), (rows) => {
    const what = `agent ${agent} was not added`;
    if (rows.some((row) => row.agent === agent)) {
      throw new Fault("usage", {
        what,
        why: "there is an agent of that name",
        remedy: `Choose another name, or run "agent remove ${agent}" first if its secret is lost.`,
      });
    }
    if (rows.length >= agentsMax) throw new Fault("full", { what, why: `there are ${agentsMax} agents, the most` });
    return [...rows, { agent, added, secretSha256: hex(sha256(Buffer.from(secret))) }];
  });
  return secret;
}

/** @throws Fault `usage` where there is no such agent, `locked` while another change runs */
export function removeAgent(stateFolder: string, agent: string): void {
  changeCredentialFile(join(stateFolder, credentialFileName), (rows) => {
    const kept = rows.filter((row) => row.agent !== agent);
    if (kept.length < rows.length) return kept;
    throw new Fault("usage", {
      what: `agent ${agent} was not removed`,
      why: "there is no agent of that name",
      remedy: 'Run "agent list" to see the names.',
    });
  });
}

/** The agents in the order in which they were added. */
export function listAgents(stateFolder: string): AgentEntry[] {
  return readCredentialFile(join(stateFolder, credentialFileName)).map(({ agent, added }) => ({ agent, added }));
}

/** The credentials as the running gateway sees them; changes of the file count at once. */
export interface Credentials {
  /** The name of the credential that this secret matches; undefined where it matches none. */
  verify(agent: string, secret: Uint8Array): string | undefined;
  /** True while the credential that `verify` named is still the agent's. */
  isCurrent(agent: string, credential: string): boolean;
}

/**
 * Opens the credentials for the running gateway.
 * @param failed is told once for each change of the file that cannot be read; the last good state stays in force
 * @throws Fault where the file cannot be read now
 */
export function openCredentials(stateFolder: string, failed: (fault: unknown) => void): Credentials {
  const file = join(stateFolder, credentialFileName);
  let seen = stampOf(file);
  let hashes = hashesOf(readCredentialFile(file));

  /** A stat per look costs microseconds and, unlike a watcher, cannot miss a change. */
  function refresh(): void {
    const stamp = stampOf(file);
    if (stamp === seen) return;
    seen = stamp;
    try {
      hashes = hashesOf(readCredentialFile(file));
    } catch (error) {
      failed(error);
    }
  }

  return {
    verify(agent, secret) {
      refresh();
      const known = hashes.get(agent);
      const matches = timingSafeEqual(sha256(secret), known ?? nobody);
      return known !== undefined && matches ? hex(known) : undefined;
    },
    isCurrent(agent, credential) {
      refresh();
      const known = hashes.get(agent);
      return known !== undefined && hex(known) === credential;
    },
  };
}

/** Compared where the agent is unknown, so that the time of an answer does not tell which names exist. */
const nobody = new Uint8Array(32);

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

function hashesOf(rows: readonly CredentialRow[]): Map<string, Uint8Array> {
  return new Map(rows.map((row) => [row.agent, Buffer.from(row.secretSha256, "hex")]));
}

/** Changes with every replacement of the file; the inode counts because a clock may stand still. */
function stampOf(file: string): string {
  try {
    const { ino, mtimeNs, size } = statSync(file, { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return "";
    throw error;
  }
}
