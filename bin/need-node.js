/** Run before every npm script that needs it: says what is missing instead of letting a too old Node fail obscurely. */
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < 24 || (major === 24 && minor < 12)) {
  process.stderr.write(
    `error: this needs Node.js 24.12 or newer, and ${process.execPath} is ${process.versions.node}\n` +
      `  why: npm brings Node.js 24 along for Linux on x64 and arm64 only, as an optional package; this is ${process.platform} ${process.arch}\n` +
      '  what now: on those run "npm ci" again with optional packages; elsewhere install Node.js 24\n',
  );
  process.exit(69);
}
