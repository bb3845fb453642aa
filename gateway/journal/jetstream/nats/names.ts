/** What the streams, subjects and buckets of a journal are called. Pure. */

/** The stream of a journal, and its archive's bucket. Both carry the journal id, so that a new journal never meets old messages. */
export function journalName(groupId: string, journalId: string): string {
  return `holdfast-${groupId}-${journalId}`;
}

/** What stands before each subject of a journal. */
export function subjectBase(groupId: string, journalId: string): string {
  return `holdfast.${groupId}.${journalId}.`;
}

/** The bucket that all gateways of a group know; it outlives its journals. */
export function groupBucket(groupId: string): string {
  return `holdfast-${groupId}`;
}

/** The stream that a bucket of JetStream is. */
export function bucketStream(bucket: string): string {
  return `KV_${bucket}`;
}

/** A subject or key, if it names one place and nothing else: words with dots between. Any other one is a defect. */
export function mustBePlain(subject: string): string {
  if (/^[\w=/-]+(\.[\w=/-]+)*$/.test(subject)) return subject;
  throw new Error(`${JSON.stringify(subject)} cannot be a subject or a key`);
}

/** What matches all subjects below a prefix: whole words, each with its dot, or nothing for all. */
export function filterOf(base: string, prefix: string): string {
  if (prefix !== "") mustBePlain(prefix.replace(/\.$/, ""));
  if (prefix === "" || prefix.endsWith(".")) return `${base}${prefix}>`;
  throw new Error(`the prefix ${prefix} must end with a dot: NATS matches whole words`);
}
