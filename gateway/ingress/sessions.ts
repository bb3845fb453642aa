/** Under which journal id each session of an agent was welcomed. Only recent sessions are kept in mind (I8). */
const sessionsMax = 8192;

export function openSessions() {
  const journalIds = new Map<string, string>();
  const key = (agent: string, nonce: string): string => `${agent} ${nonce}`;
  return {
    welcomed(agent: string, nonce: string, journalId: string): void {
      journalIds.delete(key(agent, nonce));
      journalIds.set(key(agent, nonce), journalId);
      const [oldest] = journalIds.keys();
      if (journalIds.size > sessionsMax && oldest !== undefined) journalIds.delete(oldest);
    },
    journalIdOf: (agent: string, nonce: string): string | undefined => journalIds.get(key(agent, nonce)),
  };
}
