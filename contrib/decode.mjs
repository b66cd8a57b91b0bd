// Opens sealed messages with nothing but the credential (spec/PROTOCOL.md), in browsers and Node.js 18 or later, on
// WebCrypto alone. It has no ChaCha20: algorithm 24 is refused, decode.py opens it. Only the gateway can tell a replay.
// usage: node decode.mjs CREDENTIAL|@FILE [ID_CONTEXT] < message     as it is, or lines of hex; prints JSON for each
const { subtle } = globalThis.crypto ?? (await import("node:crypto")).webcrypto;
const refuse = (why) => { throw new Error(why); };
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (two) => parseInt(two, 16));
const digits = (n, size) => n.toString(16).padStart(2 * size, "0");
const padded = (text) => text + "0".repeat(-text.length & 31);
const bstr = (text, n = text.length / 2) => (n < 24 ? digits(64 + n, 1) : n < 256 ? "58" + digits(n, 1) : "59" + digits(n, 2)) + text;
const unpack = (big) => big < 2n ** 53n ? Number(big) : big;

// PROTOCOL 3 in hex: each number in its shortest form, each header in its place. Lengths and counts are compared below.
const UINT = "(?:0.|1[0-7]|18(?!0|1[0-7])..|19(?!00).{4}|1a(?!0000).{8}|1b(?!0{8}).{16})";
const HEAD = "(?:4.|5[0-7]|58..|59.{4})";
const MESSAGE = new RegExp(`^d083${HEAD}(?<inner>a[234]01(?<alg>0a|1818|181e)03(?<format>(?!1[ab])${UINT})(?:627265(?<re>${UINT}))?`
  + "(?:646563686f48(?<echo>.{16}))?)a[23]04(?<kid>41..|42.{4}|43.{6}|44.{8}|45.{10})06(?<piv>41..|42(?!00).{4}|43(?!00).{6}"
  + `|44(?!00).{8}|45(?!00).{10})(?:0a48(?<session>.{16}))?${HEAD}(?<sealed>.*)$`);

export function cbor(bytes) { // one item of RFC 8949; maps become Map
  let at = 0;
  const take = (n) => (at += Number(n)) <= bytes.length ? bytes.slice(at - Number(n), at) : refuse("truncated");
  const float = (raw, n) => {
    if (raw.length > 2) return new DataView(raw.buffer)[raw.length === 4 ? "getFloat32" : "getFloat64"](0);
    const e = (n >> 10) & 31, m = n & 1023;
    return (n >> 15 ? -1 : 1) * (e === 31 ? (m ? NaN : Infinity) : e ? (1024 + m) * 2 ** (e - 25) : m * 2 ** -24);
  };
  const item = (depth, breaks) => {
    const [first] = take(1), major = first >> 5, info = first & 31, endless = info === 31;
    if (first === 255 && breaks) return take; // stands for the end
    if (depth > 64 || (endless ? major < 2 || major > 5 : info > 27)) refuse("not well-formed");
    const raw = info < 24 ? Uint8Array.of(info) : take(endless ? 0 : 2 ** (info - 24));
    const n = endless ? Infinity : unpack(BigInt("0x" + hex(raw)));
    const list = (all = [], next) => {
      while (all.length < n && (next = item(depth + 1, endless)) !== take) all.push(next);
      return all;
    };
    switch (major) {
      case 0: return n;
      case 1: return typeof n === "bigint" ? -1n - n : -1 - n;
      case 2: return endless ? Uint8Array.from(list().flatMap((part) => [...part])) : take(n);
      case 3: return endless ? list().join("") : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(take(n));
      case 4: return list();
      case 5: {
        const map = new Map();
        for (let key; map.size < n && (key = item(depth + 1, endless)) !== take;) map.set(key, item(depth + 1));
        return map;
      }
      case 6: return { tag: n, value: item(depth + 1) };
      default: return info > 24 ? float(raw, n) : [false, true, null, undefined][n - 20] ?? null;
    }
  };
  const value = item(0);
  return at === bytes.length ? value : refuse("bytes behind the end");
}

