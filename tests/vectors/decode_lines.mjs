// Hands lines of JSON, [credential, message in hex, id context or null], to contrib/decode.mjs; prints what it says.
import { createInterface } from "node:readline";
import { openMessage } from "../../contrib/decode.mjs";

const plain = (_, it) => it instanceof Uint8Array ? { bytes: Buffer.from(it).toString("hex") }
  : it instanceof Map ? { map: [...it].flat() } : typeof it === "bigint" ? { number: it.toString() }
  : typeof it === "number" && !Number.isFinite(it) ? { number: String(it) } : it === undefined ? { number: "undefined" } : it;

for await (const line of createInterface({ input: process.stdin })) {
  const [credential, message, idContext] = JSON.parse(line);
  const said = await openMessage(credential, Uint8Array.from(Buffer.from(message, "hex")), idContext ?? undefined)
    .catch((error) => ({ refused: error.message, unexpected: error.constructor !== Error }));
  console.log(JSON.stringify(said, plain));
}
