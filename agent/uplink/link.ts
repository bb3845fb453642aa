/**
 * The link contract: how the uplink reaches one gateway. It moves opaque messages and tells when the way is open and
 * when it is gone; what the messages mean, when to try again and which gateway to try is the uplink's business. There
 * are two implementations: MQTT (mqtt.ts) and the simulator's, which runs under injected time.
 */

/** A gateway and how this agent shows who it is. */
export interface LinkTarget {
  /** `mqtts://host[:port]`, or `mqtt://host[:port]` for a gateway on this machine. */
  readonly url: string;
  /** The agent's name: user name, and the middle of both topics. */
  readonly agent: string;
  /** The secret that the gateway issued. */
  readonly secret: string;
  /** PEM texts. Without `ca` the system's roots are trusted; `cert` and `key` are sent where the gateway asks for them. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Longest time from `connect` to `up`. */
  readonly connectTimeoutMs: number;
  /** A silent link is probed this often, which costs metered data. A dead one is noticed within twice this. */
  readonly keepAliveMs: number;
}

/**
 * Why a session ended:
 * `refused`: the gateway answered and will not serve this agent as it is (protocol version, topics), or the target is
 * unusable; `unauthorised`: one side does not accept who the other is (secret, certificate); `lost`: there is no way
 * to the gateway, or there is none any more; `timeout`: nobody answered in time.
 * After the first two only a person can help, so tries become rare (I9).
 */
export type LinkDownReason = "refused" | "unauthorised" | "lost" | "timeout";

export interface LinkDown {
  readonly reason: LinkDownReason;
  /** One line for a person. It never holds the secret. */
  readonly text: string;
}

/** What a session tells its owner. None of these is called from inside `connect`, `send` or `close`. */
export interface LinkEvents {
  /** At most once: messages can be sent, and what the gateway sends arrives. */
  up(): void;
  /** A message from the gateway, only after `up`. The bytes stay valid and unchanged. */
  message(payload: Uint8Array): void;
  /** Once, as the last event, unless the owner closed the session first. */
  down(down: LinkDown): void;
}

export interface LinkSession {
  /**
   * Sends a message after all earlier ones; only after `up`. It resolves once the session has room for another, so an
   * owner that awaits it keeps one unsent message in memory; on a slow link that is long before the message arrives.
   * It resolves as well when the session has ended and never rejects: whether a message arrived is told by POSITION,
   * never by the link.
   */
  send(payload: Uint8Array): Promise<void>;
  /** Ends the session; no event follows. What was sent before is still delivered where the link allows it. */
  close(): void;
}

/** Starts one session. Never throws: an unusable target ends in `down`. It never reconnects by itself. */
export type ConnectLink = (target: LinkTarget, events: LinkEvents) => LinkSession;
