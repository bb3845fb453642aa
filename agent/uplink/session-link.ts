/**
 * The link of the session that runs, and none but that: events of a session that was closed or replaced since mean
 * nothing any more, and what does not decode ends here. What the messages mean is the uplink's business.
 */
import { decodeMessage, encodeMessage } from "../../shared/protocol/codec.ts";
import type { DownMessage, UpMessage } from "../../shared/protocol/messages.ts";
import type { LinkDown, LinkEvents, LinkSession } from "./link.ts";

/** What the uplink hears of its session; none of these is called from inside `open`, `send` or `close`. */
export interface SessionEvents {
  up(): void;
  message(message: DownMessage): void;
  /** The gateway sent bytes that are no message of this protocol. */
  malformed(error: unknown): void;
  down(down: LinkDown): void;
}

export interface SessionLink {
  /** Starts a session with a gateway; the one before must be closed. */
  open(url: string): void;
  /** Ends the session; no event and no `taken` follows. */
  close(): void;
  /** @param taken called once the link has room for another message; never after the session ended */
  send(message: UpMessage, taken?: () => void): void;
}

export function createSessionLink(
  connect: (url: string, events: LinkEvents) => LinkSession,
  events: SessionEvents,
): SessionLink {
  let current: LinkSession | undefined;

  function receive(payload: Uint8Array): void {
    let message: DownMessage;
    try {
      message = decodeMessage(payload) as DownMessage;
    } catch (error) {
      events.malformed(error);
      return;
    }
    // The decoder reads both directions; what only agents send means nothing here.
    if (message.type === "welcome" || message.type === "position" || message.type === "nack") events.message(message);
  }

  return {
    open(url) {
      const isCurrent = (): boolean => current === session;
      const session = connect(url, {
        up() {
          if (isCurrent()) events.up();
        },
        message(payload) {
          if (isCurrent()) receive(payload);
        },
        down(down) {
          if (isCurrent()) events.down(down);
        },
      });
      current = session;
    },
    close() {
      current?.close();
      current = undefined;
    },
    send(message, taken) {
      const carrier = current;
      const settled = (): void => {
        if (current === carrier) taken?.();
      };
      carrier?.send(encodeMessage(message)).then(settled, settled);
    },
  };
}
