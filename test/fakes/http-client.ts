/** A client of the HTTP input that can send what no client would: raw bytes over a socket, and one answer read back. */
import { connect, type Socket } from "node:net";
import type { HttpInput } from "../../agent/inputs/http.ts";

export interface Answer {
  status: number;
  headers: Map<string, string>;
  text: string;
  error: { what: string; why?: string; remedy?: string; line?: number; column?: number };
}

/** Sends raw bytes and reads one answer, or what came before the connection ended. */
export async function raw(input: HttpInput, ...parts: (string | Buffer)[]): Promise<Answer> {
  const socket = connect(input.address.port, "127.0.0.1");
  for (const part of parts) socket.write(part);
  return answerOn(socket);
}

/** Reads one answer from a socket that a test writes to. */
export function answerOn(socket: Socket): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let text = "";
    const finish = () => {
      const [head = "", body = ""] = text.split("\r\n\r\n", 2);
      const [line = "", ...rest] = head.split("\r\n");
      const headers = new Map(
        rest.map((row) => row.split(": ") as [string, string]).map(([k, v]) => [k.toLowerCase(), v]),
      );
      const whole = body.length >= Number(headers.get("content-length") ?? 0);
      if (head === "" || !whole) return;
      socket.destroy();
      const error = body.startsWith("{") ? (JSON.parse(body) as Answer).error : { what: "" };
      resolve({ status: Number(line.split(" ")[1]), headers, text: body, error });
    };
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      finish();
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`the connection ended after "${text}"`)));
  });
}

/** Posts a body to the input, over a connection of its own. */
export function post(
  input: HttpInput,
  type: string | undefined,
  body: string | Buffer,
  head: Record<string, string> = {},
  path = "/v1/readings",
) {
  const bytes = Buffer.from(body);
  const headers: Record<string, string> = { host: "localhost", "content-length": String(bytes.length), ...head };
  if (type !== undefined) headers["content-type"] = type;
  const lines = Object.entries(headers).map(([key, value]) => `${key}: ${value}\r\n`);
  return raw(input, `POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n`, bytes);
}
