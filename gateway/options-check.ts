/** Checks of gateway options against each other; pure. */
import { isLoopback } from "../shared/address.ts";
import { checkAdmin, checkKeyPair, checkPorts, fault, warning } from "../shared/options/cross.ts";
import type { CrossFault, ValueOf } from "../shared/options/table.ts";
import type { GatewayTable } from "./options.ts";
import { checkKafkaOptions } from "./options-kafka-check.ts";

/** Everything that single options cannot tell. */
export function checkGatewayOptions(options: ValueOf<GatewayTable>): CrossFault[] {
  const { mqtt, admin, queue } = options;
  const { cert, key, ca } = mqtt.tls;
  const listens = [
    { path: "mqtt.listen", listen: mqtt.listen },
    { path: "admin.listen", listen: admin.listen },
  ];
  if (cert !== undefined) listens.push({ path: "mqtt.tls.listen", listen: mqtt.tls.listen });
  const faults = [...checkKeyPair("mqtt.tls", cert, key), ...checkAdmin(admin.listen), ...checkPorts(listens)];
  if (!isLoopback(mqtt.listen.host)) {
    const why = "plain MQTT would carry secrets and readings in the clear; it is spoken on loopback only";
    const remedy = "write 127.0.0.1:1883, and give mqtt.tls a certificate for agents on other machines";
    faults.push(fault("mqtt.listen", `mqtt.listen ${mqtt.listen.host} cannot be used`, why, remedy));
  }
  if (ca !== undefined && cert === undefined) {
    faults.push(
      warning("mqtt.tls.ca", "mqtt.tls.ca has no effect", "without cert there is no TLS", "add cert and key"),
    );
  }
  if (queue.engine === "kafka") return [...faults, ...checkKafkaOptions(queue.kafka)];
  if (queue.kafka.brokers.length > 0) {
    const remedy = "set queue.engine to kafka, or remove the brokers";
    faults.push(warning("queue.kafka.brokers", "queue.kafka has no effect", "queue.engine is file", remedy));
  }
  if (queue.segmentBytes > queue.retainBytes) {
    const why = "it is larger than queue.retainBytes";
    faults.push(
      fault("queue.segmentBytes", "queue.segmentBytes is too large", why, "lower it or raise queue.retainBytes"),
    );
  }
  return faults;
}
