/** The command line of the gateway: each command in a few lines, what it does in the rooms behind it. */
import { Command, Option } from "commander";
import { askAdmin } from "../shared/ask-admin.ts";
import { realEnv } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";
import { countedText } from "../shared/human.ts";
import { openLog } from "../shared/log.ts";
import { checkConfig, findConfig, takeConfig, writeSample } from "../shared/options/commands.ts";
import { helpOf } from "../shared/options/reference.ts";
import { run } from "../shared/run.ts";
import { version } from "../shared/version.ts";
import { endWithReader, exitCodes, openVoice } from "../shared/voice.ts";
import { type GatewayConfig, loadGatewayConfig } from "./config.ts";
import { gatewayProgram } from "./options.ts";

const voice = openVoice();
endWithReader();
const program = new Command("holdfast-gateway")
  .description("Takes readings from agents, keeps them in a journal and forwards them to the queue.")
  .version(version, "-V, --version")
  .addHelpText("after", () => `\n${helpOf(gatewayProgram)}`)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? exitCodes.ok : exitCodes.usage));
const configOption = (): Option => new Option("-c, --config <file>", "the configuration; default ./gateway.yaml");

interface ConfigOption {
  readonly config?: string;
}

function config(options: ConfigOption): GatewayConfig {
  const taken = takeConfig(loadGatewayConfig(findConfig(gatewayProgram, options.config), process.env), voice);
  if (taken === undefined) process.exit(exitCodes.config);
  return taken;
}

program
  .command("init")
  .description("write a sample configuration in which every option is explained")
  .argument("[file]", "where to; - prints it", gatewayProgram.file)
  .action((file: string) => writeSample(gatewayProgram, file, voice));

program
  .command("run")
  .description("run the gateway until SIGTERM")
  .addOption(configOption())
  .action(async (options: ConfigOption) => {
    const settings = config(options);
    const log = openLog({ program: "holdfast-gateway", level: settings.log.level });
    const { startGateway } = await import("./main.ts");
    process.exit(await run((life) => startGateway(settings, log, life), log));
  });

program
  .command("check")
  .description("say everything that is wrong with the configuration, and with the topics of a Kafka queue")
  .addOption(configOption())
  .option("--offline", "ask no cluster")
  .action(async (options: ConfigOption & { offline?: boolean }) => {
    const path = findConfig(gatewayProgram, options.config);
    const loaded = loadGatewayConfig(path, process.env);
    process.exitCode = checkConfig(loaded, path, voice);
    if (process.exitCode !== exitCodes.ok || !("config" in loaded) || options.offline === true) return;
    const { queue } = loaded.config;
    if (queue.engine !== "kafka") return;
    const { checkClusters } = await import("./check-kafka.ts");
    process.exitCode = await checkClusters(queue, realEnv(), voice);
  });

program
  .command("status")
  .description("show what waits, what was lost and what is open")
  .addOption(configOption())
  .option("--json", "for programs")
  .action(async (options: ConfigOption & { json?: boolean }) => {
    const { admin } = config(options);
    const { readStatus, sayStatus } = await import("./status.ts");
    const status = readStatus(await askAdmin(admin.host, admin.port, "/status"));
    return options.json === true ? voice.say(JSON.stringify(status)) : sayStatus(voice, status);
  });

const agents = program.command("agent").description("the agents that may connect");

agents
  .command("add")
  .description("let an agent connect, and print its password once")
  .argument("<name>")
  .addOption(configOption())
  .action(async (name: string, options: ConfigOption) => {
    const { addAgent } = await import("./ingress/credentials.ts");
    const password = addAgent(config(options).stateFolder, name, realEnv());
    voice.say(password);
    voice.note(
      `This is the password of ${name}; it is shown only now. Put it into the file \`password\` of the agent's`,
    );
    voice.note("state folder, or the file that gateway.passwordFile names there.");
  });

agents
  .command("list")
  .description("list the agents")
  .addOption(configOption())
  .option("--json", "for programs")
  .action(async (options: ConfigOption & { json?: boolean }) => {
    const { listAgents } = await import("./ingress/credentials.ts");
    const entries = listAgents(config(options).stateFolder);
    if (options.json === true) return voice.say(JSON.stringify(entries));
    return voice.table(
      ["agent", "added"],
      entries.map(({ agent, added }) => [agent, added]),
    );
  });

agents
  .command("remove")
  .description("take an agent's access away; what it delivered stays")
  .argument("<name>")
  .addOption(configOption())
  .action(async (name: string, options: ConfigOption) => {
    const { removeAgent } = await import("./ingress/credentials.ts");
    removeAgent(config(options).stateFolder, name);
    voice.note(`${name} can no longer connect.`);
  });

program
  .command("queue")
  .description("the file queue")
  .command("read")
  .description("print the committed lines, oldest first")
  .addOption(configOption())
  .option("-f, --follow", "go on as lines come")
  .option("--folder <folder>", "the queue's folder; default: from the configuration")
  .action(async (options: ConfigOption & { follow?: boolean; folder?: string }) => {
    const { readQueue } = await import("./queue/read.ts");
    const folder = options.folder ?? folderOf(config(options).queue);
    for await (const { lines, skippedSegments } of readQueue({ folder, follow: options.follow === true })) {
      if (skippedSegments > 0) voice.note(`${countedText(skippedSegments, "segment")} had been deleted by retention`);
      if (!process.stdout.write(lines)) await new Promise((resolve) => process.stdout.once("drain", resolve));
    }
  });

