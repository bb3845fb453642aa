/** What bounds the HTTP input, besides the size of a body (I8). */

export interface HttpLimits {
  /** Connections at a time; what comes beyond is closed at once. */
  readonly connectionsMax: number;
  /** Bytes of bodies at a time, in multiples of the largest body; beyond, requests wait unread. */
  readonly bodiesInFlight: number;
  /** Time for a request's head. */
  readonly headersTimeoutMs: number;
  /** Time for a whole request, waiting for its turn included. */
  readonly requestTimeoutMs: number;
  /** How often these time-outs are checked. */
  readonly checkMs: number;
  /** How long a connection may idle; longer than the 60 s that producers with a pool commonly keep one. */
  readonly idleTimeoutMs: number;
  /** How long `stop` waits for requests under way; well inside the 5 s that the process has. */
  readonly stopMs: number;
}

export const httpLimits: HttpLimits = {
  connectionsMax: 256,
  bodiesInFlight: 4,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  checkMs: 5_000,
  idleTimeoutMs: 75_000,
  stopMs: 3_000,
};