async function openCcm(key, nonce, aad, sealed, size) { // RFC 3610 for 13 bytes of nonce, made of AES-CTR and AES-CBC
  const [ctr, cbc] = await Promise.all(["AES-CTR", "AES-CBC"].map((name) => subtle.importKey("raw", unhex(key), name, false, ["encrypt"])));
  const length = sealed.length - 2 * size, counter = unhex(`01${nonce}0000`), first = digits(0x41 + 8 * (size / 2 - 1), 1);
  const opened = length < 0 ? "" : hex(new Uint8Array(await subtle.encrypt({ name: "AES-CTR", counter, length: 16 }, ctr,
    unhex(padded(sealed.slice(length)) + sealed.slice(0, length)))));
  const text = first + nonce + digits(Math.max(length, 0) / 2, 2) + padded(digits(aad.length / 2, 2) + aad) + padded(opened.slice(32));
  const mac = new Uint8Array(await subtle.encrypt({ name: "AES-CBC", iv: new Uint8Array(16) }, cbc, unhex(text))).slice(-32, size - 32);
  const wrong = unhex(opened.slice(0, 2 * size)).reduce((sum, byte, i) => sum | (byte ^ mac[i]), 0);
  return length < 0 || wrong ? refuse("forged: it does not authenticate") : unhex(opened.slice(32));
}

/** What a message says; throws if it is refused. "content" is bytes, "value" that decoded, or bytes. */
export async function openMessage(line, message, session) {
  const given = Object.fromEntries((line.trim().split("?")[1] ?? "").split("&").map((part) => part.split("=")));
  const secret = Uint8Array.from(atob((given.secret ?? "").replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));
  const alg = { 10: ["0a", "10", 8], 30: ["181e", "10", 16], 24: refuse }[given.alg ?? 10];
  if (alg === refuse) refuse("algorithm 24 is ChaCha20/Poly1305, which WebCrypto does not have: use decode.py");
  if (!line.startsWith("bulla:") || !alg || secret.length !== 32 || !given.kid || !/^(session|counter)$/.test(given.context ?? "session"))
    refuse("not a credential line");
  const found = message.length <= 4096 && hex(message).match(MESSAGE)?.groups, counter = given.context === "counter";
  const { inner, format, re, echo, kid, piv, sealed } = found || refuse("malformed"), written = found.session;
  if (hex(message) !== `d083${bstr(inner)}${written ? "a3" : "a2"}04${kid}06${piv}${written ? "0a48" + written : ""}${bstr(sealed)}`
    || inner[1] != 2 + !!re + !!echo) refuse("malformed");
  const context = written ?? (counter ? undefined : session);
  if (found.alg !== alg[0] || kid.slice(2) !== given.kid.toLowerCase() || counter !== !context)
    refuse("forged: another kid, alg or kind of context; or a session's, and ID_CONTEXT is needed");
  const hkdf = await subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const derive = async (id, kind, size) => hex(new Uint8Array(await subtle.deriveBits({ name: "HKDF", hash: "SHA-256", // RFC 8613 3.2.1
    salt: new Uint8Array(), info: unhex(`85${id}${context ? "48" + context : "f6"}${alg[0]}${kind}${digits(size, 1)}`) }, hkdf, 8 * size)));
  const number = digits(kid.length / 2 - 1, 1) + kid.slice(2).padStart(14, "0") + piv.slice(2).padStart(10, "0"); // RFC 8613 5.2
  const nonce = digits(BigInt("0x" + number) ^ BigInt("0x" + await derive("40", "624956", 13)), 13);
  const content = await openCcm(await derive(kid, "634b6579", 16), nonce, `8368456e637279707430${bstr(inner)}40`, sealed, alg[2]);
  const value = (text) => unpack(BigInt("0x" + (text.length > 2 ? text.slice(2) : text))), type = value(format);
  const said = { kid: kid.slice(2), piv: value(piv), id_context: context ?? null, re: re ? value(re) : null, format: type, content, value: content };
  const text = () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  const decoders = { 112: () => cbor(content), 60: () => cbor(content), 110: () => JSON.parse(text()), 50: () => JSON.parse(text()), 0: text };
  try { said.value = (decoders[type] ?? (() => content))(); } catch { /* authentic, but not of the format that it says */ }
  return said;
}

if (globalThis.process?.argv[1]?.endsWith("decode.mjs")) {
  const { readFileSync } = await import("node:fs"), [line, session] = process.argv.slice(2), data = readFileSync(0);
  for (const message of data[0] === 0xd0 ? [new Uint8Array(data)] : data.toString().trim().split(/\s+/).map(unhex)) {
    const said = await openMessage(line[0] === "@" ? readFileSync(line.slice(1), "utf8") : line, message, session);
    console.log(JSON.stringify(said, (_, it) => it instanceof Uint8Array ? hex(it) : it instanceof Map ? Object.fromEntries(it)
      : typeof it === "bigint" ? it.toString() : it));
  }
}
