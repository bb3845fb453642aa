/** Checks that both programs make of options that depend on each other. */
import { isLoopback } from "../address.ts";
import type { Listen } from "./places.ts";
import type { CrossFault } from "./table.ts";

/** A fault of two options together. */
export function fault(path: string, what: string, why: string, remedy: string): CrossFault {
  return { severity: "fault", path, what, why, remedy };
}

/** Something that works and is probably not meant. */
export function warning(path: string, what: string, why: string, remedy: string): CrossFault {
  return { severity: "warning", path, what, why, remedy };
}

/** A certificate needs its key, and a key its certificate. */
export function checkKeyPair(path: string, cert: string | undefined, key: string | undefined): CrossFault[] {
  if ((cert === undefined) === (key === undefined)) return [];
  const [given, missing] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
  return [
    fault(
      `${path}.${given}`,
      `${path}.${given} stands alone`,
      `it needs ${path}.${missing}`,
      `add ${missing} or remove ${given}`,
    ),
  ];
}

/** The admin pages need no password, so they stay on this machine. */
export function checkAdmin(listen: Listen): CrossFault[] {
  if (isLoopback(listen.host)) return [];
  const why = "its pages need no password, so they are shown on loopback only";
  return [
    fault(
      "admin.listen",
      `admin.listen ${listen.host} cannot be used`,
      why,
      "write 127.0.0.1 and put a proxy in front",
    ),
  ];
}

/** Two servers of one process cannot share a port. */
export function checkPorts(listens: readonly { readonly path: string; readonly listen: Listen }[]): CrossFault[] {
  return listens.flatMap(({ path, listen }, index) => {
    const other = listens.slice(0, index).find(({ listen: { port } }) => port === listen.port && port !== 0);
    if (other === undefined) return [];
    return [fault(path, `${path} uses port ${listen.port}`, `${other.path} uses it too`, "choose another port")];
  });
}
