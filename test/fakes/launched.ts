/** Stands in for a program behind the launcher: tells how it was started, and ends as its first argument says. */
const mode: string | undefined = process.argv[2];

if (mode === "wait") {
  const keep = setInterval(() => {}, 1_000);
  process.on("SIGTERM", () => {
    process.stdout.write("SIGTERM\n");
    clearInterval(keep);
    process.exitCode = 7;
  });
} else if (mode === "kill") process.kill(process.pid, "SIGKILL");
else process.exitCode = Number(mode);

// Said last, because a test sends its signal as soon as it reads this.
process.stdout.write(`${process.version} ${process.execArgv.join(" ")} ${process.argv.slice(2).join(" ")}\n`);
