// Opens sealed messages (spec/PROTOCOL.md), as they are or lines of hex: node decode.mjs CREDENTIAL|@FILE [ID_CONTEXT]
const { subtle } = globalThis.crypto ?? (await import("node:crypto")).webcrypto;
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (two) => parseInt(two, 16));
const utf8 = (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
const number = (text, big = BigInt(text)) => big < 2n ** 53n ? Number(big) : big;
const half = (sign, e, m) => (-1) ** sign * (e ? 1024 + m : 2 * m) * 2 ** (e < 31 ? e - 25 : m ? NaN : Infinity);
const padded = (...list) => [...list, ...Array(-list.length & 15).fill(0)], refuse = (why) => { throw new Error(why); };
const run = async (op, how, key, it) => subtle[op](how, await subtle.importKey("raw", key, how.name, false, [op]), it);
export function cbor(data, strict, at = 0) { // an item of RFC 8949; strict: of the shortest form, a map shows each pair
  const take = (n) => (at += n) <= data.length ? data.slice(at - n, at) : refuse("cut off");
  const item = () => {
    const [first] = take(1), major = first >> 5, info = first & 31, open = info === 31 && major > 1 && major < 6;
    const raw = info < 24 || open ? [info] : take([1, 2, 4, 8][info - 24] ?? refuse("reserved")), list = [];
    const n = number("0x" + hex(raw)), count = open ? Infinity : major === 4 || major === 5 ? n : 0;
    if (strict && (open || major > 5 || n < [24, 256, 65536, 2 ** 32][info - 24])) refuse("not the shortest form");
    while (count > list.length && !(open && data[at] === 255 && ++at)) list.push(major < 5 ? item() : [item(), item()]);
    return [() => n, () => typeof n === "bigint" ? ~n : -1 - n, () => open ? unhex(list.map(hex).join("")) : take(n),
      () => open ? list.join("") : utf8(take(n)), () => list, () => strict ? { pairs: list } : new Map(list),
      () => ({ tag: n, value: item() }), () => info < 25 ? [false, true][n - 20] ?? null : info > 25
        ? new DataView(raw.buffer)[`getFloat${8 * raw.length}`](0) : half(n >> 15, (n >> 10) & 31, n & 1023)][major]();
  };
  return [item(), at === data.length || refuse("bytes behind the end")][0];
}
const DECODE = { 112: cbor, 60: cbor, 110: (it) => JSON.parse(utf8(it)), 50: (it) => JSON.parse(utf8(it)), 0: utf8 };
const CREDENTIAL = /^bulla:,([\da-fA-F]{2}){1,5},[\w-]{43},(10|30),(session|counter)$/; // PROTOCOL 1, and 3:
const FORM = new RegExp(/^{1,(?<alg>\d+),3,(?<type>\d+)(,"re",(?<re>\d+))?(,"echo",'\w{16}')?},'(?<inner>\w+)',/.source
  + /{4,'(?<kid>\w{2,10})',6,'(?<piv>00|(?!00)\w{2,10})'(,10,'(?<own>\w{16})')?},'(?<sealed>\w*)'$/.source);
const show = (it) => it instanceof Uint8Array ? `'${hex(it)}'` : it.pairs ? `{${it.pairs.flat().map(show)}}`
  : Array.isArray(it) ? `[${it.map(show)}]` : typeof it === "string" ? JSON.stringify(it) : `${it}`;
const parse = async (data, all = cbor(data.slice(1), true)) => FORM.exec([cbor(all[0], true), ...all].map(show)).groups;
export async function openMessage(line, message, session) { // "content" is bytes, "value" that decoded; or it throws
  const { kid: known, secret, alg = "10", context = "session" } = Object.fromEntries(new URL(line).searchParams);
  if (!CREDENTIAL.test([line.slice(0, 6), known, secret, alg, context])) refuse("no credential; of alg 24: decode.py");
  const { inner, kid, piv, own, sealed, re, type, ...found } = await parse(message).catch(() => refuse("malformed"));
  if (message[0] !== 0xd0 || message.length > 4096 || type > 65535) refuse("malformed");
  const id = own ?? (context === "session" && session ? session : null), tag = alg === "10" ? 8 : 16;
  if (kid !== known.toLowerCase() || found.alg !== alg || (context === "counter") !== (id === null))
    refuse("forged: another kid, alg or kind of context; or a session's, and ID_CONTEXT is needed");
  const master = Uint8Array.from(atob(secret.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const derive = (owner, kind, bits) => run("deriveBits", { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info:
    unhex(`854${owner.length / 2}${owner}${id ? "48" + id : "f6"}${tag === 8 ? "0a" : "181e"}${kind}`) }, master, bits);
  const key = await derive(kid, "634b657910", 128), iv = new Uint8Array(await derive("", "6249560d", 104)); // RFC 8613:
  const nonce = unhex(`0${kid.length / 2}${kid.padStart(14, 0)}${piv.padStart(10, 0)}`).map((a, i) => a ^ iv[i]); // 5.2
  const aad = unhex(`8368456e637279707430${hex(message).slice(4, inner.length + (inner.length < 48 ? 6 : 8))}40`);
  const size = sealed.length / 2 - tag, counter = Uint8Array.of(1, ...nonce, 0, 0); // RFC 3610
  const opened = new Uint8Array(await run("encrypt", { name: "AES-CTR", counter, length: 16 }, key,
    Uint8Array.of(...padded(...message.slice(-tag)), ...message.slice(-tag - size, -tag)))), content = opened.slice(16);
  const mac = new Uint8Array(await run("encrypt", { name: "AES-CBC", iv: new Uint8Array(16) }, key, Uint8Array.of(
    4 * tag + 57, ...nonce, size >> 8, size, ...padded(0, aad.length, ...aad), ...padded(...content)))).slice(-32, -16);
  if (size < 0 || mac.reduce((sum, it, i) => sum | (i < tag && it ^ opened[i]), 0)) refuse("forged: not authentic");
  return { kid, piv: parseInt(piv, 16), id_context: id, re: re ? number(re) : null, format: Number(type), content,
    value: await Promise.resolve(content).then(DECODE[type]).catch(() => content) };
}
if (globalThis.process?.argv[1]?.endsWith("decode.mjs")) {
  const { readFileSync: read } = await import("node:fs"), [line, id] = process.argv.slice(2), data = read(0);
  const json = (_, a) => ({ Map: Object.fromEntries, Uint8Array: hex, BigInt: String }[a?.constructor.name]?.(a) ?? a);
  for (const each of data[0] === 0xd0 ? [new Uint8Array(data)] : `${data}`.trim().split(/\s+/).map(unhex))
    console.log(JSON.stringify(await openMessage(line[0] === "@" ? `${read(line.slice(1))}` : line, each, id), json));
}
