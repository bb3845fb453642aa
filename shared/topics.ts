/** The two MQTT topics of an agent (PROTOCOL.md §2). Their first levels carry the protocol version. */
export function topicUp(agent: string): string {
  return `holdfast/1/${agent}/up`;
}

export function topicDown(agent: string): string {
  return `holdfast/1/${agent}/down`;
}