program
  .command("positions")
  .description("the positions topic of a Kafka queue")
  .command("rebuild")
  .description("make a lost positions topic anew from the records in the cluster, while no gateway runs")
  .addOption(configOption())
  .option("--json", "for programs")
  .action(async (options: ConfigOption & { json?: boolean }) => {
    const settings = config(options);
    const log = openLog({ program: "holdfast-gateway", level: settings.log.level });
    const { rebuildPositions } = await import("./rebuild-positions.ts");
    const rebuilt = await rebuildPositions(settings, realEnv(), log);
    if (options.json === true) return voice.say(JSON.stringify(rebuilt));
    return voice.say(
      `the positions of ${countedText(rebuilt.lanes, "lane")} tell of ${countedText(rebuilt.seqs, "seq")}`,
    );
  });

const deadLetters = program
  .command("dead-letters")
  .description("blocks and readings that the queue took as dead letters");

deadLetters
  .command("list")
  .description("list them")
  .addOption(configOption())
  .option("--limit <count>", "at most so many", "1000")
  .option("--json", "for programs: one object a line")
  .action(async (options: ConfigOption & { limit: string; json?: boolean }) => {
    const limit = Number(options.limit);
    if (!Number.isInteger(limit) || limit < 1)
      throw new Fault("usage", { what: "--limit is a whole number from 1 on" });
    const { listLetters } = await import("./dead-letters.ts");
    return listLetters(config(options), limit, options.json === true, voice);
  });

deadLetters
  .command("show")
  .description("print one with its block, in base64")
  .argument("<id>", "as `list` names it")
  .addOption(configOption())
  .option("--payload <file>", "write the block to a file instead")
  .action(async (id: string, options: ConfigOption & { payload?: string }) => {
    const { showLetter } = await import("./dead-letters.ts");
    return showLetter(config(options), id, options.payload, voice);
  });

deadLetters
  .command("replay")
  .description("write what they hold to the queue of Kafka, each once for ever, if it can be read and fits by now")
  .argument("[ids...]", "as `list` names them")
  .addOption(configOption())
  .option("--all", "all that were not replayed yet")
  .option("--json", "for programs: one object a line")
  .action(async (ids: string[], options: ConfigOption & { all?: boolean; json?: boolean }) => {
    if ((options.all === true) === ids.length > 0)
      throw new Fault("usage", { what: "name dead letters, or say --all" });
    const { replayLetters } = await import("./dead-letters.ts");
    const wanted = options.all === true ? "all" : ids;
    process.exitCode = await replayLetters(config(options), wanted, options.json === true, voice);
  });

const standby = program
  .command("standby")
  .description("the two clusters of a queue on Kafka: which takes the readings, and what of the other one is in doubt");

for (const [deed, argument, description] of [
  ["show", undefined, "show how they are"],
  ["switch", "[side]", "let the other cluster take the readings, or the one that is named: primary or standby"],
  ["abandon", "<side>", "give a cluster up that is lost for good: what it may have goes to the other one, marked"],
  ["renew", "<side>", "take another cluster into use where one was given up"],
] as const) {
  const command = standby.command(deed, { isDefault: deed === "show" }).description(description);
  if (argument !== undefined) command.argument(argument);
  command.addOption(configOption()).option("--json", "for programs");
  command.action(async () => {
    const { askStandby, readStandbyWish, standbyLines } = await import("./standby.ts");
    const options = command.opts<ConfigOption & { json?: boolean }>();
    const wish = readStandbyWish({ deed, side: command.args[0] });
    const status = await askStandby(config(options), wish, voice);
    if (status === undefined) return;
    if (options.json === true) voice.say(JSON.stringify(status));
    else for (const [name, text] of standbyLines(status)) voice.say(`${name.padEnd(8)}  ${text}`);
  });
}

program
  .command("declare-lost")
  .description("state that open readings of an agent will never arrive; loss records name them in the queue")
  .requiredOption("--agent <name>", "the agent")
  .option("--stream <name>", "only this stream")
  .option("--epoch <id>", "only this epoch")
  .option("--first <seq>", "with --stream and --epoch: from this seq")
  .option("--last <seq>", "to this seq")
  .addOption(configOption())
  .option("--json", "for programs")
  .action(async (options: ConfigOption & Partial<Record<string, string>> & { json?: boolean }) => {
    const { readDeclaration } = await import("./declare-lost.ts");
    const { declare } = await import("./declare.ts");
    const { first, last, ...named } = options;
    const span =
      first === undefined && last === undefined ? {} : { span: { first: Number(first), last: Number(last) } };
    const declaration = readDeclaration({ ...named, ...span });
    const declared = await declare(config(options), declaration);
    if (options.json === true) return voice.say(JSON.stringify(declared));
    if (declared.every(({ seqs }) => seqs === 0)) {
      voice.note(
        `nothing of that is open of agent ${declaration.agent}: the queue has it, or the gateway never heard of it`,
      );
    }
    if (declared.length === 0) return;
    return voice.table(
      ["agent", "stream", "epoch", "reason", "declared"],
      declared.map(({ lane, reason, seqs }) => [lane.agent, lane.stream, lane.epoch, reason, String(seqs)]),
    );
  });

function folderOf(queue: GatewayConfig["queue"]): string {
  if (queue.engine === "file") return queue.folder;
  const what = "only the file queue can be read by this command";
  const remedy = "read the topics with any consumer of Kafka that is set to isolation.level=read_committed";
  throw new Fault("usage", { what, why: "queue.engine is kafka", remedy });
}

program.parseAsync().catch((error: unknown) => process.exit(voice.fault(error)));
