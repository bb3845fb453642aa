/** Cleaning up after a test in reverse: what was set up last goes first. `t.after` itself runs in the other order. */
import type { TestContext } from "node:test";

type Action = () => void | Promise<void>;

const pending = new WeakMap<TestContext, Action[]>();

/** Runs `action` at the end of the test, before what was registered earlier. */
export function atEnd(t: TestContext, action: Action): void {
  const known = pending.get(t);
  if (known !== undefined) {
    known.push(action);
    return;
  }
  const actions = [action];
  pending.set(t, actions);
  t.after(async () => {
    for (let last = actions.pop(); last !== undefined; last = actions.pop()) await last();
  });
}
