/** The command line of the agent: each command in a few lines, what it does in the rooms behind it. */
import { Command, Option } from "commander";
import { askAdmin } from "../shared/ask-admin.ts";
import { Fault } from "../shared/errors.ts";
import { openLog } from "../shared/log.ts";
import { checkConfig, findConfig, takeConfig, writeSample } from "../shared/options/commands.ts";
import { helpOf } from "../shared/options/reference.ts";
import { run } from "../shared/run.ts";
import { version } from "../shared/version.ts";
import { endWithReader, exitCodes, openVoice } from "../shared/voice.ts";
import { type AgentConfig, loadAgentConfig } from "./config.ts";
import { agentProgram } from "./options.ts";

const voice = openVoice();
endWithReader();
const program = new Command("holdfast-agent")
  .description("Keeps readings safe on this device until the queue has them.")
  .version(version, "-V, --version")
  .addHelpText("after", () => `\n${helpOf(agentProgram)}`)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? exitCodes.ok : exitCodes.usage));
const configOption = (): Option => new Option("-c, --config <file>", "the configuration; default ./agent.yaml");

interface ConfigOption {
  readonly config?: string;
}

function config(options: ConfigOption): AgentConfig {
  const taken = takeConfig(loadAgentConfig(findConfig(agentProgram, options.config), process.env), voice);
  if (taken === undefined) process.exit(exitCodes.config);
  return taken;
}

program
  .command("init")
  .description("write a sample configuration in which every option is explained")
  .argument("[file]", "where to; - prints it", agentProgram.file)
  .action((file: string) => writeSample(agentProgram, file, voice));

program
  .command("run")
  .description("run the agent until SIGTERM")
  .addOption(configOption())
  .action(async (options: ConfigOption) => {
    const settings = config(options);
    const log = openLog({ program: "holdfast-agent", level: settings.log.level });
    const { startAgent } = await import("./main.ts");
    for (;;) {
      let storeFailed = false;
      try {
        const code = await run((life) => startAgent(settings, log, life, () => (storeFailed = true)), log);
        if (!storeFailed) process.exit(code);
      } catch (error) {
        // A disk that refuses to sync while the store is opened may do better in a moment.
        if (!(error instanceof Fault && error.code === "unavailable" && error.retryable)) throw error;
        log.error({ err: error }, "the store cannot be opened yet");
      }
      // Opening the store anew looks at its log, checkpoints and takes over what damage left (I10). The pause keeps a
      // disk that fails at every write from turning this into a busy loop.
      log.error("the store failed; the agent starts anew");
      await new Promise((resolve) => setTimeout(resolve, restartPauseMs));
    }
  });

const restartPauseMs = 2_000;

program
  .command("check")
  .description("say everything that is wrong with the configuration")
  .addOption(configOption())
  .action((options: ConfigOption) => {
    const path = findConfig(agentProgram, options.config);
    process.exitCode = checkConfig(loadAgentConfig(path, process.env), path, voice);
  });

program
  .command("status")
  .description("show what waits, what was lost and how the link is")
  .addOption(configOption())
  .option("--json", "for programs")
  .action(async (options: ConfigOption & { json?: boolean }) => {
    const { admin } = config(options);
    const status = await askAdmin(admin.host, admin.port, "/status");
    if (options.json === true) return voice.say(JSON.stringify(status));
    const { sayStatus } = await import("./status.ts");
    return sayStatus(voice, status as Parameters<typeof sayStatus>[1]);
  });

program
  .command("move")
  .description("leave the group, so that the agent can join that of another gateway; the agent must be stopped")
  .addOption(configOption())
  .option("--abandon", "the old group is gone: append again what it did not report as forwarded")
  .action(async (options: ConfigOption & { abandon?: boolean }) => {
    const settings = config(options);
    const { move } = await import("./move.ts");
    voice.say(move(settings, options.abandon === true, openLog({ program: "holdfast-agent", level: "warn" })));
  });

program.parseAsync().catch((error: unknown) => process.exit(voice.fault(error)));
